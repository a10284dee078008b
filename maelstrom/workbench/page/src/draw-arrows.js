/** Draws messages as arrows: dropped ones end in a cross, those under way in a ring. */

import { DROPPED, UNDER_WAY } from "./run.js";
import { arrow, isDense } from "./scene.js";

/** @typedef {import("./scene.js").Scene} Scene */
/** @typedef {NonNullable<ReturnType<typeof arrow>>} Arrow */

/** Up to how many arrows have heads, and say what they are. */
const HEADS = 800;
const LABELS = 60;
/** A path of more lines than this takes longer to draw than several. */
const BATCH = 200;

/** @param {Scene} scene */
export function drawArrows(scene) {
  if (isDense(scene)) return drawDrops(scene);
  for (const [color, messages] of byColor(scene)) {
    scene.canvas.strokeStyle = color;
    scene.canvas.fillStyle = color;
    scene.canvas.lineWidth = scene.messages.length > HEADS ? 0.6 : 1.1;
    lines(scene, messages);
    if (scene.messages.length <= HEADS) for (const message of messages) end(scene, message);
  }
  if (scene.messages.length > HEADS) drawDrops(scene);
  if (scene.messages.length <= LABELS && !scene.isFaded) labels(scene, scene.messages);
}

/**
 * Draws single messages above everything.
 * @param {Scene} scene
 */
export function drawMarkedArrows(scene) {
  const { canvas, colors } = scene;
  for (const message of scene.marked) {
    canvas.strokeStyle = isDropped(scene, message) ? colors.bad : colors.mark;
    canvas.fillStyle = canvas.strokeStyle;
    canvas.lineWidth = 2.5;
    lines(scene, [message]);
    end(scene, message);
  }
  if (scene.marked.length <= LABELS) labels(scene, scene.marked);
}

/**
 * @param {Scene} scene
 * @param {number} message
 */
function isDropped(scene, message) {
  return scene.run.messages.fate[message] >= DROPPED;
}

/** @param {Scene} scene */
function byColor(scene) {
  const { run, colors, typeColors } = scene;
  /** @type {Map<string, number[]>} */
  const groups = new Map();
  for (const message of scene.messages) {
    const number = typeColors[run.messages.type[message]];
    const usual = number < 0 ? colors.faint : colors.series[number];
    const color = isDropped(scene, message) ? colors.bad : usual;
    const group = groups.get(color);
    if (group) group.push(message);
    else groups.set(color, [message]);
  }
  return groups;
}

/**
 * @param {Scene} scene
 * @param {number[]} messages
 */
function lines(scene, messages) {
  const { canvas } = scene;
  for (let begin = 0; begin < messages.length; begin += BATCH) {
    canvas.beginPath();
    for (const message of messages.slice(begin, begin + BATCH)) {
      const line = arrow(scene, message);
      if (!line) continue;
      canvas.moveTo(line.x1, line.y1);
      canvas.lineTo(line.x2, line.y2);
    }
    canvas.stroke();
  }
}

/**
 * @param {Scene} scene
 * @param {number} message
 */
function end(scene, message) {
  const line = arrow(scene, message);
  if (!line) return;
  const fate = scene.run.messages.fate[message];
  if (fate === UNDER_WAY) ring(scene.canvas, line);
  else if (fate >= DROPPED) crosses(scene.canvas, [line]);
  else head(scene.canvas, line);
}

/**
 * @param {CanvasRenderingContext2D} canvas
 * @param {Arrow} line
 */
function head(canvas, { x1, y1, x2, y2 }) {
  const angle = Math.atan2(y2 - y1, x2 - x1);
  const corner = (/** @type {number} */ turn) => {
    canvas.lineTo(x2 - 7 * Math.cos(angle + turn), y2 - 7 * Math.sin(angle + turn));
  };
  canvas.beginPath();
  canvas.moveTo(x2, y2);
  corner(0.4);
  corner(-0.4);
  canvas.fill();
}

/**
 * @param {CanvasRenderingContext2D} canvas
 * @param {Arrow} line
 */
function ring(canvas, { x2, y2 }) {
  canvas.beginPath();
  canvas.arc(x2, y2, 3, 0, 2 * Math.PI);
  canvas.stroke();
}

/**
 * Crosses where arrows end.
 * @param {CanvasRenderingContext2D} canvas
 * @param {Arrow[]} lines
 */
function crosses(canvas, lines) {
  canvas.beginPath();
  for (const { x2, y2 } of lines) {
    canvas.moveTo(x2 - 4, y2 - 4);
    canvas.lineTo(x2 + 4, y2 + 4);
    canvas.moveTo(x2 - 4, y2 + 4);
    canvas.lineTo(x2 + 4, y2 - 4);
  }
  canvas.stroke();
}

/**
 * Crosses alone, none where another is already.
 * @param {Scene} scene
 */
function drawDrops(scene) {
  scene.canvas.strokeStyle = scene.colors.bad;
  scene.canvas.lineWidth = 1.2;
  /** @type {Map<number, Arrow>} */
  const ends = new Map();
  for (const message of scene.messages) {
    const line = isDropped(scene, message) ? arrow(scene, message) : null;
    if (line) ends.set(Math.round(line.x2 / 3) * 1e5 + Math.round(line.y2), line);
  }
  const lines = [...ends.values()];
  for (let begin = 0; begin < lines.length; begin += BATCH) {
    crosses(scene.canvas, lines.slice(begin, begin + BATCH));
  }
}

/**
 * Says what arrows are, where one label does not cover another.
 * @param {Scene} scene
 * @param {Iterable<number>} messages
 */
function labels(scene, messages) {
  /** @type {{x: number, y: number}[]} */
  const places = [];
  for (const message of messages) {
    const line = arrow(scene, message);
    if (!line) continue;
    const x = Math.max(line.x1 + (line.x2 - line.x1) / 3, scene.left) + 3;
    const y = line.y1 + (line.y2 - line.y1) / 3;
    if (places.some((place) => Math.abs(place.x - x) < 80 && Math.abs(place.y - y) < 14)) continue;
    places.push({ x, y });
    label(scene, scene.run.types[scene.run.messages.type[message]], x, y);
  }
}

/**
 * @param {Scene} scene
 * @param {string} text
 * @param {number} x
 * @param {number} y
 */
function label({ canvas, colors }, text, x, y) {
  canvas.lineWidth = 3;
  canvas.strokeStyle = colors.page;
  canvas.strokeText(text, x, y);
  canvas.fillStyle = colors.text;
  canvas.fillText(text, x, y);
}
