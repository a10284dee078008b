/**
 * The bodies of messages, the values of operations and the words of events, as text.
 *
 * They are the bulk of a report. All of them are one string of JSON in ASCII, which a browser
 * keeps with one byte each and searches quickly: other characters are escaped. It is inflated
 * when somebody first asks for it.
 */

import { inflate, NONE } from "./binary.js";
import { firstAbove } from "./run.js";

/** @typedef {import("./run.js").Run} Run */

export class Texts {
  /**
   * @param {string} all
   * @param {Run} run
   */
  constructor(all, run) {
    this.all = all;
    const { messages, operations, events } = run;
    this.operations = operations;
    const both = operations.asked.map((asked, i) => known(asked) + known(operations.got[i]));
    this.messages = bounds(messages.size, 0);
    this.values = bounds(both, this.messages[messages.count]);
    this.events = bounds(events.size, this.values[operations.count]);
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
    return this.all.slice(this.messages[message], this.messages[message + 1]);
  }

  /**
   * What an operation asked, and what came of it; empty if nothing did.
   * @param {number} operation
   */
  valuesOf(operation) {
    const begin = this.values[operation];
    const middle = begin + known(this.operations.asked[operation]);
    return {
      asked: this.all.slice(begin, middle),
      got: this.all.slice(middle, this.values[operation + 1]),
    };
  }

  /**
   * What there is to say of an event: of a log, its line.
   * @param {number} event
   * @returns {string}
   */
  words(event) {
    const json = this.all.slice(this.events[event], this.events[event + 1]);
    return json === "" ? "" : JSON.parse(json);
  }

  /**
   * Which messages, operations and events contain a text.
   * @param {string} text
   * @param {(all: string, begin: number, end: number) => boolean} [accept] judges a place
   */
  find(text, accept = () => true) {
    const parts = [this.messages, this.values, this.events];
    const [messages, operations, events] = parts.map((all) => new Uint8Array(all.length - 1));
    const found = [messages, operations, events];
    this.visit(inAscii(text), accept, (at) => {
      const part = parts.findIndex((all) => at < all[all.length - 1]);
      const row = firstAbove(parts[part], at) - 1;
      found[part][row] = 1;
      return parts[part][row + 1];
    });
    return { messages, operations, events };
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
 * Where each text begins, and behind them where the last one ends.
 * @param {Uint32Array} sizes
 * @param {number} first
 */
function bounds(sizes, first) {
  const all = new Float64Array(sizes.length + 1).fill(first);
  for (let i = 0; i < sizes.length; i++) all[i + 1] = all[i] + known(sizes[i]);
  return all;
}

/**
 * The size of a text, which is nothing if it was left out.
 * @param {number} size
 */
export function known(size) {
  return size === NONE ? 0 : size;
}

/**
 * A text as it stands within JSON in ASCII.
 * @param {string} text
 */
function inAscii(text) {
  const code = (/** @type {string} */ unit) => unit.charCodeAt(0).toString(16).padStart(4, "0");
  return text.replace(/[\u0080-\uffff]/g, (unit) => `\\u${code(unit)}`);
}
