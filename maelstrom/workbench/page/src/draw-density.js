/**
 * Draws how many messages a place sends and receives, where there are too many for arrows: the
 * higher the hill on its line, the more.
 */

import { isDense, xOf, yOf } from "./scene.js";

/** @typedef {import("./scene.js").Scene} Scene */

/** How wide a step of a hill is, in pixels. */
const STEP = 2;

/** @param {Scene} scene */
export function drawDensity(scene) {
  if (!isDense(scene)) return;
  const counts = countByColumn(scene);
  const most = counts.all.reduce((most, count) => Math.max(most, count), 1);
  scene.canvas.fillStyle = scene.colors.series[0];
  scene.canvas.save();
  scene.canvas.globalAlpha *= 0.6;
  scene.lanes.places.forEach((place, row) => {
    const of = counts.all.subarray(row * counts.columns, (row + 1) * counts.columns);
    hill(scene, yOf(scene, place), of, most);
  });
  scene.canvas.restore();
}

/** @param {Scene} scene */
function countByColumn(scene) {
  const { run, lanes, span, left, width } = scene;
  const { sent, ended, from, to } = run.messages;
  const columns = Math.ceil((width - left) / STEP);
  const scale = columns / (span.to - span.from);
  const all = new Uint32Array(columns * lanes.places.length);
  const add = (/** @type {number} */ place, /** @type {number} */ time) => {
    const column = Math.floor((time - span.from) * scale);
    const row = lanes.rows[place];
    if (row >= 0 && column >= 0 && column < columns) all[row * columns + column]++;
  };
  for (const message of scene.messages) {
    add(from[message], sent[message]);
    add(to[message], ended[message]);
  }
  return { all, columns };
}

/**
 * @param {Scene} scene
 * @param {number} y
 * @param {Uint32Array} counts
 * @param {number} most
 */
function hill(scene, y, counts, most) {
  const { canvas, lanes, span } = scene;
  const half = lanes.step * 0.45;
  const heights = Array.from(counts, (count) => half * Math.sqrt(count / most));
  const left = xOf(scene, span.from);
  canvas.beginPath();
  canvas.moveTo(left, y);
  heights.forEach((height, i) => {
    canvas.lineTo(left + i * STEP, y - height);
  });
  for (let i = heights.length - 1; i >= 0; i--) canvas.lineTo(left + i * STEP, y + heights[i]);
  canvas.fill();
}
