/**
 * Who knew a value when.
 *
 * A message carries a value if the value stands in it and its sender knew it. Clients know what
 * they ask nodes to keep, but not what they only read. A value that no client asks for comes from whoever sends it first.
 */

import { RECEIVED } from "./run.js";

/** @typedef {import("./run.js").Run} Run */

/** Requests in which clients name keys, and no values of theirs. */
const READS = ["read", "poll", "list_committed_offsets"];

/**
 * @param {Run} run
 * @param {Uint8Array} found messages in which the value stands; those that do not carry it are
 *     taken out
 * @returns {Map<number, number>} since when each place knew it
 */
export function spread(run, found) {
  const { from, to, sent, ended, fate, type, count } = run.messages;
  const isClient = run.places.map((place) => place.kind === "client");
  const isRead = run.types.map((type) => READS.includes(type));
  const tells = (/** @type {number} */ i) => isClient[from[i]] && !isRead[type[i]];
  const isAsked = found.some((is, i) => is && tells(i));
  /** @type {Map<number, number>} */
  const known = new Map();
  const learn = (/** @type {number} */ place, /** @type {number} */ time) => {
    known.set(place, Math.min(time, known.get(place) ?? time));
  };
  for (let i = 0; i < count; i++) {
    if (!found[i]) continue;
    const isOrigin = isAsked ? tells(i) : known.size === 0;
    if (isOrigin) learn(from[i], sent[i]);
    const isQuestion = isClient[from[i]] && !isOrigin;
    if (isQuestion || (known.get(from[i]) ?? Number.POSITIVE_INFINITY) > sent[i]) found[i] = 0;
    else if (fate[i] === RECEIVED) learn(to[i], ended[i]);
  }
  return known;
}
