/** Which messages and operations are shown, of all that a run has. */

import { DROPPED } from "./run.js";
import { spread } from "./spread.js";
import { isWhole } from "./texts.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./texts.js").Texts} Texts */

/**
 * One number a row, 1 if it is shown.
 * @typedef {{messages: Uint8Array, operations: Uint8Array, events: Uint8Array}} Rows
 */
/**
 * What is shown; and since when places know the value that is followed, if that is known.
 * @typedef {Rows & {known: import("./spread.js").Known | null}} Shown
 */

/** @param {State} state */
export function needsTexts(state) {
  return state.text !== "" || state.value !== "";
}

/**
 * @param {Run} run
 * @param {State} state
 * @param {Texts | null} texts without them, nothing is held against a text
 * @returns {Shown}
 */
export function filter(run, state, texts) {
  const shown = {
    messages: new Uint8Array(run.messages.count).fill(1),
    operations: new Uint8Array(run.operations.count).fill(1),
    events: new Uint8Array(run.events.count).fill(1),
    known: /** @type {Shown["known"]} */ (null),
  };
  keepMessages(run, state, shown.messages);
  keepOperations(run, state, shown.operations);
  if (texts && state.text !== "") keep(shown, withEvents(run, texts.find(state.text)));
  if (texts && state.value !== "") {
    const found = texts.find(state.value, isWhole);
    shown.known = spread(run, state.value, found.messages);
    keep(shown, withEvents(run, found));
  }
  return shown;
}

/**
 * @param {Run} run
 * @param {State} state
 * @param {Uint8Array} shown
 */
function keepMessages(run, state, shown) {
  const { from, to, type, fate, count } = run.messages;
  const place = indexOf(run.places, state.node);
  const wanted = state.type === "" ? null : run.types.indexOf(state.type);
  const only = state.fate === "dropped";
  const hidden = run.places.map(
    ({ kind }) => (kind === "client" && !state.clients) || (kind === "service" && !state.services),
  );
  for (let i = 0; i < count; i++) {
    if (
      (place !== null && from[i] !== place && to[i] !== place) ||
      (wanted !== null && type[i] !== wanted) ||
      (only && fate[i] < DROPPED) ||
      hidden[from[i]] ||
      hidden[to[i]]
    ) {
      shown[i] = 0;
    }
  }
}

/**
 * @param {Run} run
 * @param {State} state
 * @param {Uint8Array} shown
 */
function keepOperations(run, state, shown) {
  const { client, node, f, count } = run.operations;
  const place = indexOf(run.places, state.node);
  const wanted = state.op === "" ? null : run.functions.indexOf(state.op);
  for (let i = 0; i < count; i++) {
    if (
      (place !== null && client[i] !== place && node[i] !== place) ||
      (wanted !== null && f[i] !== wanted) ||
      !state.clients
    ) {
      shown[i] = 0;
    }
  }
}

/**
 * @param {import("./run.js").Place[]} places
 * @param {string} name
 */
function indexOf(places, name) {
  return name === "" ? null : places.findIndex((place) => place.name === name);
}

/**
 * What happens to nodes is shown whatever is looked for: only lines of logs are left out.
 * @param {Run} run
 * @param {Rows} found
 */
function withEvents(run, found) {
  const log = run.eventKinds.indexOf("log");
  const events = found.events.map((is, i) => (run.events.kind[i] === log ? is : 1));
  return { ...found, events };
}

/**
 * @param {Shown} shown
 * @param {Rows} others
 */
function keep(shown, others) {
  for (const rows of /** @type {const} */ (["messages", "operations", "events"])) {
    for (let i = 0; i < shown[rows].length; i++) shown[rows][i] &= others[rows][i];
  }
}
