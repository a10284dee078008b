/**
 * Who knew a value when.
 *
 * A message carries a value if the value stands in it and its sender knew it. Clients know what
 * they ask for. A value that no client asks for comes from whoever sends it first.
 */

import { RECEIVED } from "./run.js";

/** @typedef {import("./run.js").Run} Run */

/**
 * @param {Run} run
 * @param {Uint8Array} found messages in which the value stands; those that do not carry it are
 *     taken out
 * @returns {Map<number, number>} since when each place knew it
 */
export function spread(run, found) {
  const { from, to, sent, ended, fate, count } = run.messages;
  const isClient = run.places.map((place) => place.kind === "client");
  const isAsked = found.some((is, i) => is && isClient[from[i]]);
  /** @type {Map<number, number>} */
  const known = new Map();
  const learn = (/** @type {number} */ place, /** @type {number} */ time) => {
    known.set(place, Math.min(time, known.get(place) ?? time));
  };
  for (let i = 0; i < count; i++) {
    if (!found[i]) continue;
    const isOrigin = isAsked ? isClient[from[i]] : known.size === 0;
    if (isOrigin) learn(from[i], sent[i]);
    if ((known.get(from[i]) ?? Number.POSITIVE_INFINITY) > sent[i]) found[i] = 0;
    else if (fate[i] === RECEIVED) learn(to[i], ended[i]);
  }
  return known;
}
