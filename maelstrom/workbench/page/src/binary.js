/**
 * Reads the sections that the report carries: gzip in base64, of numbers or of text.
 *
 * A section of numbers begins with the length of a header, the header as JSON, and columns of
 * unsigned 32-bit numbers, in the order in which the header names them. Where a number needs more
 * bits, a second column has the upper halves.
 */

/** What stands in a column where there is no number. */
export const NONE = 0xffffffff;

/**
 * @param {string} base64
 * @returns {Promise<ArrayBuffer>}
 */
export function inflate(base64) {
  const text = atob(base64.trim());
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/**
 * @param {ArrayBuffer} buffer
 * @returns {{header: any, columns: Record<string, Uint32Array>}}
 */
export function readColumns(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length + ((4 - (length % 4)) % 4);
  /** @type {Record<string, Uint32Array>} */
  const columns = {};
  for (const [name, count] of header.columns) {
    columns[name] = new Uint32Array(buffer, at, count);
    at += 4 * count;
  }
  return { header, columns };
}

/**
 * A column of numbers of any size; {@link NONE} stands where there is none.
 * @param {Record<string, Uint32Array>} columns
 * @param {string} name
 */
export function wide(columns, name) {
  const [low, high] = [columns[name], columns[`${name}_high`]];
  return high ? Float64Array.from(low, (low, i) => high[i] * 2 ** 32 + low) : low;
}

/**
 * Differences added up.
 * @param {Uint32Array | Float64Array} differences
 * @param {number} first
 */
export function addUp(differences, first) {
  const sums = new Float64Array(differences.length);
  let sum = first;
  for (let i = 0; i < differences.length; i++) {
    sum += differences[i];
    sums[i] = sum;
  }
  return sums;
}
