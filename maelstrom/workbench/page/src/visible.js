/**
 * Finds the rows that overlap a span of time, without looking at all of them.
 *
 * Rows stand in the order of their beginnings. For every block of rows the latest end is known,
 * so that blocks which were over before the span are skipped.
 */

import { firstAbove } from "./run.js";

const BLOCK = 256;

export class Overlaps {
  /**
   * @param {Float64Array} begins ascending
   * @param {Float64Array} ends
   */
  constructor(begins, ends) {
    this.begins = begins;
    this.ends = ends;
    this.found = new Uint32Array(begins.length);
    this.latest = new Float64Array(Math.ceil(begins.length / BLOCK)).fill(-Infinity);
    for (let i = 0; i < begins.length; i++) {
      const block = Math.floor(i / BLOCK);
      this.latest[block] = Math.max(this.latest[block], ends[i]);
    }
  }

  /**
   * The rows of a span that a filter shows; valid until the next call.
   * @param {import("./times.js").Span} span
   * @param {Uint8Array} shown
   */
  within(span, shown) {
    const end = firstAbove(this.begins, span.to);
    let count = 0;
    for (let block = 0; block * BLOCK < end; block++) {
      if (this.latest[block] < span.from) continue;
      const last = Math.min(end, (block + 1) * BLOCK);
      for (let i = block * BLOCK; i < last; i++) {
        if (shown[i] && this.ends[i] >= span.from) this.found[count++] = i;
      }
    }
    return this.found.subarray(0, count);
  }
}
