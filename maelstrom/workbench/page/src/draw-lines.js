/** Draws the lines of places: since when they know a value, and what happens to nodes. */

import { counted, grouped } from "./dom.js";
import { firstAbove, firstAtLeast } from "./run.js";
import { xOf, yOf } from "./scene.js";
import { ticks } from "./times.js";

/** @typedef {import("./scene.js").Scene} Scene */

/** How wide a sign is, and a dot, in pixels. */
const SIGN = 5;
const DOT = 3;
const DEAD = "✖";
/** What is drawn where something happens to a node. */
export const SIGNS = /** @type {Record<string, string>} */ ({
  start: "▲",
  kill: DEAD,
  exit: DEAD,
  pause: "‖",
  resume: "▸",
});

/** @param {Scene} scene */
export function drawLines(scene) {
  const { canvas, colors, lanes } = scene;
  for (const place of lanes.places) {
    const y = Math.round(yOf(scene, place)) + 0.5;
    line(scene, y, scene.left, colors.line, 1);
    const since = scene.known?.get(place)?.time ?? Number.POSITIVE_INFINITY;
    if (since <= scene.span.to) {
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

/**
 * What happens to nodes, none where the same sign is already.
 * @param {Scene} scene
 */
export function drawEvents(scene) {
  const { canvas, run, lanes, colors } = scene;
  const ends = run.eventKinds.map(() => new Float64Array(lanes.places.length).fill(-SIGN));
  canvas.textAlign = "center";
  visit(scene, (kind, row, x, y) => {
    const sign = SIGNS[run.eventKinds[kind]];
    if (!sign || x < ends[kind][row] + SIGN) return;
    ends[kind][row] = x;
    canvas.fillStyle = sign === DEAD ? colors.bad : colors.text;
    canvas.fillText(sign, x, y);
  });
  canvas.textAlign = "left";
}

/**
 * A dot for each line of a log, or a bar for those that follow close: a node may log a line a
 * message.
 * @param {Scene} scene
 */
export function drawLogs(scene) {
  const { canvas, run, lanes, colors } = scene;
  const log = run.eventKinds.indexOf("log");
  const bars = lanes.places.map(() => ({ begin: Number.NaN, end: Number.NaN }));
  const drawBar = (/** @type {number} */ row, /** @type {number} */ y) => {
    const { begin, end } = bars[row];
    canvas.fillRect(begin - DOT / 2, y - DOT / 2, end - begin + DOT, DOT);
  };
  canvas.fillStyle = colors.text;
  visit(scene, (kind, row, x, y) => {
    if (kind !== log) return;
    if (x - bars[row].end > SIGN) drawBar(row, y);
    if (!(x - bars[row].end <= SIGN)) bars[row].begin = x;
    bars[row].end = x;
  });
  lanes.places.forEach((place, row) => {
    drawBar(row, yOf(scene, place));
  });
}

/**
 * The events in view.
 * @param {Scene} scene
 * @param {(kind: number, row: number, x: number, y: number) => void} draw
 */
function visit(scene, draw) {
  const { time, place, kind } = scene.run.events;
  const end = firstAbove(time, scene.span.to);
  for (let event = firstAtLeast(time, scene.span.from); event < end; event++) {
    const row = scene.lanes.rows[place[event]];
    if (row < 0 || !scene.events[event]) continue;
    draw(kind[event], row, xOf(scene, time[event]), yOf(scene, place[event]));
  }
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
    // What has no room behind its tick stands before it.
    const room = x + 8 + canvas.measureText(label).width < width;
    canvas.textAlign = room ? "left" : "right";
    canvas.fillText(label, room ? x + 4 : x - 4, 11);
  }
  canvas.textAlign = "left";
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
  let end = scene.left;
  for (const [time, messages, logs] of run.gaps) {
    const x = xOf(scene, time);
    if (x < scene.left || x > scene.width) continue;
    canvas.fillRect(x, lanes.top, 2, height);
    // One label does not cover another.
    if (x < end) continue;
    const what = messages > 0 ? counted(messages, "message") : `${grouped(logs)} lines of logs`;
    canvas.fillText(`${what} left out`, x + 5, lanes.top + 8);
    end = x + 10 + canvas.measureText(`${what} left out`).width;
  }
}
