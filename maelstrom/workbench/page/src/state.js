/**
 * What is shown of a run: the span of time, the filter, what is selected.
 *
 * All of it stands in the page's address behind `#`, so that an address shows the same again.
 */

import { extent, whole } from "./run.js";

/** @typedef {import("./run.js").Run} Run */

/**
 * @typedef {object} State
 * @property {number} from
 * @property {number} to
 * @property {string} node a place: messages from and to it, operations on it
 * @property {string} type of messages
 * @property {string} op function of operations
 * @property {string} fate "dropped" for messages that were
 * @property {string} text in bodies and values
 * @property {string} value a scalar in JSON that is followed
 * @property {number | null} message the id of the selected message
 * @property {number | null} operation the index of the selected operation
 * @property {number | null} finding the number of the finding that is shown
 * @property {boolean} clients whether their lines are shown
 * @property {boolean} services whether theirs are
 */

const TEXTS = /** @type {const} */ (["node", "type", "op", "fate", "text", "value"]);
const NUMBERS = /** @type {const} */ (["message", "operation", "finding"]);
const FLAGS = /** @type {const} */ (["clients", "services"]);

/**
 * What is shown at first: from the first operation on, and what was just before it. Nodes may
 * have taken long to start.
 * @param {Run} run
 */
function opening(run) {
  const { from, to } = whole(run);
  const first = run.operations.count > 0 ? run.operations.began[0] : from;
  return { from: Math.max(from, Math.floor(first - (run.end - first) / 50)), to };
}

/**
 * @param {Run} run
 * @returns {State}
 */
export function initial(run) {
  const texts = { node: "", type: "", op: "", fate: "", text: "", value: "" };
  const numbers = { message: null, operation: null, finding: null };
  return { ...opening(run), ...texts, ...numbers, clients: true, services: true };
}

/**
 * @param {State} state
 * @param {Run} run
 */
export function toHash(state, run) {
  const words = new URLSearchParams();
  const { from, to } = opening(run);
  if (state.from !== from || state.to !== to) {
    words.set("from", seconds(state.from));
    words.set("to", seconds(state.to));
  }
  for (const name of TEXTS) if (state[name] !== "") words.set(name, state[name]);
  for (const name of NUMBERS) if (state[name] !== null) words.set(name, String(state[name]));
  for (const name of FLAGS) if (!state[name]) words.set(name, "no");
  return words.size === 0 ? "" : `#${words}`;
}

/**
 * @param {string} hash
 * @param {Run} run
 * @returns {State}
 */
export function fromHash(hash, run) {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const state = initial(run);
  for (const name of NUMBERS) state[name] = number(words.get(name));
  const finding = run.findings.find((finding) => finding.number === state.finding);
  const shown = finding ? { ...state, ...extent(run, finding), value: finding.value ?? "" } : state;
  state.from = time(words.get("from")) ?? shown.from;
  state.to = time(words.get("to")) ?? shown.to;
  for (const name of TEXTS) state[name] = words.get(name) ?? shown[name];
  for (const name of FLAGS) state[name] = words.get(name) !== "no";
  return state.to > state.from ? state : { ...state, ...opening(run) };
}

/** @param {number} micros */
function seconds(micros) {
  return String(Math.round(micros) / 1e6);
}

/** @param {string | null} text */
function time(text) {
  const seconds = number(text);
  return seconds === null ? undefined : seconds * 1e6;
}

/** @param {string | null} text */
function number(text) {
  const number = Number.parseFloat(text ?? "");
  return Number.isFinite(number) ? number : null;
}
