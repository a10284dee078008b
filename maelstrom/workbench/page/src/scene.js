/** Everything that a picture of the diagram is drawn from, and where in it things are. */

import { middle } from "./lanes.js";

/**
 * @typedef {object} Scene
 * @property {CanvasRenderingContext2D} canvas
 * @property {number} width in pixels of the style sheet
 * @property {number} height
 * @property {number} left where time begins, right of the names
 * @property {number} scroll how far lines are scrolled up
 * @property {import("./times.js").Span} span
 * @property {import("./lanes.js").Lanes} lanes
 * @property {import("./run.js").Run} run
 * @property {import("./colors.js").Colors} colors
 * @property {Int32Array} typeColors
 * @property {Uint32Array} messages those that are in view
 * @property {Uint32Array} operations those that are in view
 * @property {number[]} marked messages that are drawn above all others
 * @property {number[]} markedOperations
 * @property {Uint8Array} events which of them are shown
 * @property {import("./spread.js").Known | null} known since when a place knows the value that is
 *     followed
 * @property {boolean} isFaded whether all that is not marked stays in the background
 * @property {number} node the place that is filtered by; -1 without
 */

/** Beyond so many messages their arrows would be a blot: how many there are is drawn instead. */
export const ARROWS = 3000;

/** @param {Scene} scene */
export function isDense(scene) {
  return scene.messages.length > ARROWS;
}

/**
 * @param {Scene} scene
 * @param {number} time
 */
export function xOf(scene, time) {
  const { span, left, width } = scene;
  return left + ((time - span.from) / (span.to - span.from)) * (width - left);
}

/**
 * @param {Scene} scene
 * @param {number} x
 */
export function timeAt(scene, x) {
  const { span, left, width } = scene;
  return span.from + ((x - left) / (width - left)) * (span.to - span.from);
}

/**
 * The middle of a place's line, which has to be shown.
 * @param {Scene} scene
 * @param {number} place
 */
export function yOf(scene, place) {
  return middle(scene.lanes, scene.lanes.rows[place]) - scene.scroll;
}

/**
 * Both ends of an arrow, or nothing if one of its places is not shown.
 * @param {Scene} scene
 * @param {number} message
 */
export function arrow(scene, message) {
  const { messages } = scene.run;
  const { rows } = scene.lanes;
  const [from, to] = [messages.from[message], messages.to[message]];
  if (rows[from] < 0 || rows[to] < 0) return null;
  return {
    x1: xOf(scene, messages.sent[message]),
    y1: yOf(scene, from),
    x2: xOf(scene, messages.ended[message]),
    y2: yOf(scene, to),
  };
}

/**
 * The bar of an operation, or nothing if its client is not shown.
 * @param {Scene} scene
 * @param {number} operation
 */
export function bar(scene, operation) {
  const { operations } = scene.run;
  const row = scene.lanes.rows[operations.client[operation]] ?? -1;
  if (row < 0) return null;
  const height = Math.min(scene.lanes.step * 0.6, 14);
  const x = xOf(scene, operations.began[operation]);
  const width = Math.max(xOf(scene, operations.ended[operation]) - x, 2);
  return { x, y: yOf(scene, operations.client[operation]) - height / 2, width, height };
}
