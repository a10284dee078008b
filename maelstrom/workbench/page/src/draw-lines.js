/** Draws the lines of places: since when they know a value, and what happens to nodes. */

import { xOf, yOf } from "./scene.js";
import { ticks } from "./times.js";

/** @typedef {import("./scene.js").Scene} Scene */

/** What is drawn where something happens to a node. */
const SIGNS = /** @type {Record<string, string>} */ ({
  start: "▲",
  kill: "✖",
  exit: "✖",
  pause: "‖",
  resume: "▸",
  log: "•",
});

/** @param {Scene} scene */
export function drawLines(scene) {
  const { canvas, colors, lanes } = scene;
  for (const place of lanes.places) {
    const y = Math.round(yOf(scene, place)) + 0.5;
    line(scene, y, scene.left, colors.line, 1);
    const since = scene.known.get(place) ?? Number.POSITIVE_INFINITY;
    if (since <= scene.span.to && scene.run.places[place].kind !== "client") {
      canvas.globalAlpha = 0.6;
      line(scene, y, Math.max(xOf(scene, since), scene.left), colors.mark, 5);
      canvas.globalAlpha = 1;
    }
  }
}

/**
 * @param {Scene} scene
 * @param {number} y
 * @param {number} x
 * @param {string} color
 * @param {number} width
 */
function line({ canvas, width: right }, y, x, color, width) {
  canvas.strokeStyle = color;
  canvas.lineWidth = width;
  canvas.beginPath();
  canvas.moveTo(x, y);
  canvas.lineTo(right, y);
  canvas.stroke();
}

/** @param {Scene} scene */
export function drawEvents(scene) {
  const { canvas, run, span, lanes, colors } = scene;
  canvas.textAlign = "center";
  for (const [time, place, what] of run.events) {
    if (!(what in SIGNS) || lanes.rows[place] < 0 || time < span.from || time > span.to) continue;
    canvas.fillStyle = what === "kill" || what === "exit" ? colors.bad : colors.text;
    canvas.fillText(SIGNS[what], xOf(scene, time), yOf(scene, place));
  }
  canvas.textAlign = "left";
}

/**
 * The axis and the names, above what is scrolled beneath them.
 * @param {Scene} scene
 */
export function drawFrame(scene) {
  const { canvas, colors, lanes, width, height, left } = scene;
  canvas.fillStyle = colors.page;
  canvas.fillRect(0, 0, width, lanes.top);
  canvas.fillStyle = colors.faint;
  for (const { at, label } of ticks(scene.span, width - left)) {
    const x = xOf(scene, at);
    canvas.fillRect(Math.round(x), 0, 1, 6);
    canvas.fillText(label, Math.min(x + 4, width - 60), 11);
  }
  canvas.fillStyle = colors.line;
  canvas.fillRect(left, 0, 1, height);
}

/** @param {Scene} scene */
export function drawNames(scene) {
  const { canvas, colors, run, lanes, left, height } = scene;
  canvas.fillStyle = colors.page;
  canvas.fillRect(0, 0, left, height);
  for (const place of lanes.places) {
    canvas.fillStyle = run.places[place].kind === "client" ? colors.faint : colors.text;
    canvas.fillText(run.places[place].name, 4, yOf(scene, place));
  }
}

/** @param {Scene} scene */
export function drawGaps(scene) {
  const { canvas, run, colors, lanes, height } = scene;
  canvas.fillStyle = colors.doubt;
  for (const [time, messages] of run.gaps) {
    const x = xOf(scene, time);
    if (x < scene.left) continue;
    canvas.fillRect(x, lanes.top, 2, height);
    canvas.fillText(`${messages} messages left out`, x + 5, lanes.top + 8);
  }
}
