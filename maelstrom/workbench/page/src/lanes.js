/**
 * The lines of the diagram, from top to bottom: services, nodes, and clients that have asked
 * something, each a place of the run.
 */

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./state.js").State} State */

/** How high a line is, in pixels, at least and at most. */
const LEAST = 16;
const MOST = 44;
/** Above the first line: the axis, and a strip for each kind of fault. */
export const AXIS = 20;
export const STRIP = 18;

/**
 * @typedef {object} Lanes
 * @property {number[]} places from top to bottom
 * @property {Int32Array} rows which line a place has; -1 if it is not shown
 * @property {number} step how far lines are apart
 * @property {string[]} faults kinds of faults, each of which has a strip
 * @property {number} top how much is above the lines
 * @property {number} height of all lines with what is above them
 */

/**
 * @param {Run} run
 * @param {Set<number>} busy the clients that have asked something
 * @param {State} state
 * @param {number} room how high the diagram is at best
 * @returns {Lanes}
 */
export function lanes(run, busy, state, room) {
  const kinds = /** @type {const} */ ([
    state.services && "service",
    "node",
    state.clients && "client",
  ]);
  const places = kinds.flatMap((kind) =>
    run.places.flatMap((place, i) =>
      place.kind === kind && (kind !== "client" || busy.has(i)) ? [i] : [],
    ),
  );
  const rows = new Int32Array(run.places.length).fill(-1);
  places.forEach((place, row) => {
    rows[place] = row;
  });
  const faults = [...new Set(run.faults.map(({ fault }) => fault))];
  const top = AXIS + STRIP * faults.length + 4;
  const step = Math.min(Math.max((room - top) / Math.max(places.length, 1), LEAST), MOST);
  return { places, rows, step, faults, top, height: top + step * places.length };
}

/**
 * The middle of a line.
 * @param {Lanes} lanes
 * @param {number} row
 */
export function middle(lanes, row) {
  return lanes.top + lanes.step * (row + 0.5);
}
