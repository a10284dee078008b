/** Of a log: which offsets of a key were written when, and which of them polls have shown. */

import { make } from "./dom.js";
import { OK } from "./run.js";
import { ticks } from "./times.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./texts.js").Texts} Texts */
/** @typedef {{time: number, first: number, last: number}} Range */
/** @typedef {{sends: Range[], polls: Range[]}} Key */

/** The picture, in units of its own. */
const SIZE = { left: 56, top: 10, width: 640, height: 200 };

/** @param {Run} run */
export function isLog(run) {
  return ["send", "poll"].every((f) => run.functions.includes(f));
}

/**
 * What acknowledged operations say of each key.
 * @param {Run} run
 * @param {Texts} texts
 */
export function readOffsets(run, texts) {
  /** @type {Map<string, Key>} */
  const keys = new Map();
  const of = (/** @type {string} */ key) => {
    const known = keys.get(key) ?? { sends: [], polls: [] };
    keys.set(key, known);
    return known;
  };
  const { operations, functions } = run;
  for (let row = 0; row < operations.count; row++) {
    const f = functions[operations.f[row]];
    if (operations.outcome[row] !== OK || (f !== "send" && f !== "poll")) continue;
    const time = operations.ended[row];
    for (const [kind, what, sent] of parse(texts.valuesOf(row).got)) {
      if (kind === "send") of(what).sends.push({ time, first: sent[0], last: sent[0] });
      else for (const [key, messages] of Object.entries(what)) range(of(key), time, messages);
    }
  }
  return keys;
}

/**
 * @param {Key} key
 * @param {number} time
 * @param {[number, any][]} messages
 */
function range(key, time, messages) {
  const offsets = messages.map(([offset]) => offset);
  if (offsets.length === 0) return;
  key.polls.push({ time, first: offsets[0], last: offsets[offsets.length - 1] });
}

/**
 * @param {string} text
 * @returns {[string, any, any][]}
 */
function parse(text) {
  const value = text === "" ? [] : JSON.parse(text);
  return Array.isArray(value) ? value : [];
}

/**
 * @param {Run} run
 * @param {Texts} texts
 */
export function offsets(run, texts) {
  const keys = readOffsets(run, texts);
  const written = (/** @type {string} */ key) => keys.get(key)?.sends.length ?? 0;
  const names = [...keys.keys()].sort((a, b) => written(b) - written(a));
  const options = names.map((value) => make("option", { value }, value));
  const select = make("select", { "aria-label": "Key" }, ...options);
  const box = make("div");
  const show = () => {
    box.innerHTML = picture(run, keys.get(select.value) ?? { sends: [], polls: [] });
  };
  select.addEventListener("change", show);
  show();
  const note =
    "A dot is a message that was written at an offset, a line the offsets that a poll has shown.";
  return make(
    "section",
    { class: "offsets" },
    make("h2", {}, "Offsets of a key"),
    make("label", {}, "Key ", select),
    box,
    make("p", { class: "note" }, note),
  );
}

/**
 * Numbers alone go into the picture, so that it may be HTML.
 * @param {Run} run
 * @param {Key} key
 */
function picture(run, { sends, polls }) {
  const { left, top, width, height } = SIZE;
  const span = { from: run.begin, to: run.end };
  const most = [...sends, ...polls].reduce((most, { last }) => Math.max(most, last), 1);
  const x = (/** @type {number} */ time) =>
    (((time - span.from) / (span.to - span.from)) * width).toFixed(1);
  const y = (/** @type {number} */ offset) => (height - (offset / most) * height).toFixed(1);
  const line = (/** @type {Range} */ { time, first, last }) =>
    `M${x(time)} ${y(first)}V${y(last)}h0.1`;
  const dot = (/** @type {Range} */ { time, first }) => `M${x(time)} ${y(first)}h0`;
  const axis = ticks(span, width).map(
    ({ at, label }) => `<text class="x" x="${x(at)}" y="${height + 16}">${label}</text>`,
  );
  const rules = [0, most].map(
    (offset) =>
      `<path class="rule" d="M0 ${y(offset)}H${width}"/><text class="y" x="-6" y="${y(offset)}">${offset}</text>`,
  );
  return `<svg viewBox="0 0 ${left + width + 10} ${top + height + 24}" role="img" aria-label="offsets over time">
    <g transform="translate(${left},${top})">${axis.join("")}${rules.join("")}
    <path class="rate f1" d="${polls.map(line).join("")}"/>
    <path class="dots ok f0" d="${sends.map(dot).join("")}"/></g></svg>`;
}
