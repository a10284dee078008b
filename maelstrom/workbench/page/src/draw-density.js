/**
 * Draws how many messages a place sends and receives, where there are too many for arrows: the
 * higher the hill on its line, the more.
 */

import { isDense, yOf } from "./scene.js";

/** @typedef {import("./scene.js").Scene} Scene */

/** How wide a step of a hill is, in pixels. */
const STEP = 2;
/** A pixel that gets its colour later. */
const OPAQUE = 0xff000000;

/** @param {Scene} scene */
export function drawDensity(scene) {
  if (!isDense(scene)) return;
  const { canvas, left, width, height } = scene;
  canvas.save();
  canvas.globalAlpha *= 0.6;
  canvas.imageSmoothingEnabled = false;
  canvas.drawImage(hills(scene), left, 0, width - left, height);
  canvas.restore();
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
 * All hills as a picture that is as many pixels wide as there are columns. It is made pixel by
 * pixel: to fill as many shapes takes a browser several times as long.
 * @param {Scene} scene
 */
function hills(scene) {
  const { all, columns } = countByColumn(scene);
  const most = all.reduce((most, count) => Math.max(most, count), 1);
  const half = scene.lanes.step * 0.45;
  const height = Math.ceil(scene.height);
  const picture = new OffscreenCanvas(columns, height);
  const image = new ImageData(columns, height);
  const pixels = new Uint32Array(image.data.buffer);
  all.forEach((count, i) => {
    const y = yOf(scene, scene.lanes.places[Math.floor(i / columns)]);
    const size = count === 0 ? -1 : half * Math.sqrt(count / most);
    const end = Math.min(Math.round(y + size), height - 1);
    for (let row = Math.max(Math.round(y - size), 0); row <= end; row++) {
      pixels[row * columns + (i % columns)] = OPAQUE;
    }
  });
  const canvas = /** @type {OffscreenCanvasRenderingContext2D} */ (picture.getContext("2d"));
  canvas.putImageData(image, 0, 0);
  canvas.globalCompositeOperation = "source-in";
  canvas.fillStyle = scene.colors.series[0];
  canvas.fillRect(0, 0, columns, height);
  return picture;
}
