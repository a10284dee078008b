/** Spans of time: how they are moved, what their axis says. Times are microseconds. */

/** @typedef {{from: number, to: number}} Span */

/** Nothing is shown closer than this. */
const SHORTEST = 10;
/** How much room an axis leaves between labels, in pixels. */
const APART = 110;

/**
 * A span around a point that stays where it is.
 * @param {Span} span
 * @param {number} factor below 1 to see less
 * @param {number} at
 * @param {Span} all
 * @returns {Span}
 */
export function zoom(span, factor, at, all) {
  const length = span.to - span.from;
  const wanted = Math.min(Math.max(length * factor, SHORTEST), all.to - all.from);
  const from = at - ((at - span.from) * wanted) / length;
  return within({ from, to: from + wanted }, all);
}

/**
 * @param {Span} span
 * @param {number} by
 * @param {Span} all
 * @returns {Span}
 */
export function move(span, by, all) {
  return within({ from: span.from + by, to: span.to + by }, all);
}

/**
 * A span that does not reach beyond another.
 * @param {Span} span
 * @param {Span} all
 * @returns {Span}
 */
export function within(span, all) {
  const length = Math.min(Math.max(span.to - span.from, SHORTEST), all.to - all.from);
  const from = Math.min(Math.max(span.from, all.from), all.to - length);
  return { from, to: from + length };
}

/**
 * Round times that fill an axis, and how they are written.
 * @param {Span} span
 * @param {number} width in pixels
 */
export function ticks(span, width) {
  const step = roundUp(((span.to - span.from) / Math.max(width, 1)) * APART);
  const decimals = Math.max(0, Math.ceil(6 - Math.log10(step) - 1e-9));
  const list = [];
  for (let at = Math.ceil(span.from / step) * step; at <= span.to; at += step) {
    list.push({ at, label: `${(at / 1e6).toFixed(decimals)} s` });
  }
  return list;
}

/**
 * The next of 1, 2, 5, 10, 20 and so on.
 * @param {number} step
 */
export function roundUp(step) {
  const power = 10 ** Math.floor(Math.log10(Math.max(step, 1)));
  const factor = [1, 2, 5].find((factor) => factor * power >= step) ?? 10;
  return factor * power;
}

/**
 * A moment of a run.
 * @param {number} time
 */
export function moment(time) {
  return `${(time / 1e6).toFixed(time % 1000 === 0 ? 3 : 6)} s`;
}

/**
 * A moment of a run to the millisecond, where its part is told by nothing else.
 * @param {number} time
 */
export function short(time) {
  return `${(time / 1e6).toFixed(3)} s`;
}

/**
 * A span of time, as fine as a part of it can be seen.
 * @param {Span} span
 */
export function ends({ from, to }) {
  const decimals = Math.min(6, Math.max(0, Math.ceil(8.5 - Math.log10(Math.max(to - from, 1)))));
  return `from ${(from / 1e6).toFixed(decimals)} s to ${(to / 1e6).toFixed(decimals)} s`;
}

/**
 * A length of time with three digits.
 * @param {number} micros
 */
export function duration(micros) {
  if (micros < 1e3) return `${Math.round(micros)} µs`;
  if (micros < 1e6) return `${digits(micros / 1e3)} ms`;
  return `${digits(micros / 1e6)} s`;
}

/** @param {number} number */
function digits(number) {
  return number.toFixed(number < 10 ? 2 : number < 100 ? 1 : 0);
}
