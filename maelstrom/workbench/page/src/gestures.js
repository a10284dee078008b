/**
 * Turns wheel, pointers and keys into moves of the view.
 *
 * The wheel zooms around the pointer; with shift, or sideways, it moves in time. A pointer that
 * is dragged moves, two of them zoom. Vertical strokes on a touch screen scroll as everywhere.
 */

/**
 * @typedef {object} Moves
 * @property {(factor: number, x?: number) => void} zoom around a point, or the middle
 * @property {(pixels: number) => void} pan in time
 * @property {(pixels: number) => void} scroll the lines
 * @property {() => void} all shows everything
 * @property {(x: number, y: number) => void} click
 * @property {(x: number, y: number) => void} hover
 * @property {() => void} leave says nothing of what was under the pointer
 * @property {(by: number) => void} step selects the next or last message
 * @property {(by: number) => void} stepEvent tells of the next or last event of a node
 * @property {() => void} clear selects nothing
 */

/** A pointer that moved less than this, in pixels, has clicked. */
const STILL = 4;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Moves} moves
 */
export function listen(canvas, moves) {
  canvas.addEventListener("wheel", (event) => wheel(event, moves), { passive: false });
  canvas.addEventListener("keydown", (event) => key(event, moves));
  listenToPointers(canvas, moves);
}

/**
 * @param {WheelEvent} event
 * @param {Moves} moves
 */
function wheel(event, moves) {
  event.preventDefault();
  const sideways = event.shiftKey ? event.deltaY : event.deltaX;
  if (Math.abs(sideways) > 0) moves.pan(sideways);
  else moves.zoom(1.0015 ** event.deltaY, event.offsetX);
}

/**
 * @param {KeyboardEvent} event
 * @param {Moves} moves
 */
function key(event, moves) {
  const actions = /** @type {Record<string, () => void>} */ ({
    ArrowLeft: () => moves.pan(-80),
    ArrowRight: () => moves.pan(80),
    ArrowUp: () => moves.scroll(-40),
    ArrowDown: () => moves.scroll(40),
    "+": () => moves.zoom(0.7),
    "=": () => moves.zoom(0.7),
    "-": () => moves.zoom(1 / 0.7),
    0: moves.all,
    Home: moves.all,
    n: () => moves.step(1),
    p: () => moves.step(-1),
    l: () => moves.stepEvent(1),
    L: () => moves.stepEvent(-1),
    Escape: moves.clear,
  });
  const action = actions[event.key];
  if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  action();
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Moves} moves
 */
function listenToPointers(canvas, moves) {
  /** @type {Map<number, {x: number, y: number}>} */
  const down = new Map();
  let travelled = 0;
  const at = (/** @type {PointerEvent} */ event) => ({ x: event.offsetX, y: event.offsetY });
  canvas.addEventListener("pointerdown", (event) => {
    if (down.size === 0) travelled = 0;
    down.set(event.pointerId, at(event));
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const last = down.get(event.pointerId);
    const { x, y } = at(event);
    if (!last) return moves.hover(x, y);
    travelled += Math.hypot(x - last.x, y - last.y);
    const others = [...down].filter(([id]) => id !== event.pointerId);
    if (others.length > 0) pinch(last.x, x, others[0][1].x, moves);
    else if (travelled > STILL) drag(event, last, { x, y }, moves);
    down.set(event.pointerId, { x, y });
  });
  const up = (/** @type {PointerEvent} */ event) => {
    const was = down.get(event.pointerId);
    down.delete(event.pointerId);
    const isClick = event.type === "pointerup" && travelled <= STILL && event.button === 0;
    if (was && isClick) moves.click(was.x, was.y);
  };
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") moves.leave();
  });
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
}

/**
 * @param {PointerEvent} event
 * @param {{x: number, y: number}} last
 * @param {{x: number, y: number}} now
 * @param {Moves} moves
 */
function drag(event, last, now, moves) {
  moves.pan(last.x - now.x);
  if (event.pointerType === "mouse") moves.scroll(last.y - now.y);
}

/**
 * One of two fingers moves: what is under them stays under them.
 * @param {number} before
 * @param {number} now
 * @param {number} other
 * @param {Moves} moves
 */
function pinch(before, now, other, moves) {
  const [apart, wanted] = [Math.abs(before - other), Math.abs(now - other)];
  if (apart > 10 && wanted > 10) moves.zoom(apart / wanted, other);
}
