/** Finds what is under a pointer: an operation, a message, an event of a node, or a fault. */

import { NONE } from "./binary.js";
import { extent } from "./draw-bands.js";
import { describe } from "./faults.js";
import { AXIS, STRIP } from "./lanes.js";
import { describeRole } from "./roles.js";
import { fate, firstAbove, firstAtLeast } from "./run.js";
import { arrow, bar, isDense, timeAt, xOf, yOf } from "./scene.js";
import { duration, moment } from "./times.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./scene.js").Scene} Scene */
/** @typedef {import("./texts.js").Texts} Texts */

/** What stands for a text that the page lacks. */
export const LEFT_OUT = "left out of this page";
/** How far off a pointer may be, in pixels. */
const NEAR = 7;

/**
 * @param {Scene} scene
 * @param {number} x
 * @param {number} y
 */
export function pickOperation(scene, x, y) {
  const hits = scene.operations.filter((operation) => {
    const box = bar(scene, operation);
    return (
      box && x >= box.x - 2 && x <= box.x + box.width + 2 && y >= box.y && y <= box.y + box.height
    );
  });
  return hits.length > 0 ? hits[hits.length - 1] : null;
}

/**
 * The nearest arrow; where none are drawn, only those that are marked.
 * @param {Scene} scene
 * @param {number} x
 * @param {number} y
 */
export function pickMessage(scene, x, y) {
  let best = { message: /** @type {number | null} */ (null), distance: NEAR };
  const drawn = isDense(scene) ? scene.marked : [...scene.messages, ...scene.marked];
  for (const message of drawn) {
    const line = arrow(scene, message);
    const distance = line ? away(line, x, y) : NEAR;
    if (distance < best.distance) best = { message, distance };
  }
  return best.message;
}

/**
 * @param {{x1: number, y1: number, x2: number, y2: number}} line
 * @param {number} x
 * @param {number} y
 */
function away({ x1, y1, x2, y2 }, x, y) {
  const [dx, dy] = [x2 - x1, y2 - y1];
  const along = ((x - x1) * dx + (y - y1) * dy) / Math.max(dx * dx + dy * dy, 1e-9);
  const part = Math.min(Math.max(along, 0), 1);
  return Math.hypot(x - x1 - part * dx, y - y1 - part * dy);
}

/**
 * What is to be said of a point.
 * @param {Scene} scene
 * @param {number} x
 * @param {number} y
 * @param {Texts | null} texts
 */
export function describeAt(scene, x, y, texts) {
  if (y >= AXIS && y < scene.lanes.top) return describeFault(scene, x, y);
  const event = pickEvent(scene, x, y);
  if (event !== null) return describeEvent(scene.run, event, texts);
  const operation = pickOperation(scene, x, y);
  if (operation !== null) return describeOperation(scene.run, operation);
  const message = pickMessage(scene, x, y);
  return message === null ? describeRole(scene, x, y) : describeMessage(scene.run, message);
}

/**
 * @param {Scene} scene
 * @param {number} x
 * @param {number} y
 */
function describeFault(scene, x, y) {
  const kind = scene.lanes.faults[Math.floor((y - AXIS) / STRIP)];
  const faults = scene.run.faults.filter((fault) => {
    const box = fault.fault === kind ? extent(scene, fault) : null;
    return box && x >= box.x && x <= box.x + box.width;
  });
  const span = (/** @type {{from: number, to: number}} */ { from, to }) =>
    `from ${moment(from)} to ${moment(to)}`;
  return faults.map((fault) => `${describe(scene.run, fault)}, ${span(fault)}`).join("\n");
}

/**
 * The nearest event of a node.
 * @param {Scene} scene
 * @param {number} x
 * @param {number} y
 */
export function pickEvent(scene, x, y) {
  const { time, place } = scene.run.events;
  const end = firstAbove(time, timeAt(scene, x + NEAR));
  let best = { event: /** @type {number | null} */ (null), distance: NEAR };
  for (let event = firstAtLeast(time, timeAt(scene, x - NEAR)); event < end; event++) {
    if (scene.lanes.rows[place[event]] < 0 || !scene.events[event]) continue;
    const at = { x: xOf(scene, time[event]), y: yOf(scene, place[event]) };
    const distance = Math.hypot(at.x - x, at.y - y);
    if (distance < best.distance) best = { event, distance };
  }
  return best.event;
}

/**
 * @param {Run} run
 * @param {number} event
 * @param {Texts | null} texts
 */
export function describeEvent(run, event, texts) {
  const { time, place, kind, size } = run.events;
  const what = `${moment(time[event])}: ${run.places[place[event]].name} ${run.eventKinds[kind[event]]}`;
  if (size[event] === 0) return what;
  return `${what}: ${size[event] === NONE ? LEFT_OUT : (texts?.words(event) ?? "…")}`;
}

/**
 * @param {Run} run
 * @param {number} message
 */
export function describeMessage(run, message) {
  const { messages, places, types } = run;
  const [from, to] = [places[messages.from[message]].name, places[messages.to[message]].name];
  const took = duration(messages.ended[message] - messages.sent[message]);
  const type = types[messages.type[message]];
  return `${type} ${from} → ${to}, sent ${moment(messages.sent[message])}, ${fate(run, message)} after ${took}`;
}

/**
 * @param {Run} run
 * @param {number} operation
 */
export function describeOperation(run, operation) {
  const { operations, places, functions } = run;
  const took = duration(operations.ended[operation] - operations.began[operation]);
  const outcome = ["ok", "failed", "in doubt"][operations.outcome[operation]];
  // Where the trace has a gap, nobody knows whose it was.
  const client = places[operations.client[operation]]?.name ?? "a client";
  const f = functions[operations.f[operation]];
  return `${f} by ${client}, began ${moment(operations.began[operation])}, ${outcome} after ${took}`;
}
