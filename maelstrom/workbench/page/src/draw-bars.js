/** Draws operations as bars on the lines of their clients. */

import { ink } from "./colors.js";
import { FAILED, IN_DOUBT } from "./run.js";
import { bar } from "./scene.js";

/** @typedef {import("./scene.js").Scene} Scene */
/** @typedef {NonNullable<ReturnType<typeof bar>>} Bar */

/** From which width on a bar says what it is. */
const LABELLED = 46;

/** @param {Scene} scene */
export function drawBars(scene) {
  const ends = new Float64Array(scene.lanes.places.length).fill(Number.NEGATIVE_INFINITY);
  for (const operation of scene.operations) {
    const box = bar(scene, operation);
    if (!box) continue;
    const row = scene.lanes.rows[scene.run.operations.client[operation]];
    const isPlain = scene.run.operations.outcome[operation] === 0;
    // What lies within the pixel of another would not be seen.
    if (isPlain && Math.round(box.x + box.width) <= ends[row]) continue;
    ends[row] = Math.round(box.x + box.width);
    drawBar(scene, operation, box);
  }
}

/** @param {Scene} scene */
export function drawMarkedBars(scene) {
  for (const operation of scene.markedOperations) {
    const box = bar(scene, operation);
    if (!box) continue;
    drawBar(scene, operation, box);
    scene.canvas.strokeStyle = scene.colors.mark;
    scene.canvas.lineWidth = 2;
    scene.canvas.strokeRect(box.x - 1, box.y - 1, box.width + 2, box.height + 2);
  }
}

/**
 * @param {Scene} scene
 * @param {number} operation
 * @param {Bar} box
 */
function drawBar(scene, operation, box) {
  const { canvas, run } = scene;
  const f = run.operations.f[operation];
  const color = colorOf(scene, operation);
  canvas.fillStyle = color;
  canvas.fillRect(box.x, box.y, box.width, box.height);
  const right = Math.min(box.x + box.width, scene.width);
  const left = Math.max(box.x, scene.left);
  if (right - left < LABELLED || box.height < 10) return;
  canvas.save();
  canvas.beginPath();
  canvas.rect(left, box.y, right - left, box.height);
  canvas.clip();
  canvas.fillStyle = ink(color);
  canvas.fillText(run.functions[f], left + 4, box.y + box.height / 2);
  canvas.restore();
}

/**
 * @param {Scene} scene
 * @param {number} operation
 */
function colorOf(scene, operation) {
  const { operations } = scene.run;
  const { colors } = scene;
  if (operations.outcome[operation] === FAILED) return colors.bad;
  if (operations.outcome[operation] === IN_DOUBT) return colors.doubt;
  return colors.series[operations.f[operation] % colors.series.length];
}
