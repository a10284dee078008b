/** Draws the space-time diagram, from back to front. */

import { drawArrows, drawMarkedArrows } from "./draw-arrows.js";
import { drawBands, drawStrips } from "./draw-bands.js";
import { drawBars, drawMarkedBars } from "./draw-bars.js";
import { drawDensity } from "./draw-density.js";
import { drawEvents, drawFrame, drawGaps, drawLines, drawLogs, drawNames } from "./draw-lines.js";

import { drawRoles } from "./roles.js";

/** How much is left of what stays in the background. */
const FADED = 0.25;

/** @param {import("./scene.js").Scene} scene */
export function draw(scene) {
  const { canvas, width, height } = scene;
  canvas.clearRect(0, 0, width, height);
  canvas.font = "11px system-ui, sans-serif";
  canvas.textBaseline = "middle";
  canvas.lineJoin = "round";
  drawBands(scene);
  drawLines(scene);
  canvas.globalAlpha = scene.isFaded ? FADED : 1;
  drawDensity(scene);
  drawBars(scene);
  drawArrows(scene);
  canvas.globalAlpha = 1;
  drawRoles(scene);
  drawMarkedBars(scene);
  drawMarkedArrows(scene);
  drawLogs(scene);
  drawEvents(scene);
  drawGaps(scene);
  drawNames(scene);
  drawFrame(scene);
  drawStrips(scene);
}
