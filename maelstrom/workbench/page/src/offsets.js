/** Of a log: which offsets of a key were written when, and which of them polls have shown. */

import { make } from "./dom.js";
import { describeOperation } from "./pick.js";
import { OK } from "./run.js";
import { roundUp, ticks, within } from "./times.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./texts.js").Texts} Texts */
/** @typedef {{row: number, time: number, first: number, last: number}} Range */
/** @typedef {{sends: Range[], polls: Range[]}} Key */

/** The picture, in units of its own. */
const SIZE = { left: 56, top: 10, width: 640, height: 200 };

/** About how many offsets stand beside it. */
const RULES = 4;
/** How far off a pointer may be, in units of the picture. */
const NEAR = 12;
const NOTE =
  "A dot is a message that was written at an offset, a line the offsets that a poll has shown. " +
  "Point at one to see whose it is; a click shows it in the diagram.";

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
      if (kind === "send") of(what).sends.push({ row, time, first: sent[0], last: sent[0] });
      else for (const [key, messages] of Object.entries(what)) range(of(key), row, time, messages);
    }
  }
  return keys;
}

/**
 * @param {Key} key
 * @param {number} row
 * @param {number} time
 * @param {[number, any][]} messages
 */
function range(key, row, time, messages) {
  const offsets = messages.map(([offset]) => offset);
  if (offsets.length === 0) return;
  key.polls.push({ row, time, first: offsets[0], last: offsets[offsets.length - 1] });
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
 * @param {(operation: number) => void} select
 */
export function offsets(run, texts, select) {
  const keys = readOffsets(run, texts);
  const written = (/** @type {string} */ key) => keys.get(key)?.sends.length ?? 0;
  const names = [...keys.keys()].sort((a, b) => written(b) - written(a));
  const options = names.map((value) => make("option", { value }, value));
  const choice = make("select", { "aria-label": "Key" }, ...options);
  const found = run.findings.find(({ key }) => key !== null && keys.has(key))?.key;
  if (found) choice.value = found;
  const said = make("p", { class: "note" }, NOTE);
  const key = () => keys.get(choice.value) ?? { sends: [], polls: [] };
  const at = (/** @type {MouseEvent} */ event) => nearest(run, key(), box, event);
  const box = make("div", {
    pointermove: (event) => {
      const range = at(/** @type {MouseEvent} */ (event));
      said.textContent = range ? describe(run, range) : NOTE;
    },
    click: (event) => {
      const range = at(/** @type {MouseEvent} */ (event));
      if (range) select(range.row);
    },
  });
  const show = () => {
    box.innerHTML = picture(run, key());
  };
  choice.addEventListener("change", show);
  show();
  return make(
    "section",
    { class: "offsets" },
    make("h2", {}, "Offsets of a key"),
    make("label", {}, "Key ", choice),
    box,
    said,
  );
}

/**
 * @param {Run} run
 * @param {Range} range
 */
function describe(run, { row, first, last }) {
  const offsets = first === last ? `Offset ${first}` : `Offsets ${first} to ${last}`;
  return `${offsets}: ${describeOperation(run, row)}`;
}

/**
 * Where times and offsets stand in the picture of a key: it has the time in which something
 * happened to the key, and all offsets, up to a round one.
 * @param {Run} run
 * @param {Key} key
 */
function scales({ begin, end }, { sends, polls }) {
  const all = [...sends, ...polls];
  const most = all.reduce((most, { last }) => Math.max(most, last), 1);
  const first = all.reduce((first, { time }) => Math.min(first, time), end);
  const last = all.reduce((last, { time }) => Math.max(last, time), begin);
  const margin = (last - first) / 50 || 1000;
  const span = within({ from: first - margin, to: last + margin }, { from: begin, to: end });
  const step = roundUp(most / RULES);
  const top = Math.ceil(most / step) * step;
  return {
    span,
    offsets: Array.from({ length: top / step + 1 }, (_, i) => i * step),
    x: (/** @type {number} */ time) => ((time - span.from) / (span.to - span.from)) * SIZE.width,
    y: (/** @type {number} */ offset) => SIZE.height - (offset / top) * SIZE.height,
  };
}

/**
 * The message or the poll under a pointer.
 * @param {Run} run
 * @param {Key} key
 * @param {HTMLElement} box
 * @param {MouseEvent} event
 */
function nearest(run, key, box, event) {
  const picture = box.querySelector("svg")?.getBoundingClientRect();
  if (!picture) return null;
  const scale = (SIZE.left + SIZE.width + 10) / picture.width;
  const right = (event.clientX - picture.left) * scale - SIZE.left;
  const down = (event.clientY - picture.top) * scale - SIZE.top;
  const { x, y } = scales(run, key);
  let best = { range: /** @type {Range | null} */ (null), distance: NEAR };
  for (const range of [...key.polls, ...key.sends]) {
    const above = Math.max(y(range.last) - down, down - y(range.first), 0);
    const distance = Math.hypot(x(range.time) - right, above);
    if (distance <= best.distance) best = { range, distance };
  }
  return best.range;
}

/**
 * Numbers alone go into the picture, so that it may be HTML.
 * @param {Run} run
 * @param {Key} key
 */
function picture(run, key) {
  const { left, top, width, height } = SIZE;
  const { span, offsets, ...scale } = scales(run, key);
  const x = (/** @type {number} */ time) => scale.x(time).toFixed(1);
  const y = (/** @type {number} */ offset) => scale.y(offset).toFixed(1);
  const line = (/** @type {Range} */ { time, first, last }) =>
    `M${x(time)} ${y(first)}V${y(last)}h0.1`;
  const dot = (/** @type {Range} */ { time, first }) => `M${x(time)} ${y(first)}h0`;
  const axis = ticks(span, width).map(
    ({ at, label }) => `<text class="x" x="${x(at)}" y="${height + 16}">${label}</text>`,
  );
  const rules = offsets.map(
    (offset) =>
      `<path class="rule" d="M0 ${y(offset)}H${width}"/><text class="y" x="-6" y="${(scale.y(offset) + 4).toFixed(1)}">${offset}</text>`,
  );
  return `<svg viewBox="0 0 ${left + width + 10} ${top + height + 24}" role="img" aria-label="offsets over time">
    <g transform="translate(${left},${top})">${axis.join("")}${rules.join("")}
    <path class="rate f1" d="${key.polls.map(line).join("")}"/>
    <path class="dots ok f0" d="${key.sends.map(dot).join("")}"/></g></svg>`;
}
