/**
 * Made-up runs of a broadcast, as the bench would have recorded them: nodes send each value once
 * to all others, and perhaps again after the partition that dropped it. Nothing is drawn by
 * chance that a seed does not decide.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** When n0 is cut off from all others, and for how long a run takes, in nanoseconds. */
export const CUT = { from: 2e9, to: 3e9 };
const LENGTH = 10e9;
const LATENCY = 50e6;

/** @typedef {{time: number, order: number, line: any}} Entry */

/**
 * @typedef {object} Shape
 * @property {number} nodes
 * @property {number} operations
 * @property {number} readEvery every so many operations one is a read
 * @property {boolean} retries whether what was dropped is sent again
 * @property {boolean} [logs] whether nodes log each message that they receive
 */

export class Sample {
  /** @param {Shape} shape */
  constructor(shape) {
    this.shape = shape;
    /** @type {Entry[]} */
    this.trace = [];
    /** @type {Entry[]} */
    this.history = [];
    /** @type {Map<number, number>[]} since when each node knows a value */
    this.known = Array.from({ length: shape.nodes }, () => new Map());
    this.messages = 0;
    this.dropped = 0;
    this.random = 1;
    this.begin();
    for (let i = 0; i < shape.operations; i++) this.operate(i);
    // What n0 never heard of is missing from the last read of all.
    for (let node = 0; node < shape.nodes; node++) this.read(LENGTH - node * 1e6, node);
  }

  /** @param {string} folder */
  write(folder) {
    mkdirSync(folder, { recursive: true });
    number(this.history, (entry, index) => {
      entry.line.index = index;
    });
    let id = 0;
    number(this.trace, ({ line }) => {
      if (line.event === "send") line.id = id++;
    });
    writeFileSync(join(folder, "history.jsonl"), lines(this.history));
    writeFileSync(join(folder, "trace.jsonl"), lines(this.trace));
  }

  /** A number from 0 to 1. */
  chance() {
    this.random = (Math.imul(this.random, 1664525) + 1013904223) >>> 0;
    return this.random / 2 ** 32;
  }

  /**
   * @param {number} time
   * @param {any} line
   */
  happen(time, line) {
    this.trace.push({ time: Math.round(time), order: this.trace.length, line });
  }

  begin() {
    const others = Array.from({ length: this.shape.nodes - 1 }, (_, i) => `n${i + 1}`);
    const links = others.flatMap((other) => [
      ["n0", other],
      [other, "n0"],
    ]);
    this.happen(-1e9, { event: "start", node: "n0" });
    this.happen(CUT.from, { event: "fault", fault: "partition", links });
    this.happen(CUT.to, { event: "fault-end", fault: "partition" });
    this.happen(CUT.to + 1e9, { event: "fault", fault: "pause", nodes: ["n1"] });
    this.happen(CUT.to + 2e9, { event: "fault-end", fault: "pause" });
  }

  /** @param {number} i */
  operate(i) {
    const { nodes, operations, readEvery } = this.shape;
    const time = ((i + this.chance()) / operations) * LENGTH * 0.9;
    // No client asks again before it has its answer.
    const node = (7 * i + Math.floor(i / readEvery)) % nodes;
    if (i % readEvery === 0) this.read(time, node);
    else this.add(time, node, i);
  }

  /**
   * @param {number} time
   * @param {number} node
   */
  read(time, node) {
    const known = [...this.known[node]].filter(([, since]) => since <= time);
    const values = known.map(([value]) => value).sort((a, b) => a - b);
    this.ask(time, node, { type: "read" }, { messages: values }, values);
  }

  /**
   * @param {number} time
   * @param {number} node
   * @param {number} value
   */
  add(time, node, value) {
    this.ask(time, node, { type: "broadcast", message: value }, {}, value);
    this.known[node].set(value, time);
    for (let other = 0; other < this.shape.nodes; other++) {
      if (other !== node) this.gossip(time + 1000, node, other, value);
    }
  }

  /**
   * @param {number} time
   * @param {number} from
   * @param {number} to
   * @param {number} value
   */
  gossip(time, from, to, value) {
    const sent = this.send(time, `n${from}`, `n${to}`, { type: "gossip", message: value });
    const arrives = time + LATENCY * (0.5 + this.chance());
    const isCut = arrives >= CUT.from && arrives < CUT.to && (from === 0) !== (to === 0);
    if (!isCut) {
      this.happen(arrives, { event: "recv", of: sent });
      if (this.shape.logs) {
        this.happen(arrives, { event: "log", node: `n${to}`, line: `got ${value}` });
      }
      this.known[to].set(value, arrives);
      return;
    }
    this.happen(arrives, { event: "drop", of: sent, by: "partition" });
    this.dropped++;
    if (this.shape.retries) this.gossip(CUT.to + this.chance() * 1e8, from, to, value);
  }

  /**
   * @param {number} time
   * @param {number} node
   * @param {any} body
   * @param {any} answer
   * @param {any} value
   */
  ask(time, node, body, answer, value) {
    const [client, process] = [`c${this.shape.nodes + node}`, node];
    const [f, order] = [body.type, this.history.length];
    const asked = f === "read" ? null : value;
    const invocation = { time, order, line: { type: "invoke", process, f, value: asked } };
    const end = time + 200_000;
    this.history.push(invocation, {
      time: end,
      order: order + 1,
      line: { type: "ok", process, f, value },
    });
    const request = this.send(time, client, `n${node}`, { ...body, msg_id: order }, invocation);
    this.happen(time, { event: "recv", of: request });
    const reply = { type: `${f}_ok`, in_reply_to: order, ...answer };
    this.happen(end, { event: "recv", of: this.send(end, `n${node}`, client, reply) });
  }

  /**
   * @param {number} time
   * @param {string} src
   * @param {string} dest
   * @param {any} body
   * @param {Entry} [operation] whose request it is
   */
  send(time, src, dest, body, operation) {
    const line = { event: "send", id: 0, src, dest, ...(operation && { operation }), body };
    this.happen(time, line);
    this.messages++;
    return line;
  }
}

/**
 * @param {Entry[]} entries
 * @param {(entry: Entry, index: number) => void} each
 */
function number(entries, each) {
  entries.sort((a, b) => a.time - b.time || a.order - b.order);
  entries.forEach(each);
}

/** @param {Entry[]} entries */
function lines(entries) {
  const text = entries.map(({ time, line: { of, operation, body, ...line } }) => {
    const id = of && { id: of.id };
    const op = operation && { op: operation.line.index };
    return JSON.stringify({ time: Math.round(time), ...line, ...id, ...op, ...(body && { body }) });
  });
  return text.map((line) => `${line}\n`).join("");
}
