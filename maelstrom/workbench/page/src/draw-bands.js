/**
 * Draws faults: a strip with a name above all lines, and a band over the lines of those that it hits.
 * Those who can still hear each other have bands of one colour.
 */

import { describe, hit } from "./faults.js";
import { AXIS, STRIP } from "./lanes.js";
import { xOf, yOf } from "./scene.js";

/** @typedef {import("./scene.js").Scene} Scene */
/** @typedef {import("./run.js").Fault} Fault */

/** @param {Scene} scene */
export function drawBands(scene) {
  const { canvas, run, colors } = scene;
  for (const fault of run.faults) {
    const box = extent(scene, fault);
    if (!box) continue;
    for (const { place, strength, side } of hit(run, fault, scene.node)) {
      if (scene.lanes.rows[place] < 0) continue;
      canvas.fillStyle = side % 2 === 0 ? colors.fault : colors.series[side % 5];
      canvas.globalAlpha = 0.1 + 0.2 * strength;
      const y = yOf(scene, place) - scene.lanes.step / 2;
      canvas.fillRect(box.x, y, box.width, scene.lanes.step - 1);
    }
    canvas.globalAlpha = 1;
  }
}

/** @param {Scene} scene */
export function drawStrips(scene) {
  const { canvas, run, colors } = scene;
  for (const fault of run.faults) {
    const box = extent(scene, fault);
    if (!box) continue;
    const y = AXIS + STRIP * scene.lanes.faults.indexOf(fault.fault);
    canvas.save();
    canvas.beginPath();
    canvas.rect(box.x, y, box.width, STRIP - 1);
    canvas.clip();
    canvas.globalAlpha = 0.45;
    canvas.fillStyle = colors.fault;
    canvas.fillRect(box.x, y, box.width, STRIP - 1);
    canvas.globalAlpha = 1;
    canvas.fillStyle = colors.text;
    canvas.fillText(describe(run, fault), box.x + 4, y + STRIP / 2);
    canvas.restore();
  }
}

/**
 * @param {Scene} scene
 * @param {Fault} fault
 */
export function extent(scene, fault) {
  const x = Math.max(xOf(scene, fault.from), scene.left);
  const right = Math.min(xOf(scene, fault.to), scene.width);
  return right > x ? { x, width: Math.max(right - x, 1) } : null;
}
