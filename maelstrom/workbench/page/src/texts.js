/**
 * The bodies of messages and the values of operations, as text.
 *
 * They are the bulk of a report. All of them are one string of JSON in ASCII, which a browser
 * keeps with one byte each and searches quickly: other characters are escaped. It is inflated
 * when somebody first asks for it.
 */

import { inflate } from "./binary.js";
import { firstAbove } from "./run.js";

/** @typedef {import("./run.js").Run} Run */

export class Texts {
  /**
   * @param {string} all
   * @param {Run} run
   */
  constructor(all, run) {
    this.all = all;
    const { messages, operations } = run;
    this.messageEnds = ends(messages.size, 0);
    const bodies = this.messageEnds[messages.count - 1] ?? 0;
    const sizes = operations.asked.map((asked, i) => asked + operations.got[i]);
    this.operationEnds = ends(sizes, bodies);
    this.operations = operations;
    this.bodies = bodies;
  }

  /**
   * @param {string} base64
   * @param {Run} run
   */
  static async read(base64, run) {
    return new Texts(new TextDecoder().decode(await inflate(base64)), run);
  }

  /**
   * The body of a message, in JSON.
   * @param {number} message
   */
  body(message) {
    const begin = message === 0 ? 0 : this.messageEnds[message - 1];
    return this.all.slice(begin, this.messageEnds[message]);
  }

  /**
   * What an operation asked, and what came of it; empty if nothing did.
   * @param {number} operation
   */
  values(operation) {
    const begin = operation === 0 ? this.bodies : this.operationEnds[operation - 1];
    const middle = begin + this.operations.asked[operation];
    return {
      asked: this.all.slice(begin, middle),
      got: this.all.slice(middle, this.operationEnds[operation]),
    };
  }

  /**
   * Which messages and operations contain a text.
   * @param {string} text
   * @param {(all: string, begin: number, end: number) => boolean} [accept] judges a place
   */
  find(text, accept = () => true) {
    const messages = new Uint8Array(this.messageEnds.length);
    const operations = new Uint8Array(this.operationEnds.length);
    this.visit(inAscii(text), accept, (at) => {
      const [found, ends] =
        at < this.bodies ? [messages, this.messageEnds] : [operations, this.operationEnds];
      const row = firstAbove(ends, at);
      found[row] = 1;
      return ends[row];
    });
    return { messages, operations };
  }

  /**
   * @param {string} needle
   * @param {(all: string, begin: number, end: number) => boolean} accept
   * @param {(at: number) => number} found says where to go on
   */
  visit(needle, accept, found) {
    if (needle === "") return;
    let at = this.all.indexOf(needle);
    while (at >= 0) {
      const next = accept(this.all, at, at + needle.length) ? found(at) : at + 1;
      at = this.all.indexOf(needle, next);
    }
  }
}

/**
 * Whether a scalar stands at a place as a value or a key, and not as a part of a longer one, nor
 * as the number of a message.
 * @param {string} all
 * @param {number} begin
 * @param {number} end
 */
export function isWhole(all, begin, end) {
  const part = /[\w.+-]/;
  if (part.test(all[begin - 1] ?? "") || part.test(all[end] ?? "")) return false;
  const before = all.slice(Math.max(0, begin - 20), begin);
  return !/"(msg_id|in_reply_to|type)":\s*$/.test(before);
}

/**
 * @param {Uint32Array} sizes
 * @param {number} first
 */
function ends(sizes, first) {
  let sum = first;
  return Float64Array.from(sizes, (size) => {
    sum += size;
    return sum;
  });
}

/**
 * A text as it stands within JSON in ASCII.
 * @param {string} text
 */
function inAscii(text) {
  const code = (/** @type {string} */ unit) => unit.charCodeAt(0).toString(16).padStart(4, "0");
  return text.replace(/[\u0080-\uffff]/g, (unit) => `\\u${code(unit)}`);
}
