/**
 * Which message or operation led to which.
 *
 * A reply is caused by its request, and a client's request by an operation. Of any other message
 * only so much is known: its cause is the last one that its sender had received, at the latest.
 */

import { RECEIVED } from "./run.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./texts.js").Texts} Texts */
/** @typedef {{message: number} | {operation: number}} Cause */

/** So many effects are told. */
const TOLD = 12;
/** So many messages are looked through for a request or a reply. */
const LOOKED = 20_000;

export class Causes {
  /**
   * @param {Run} run
   * @param {Texts} texts
   */
  constructor(run, texts) {
    this.run = run;
    this.texts = texts;
    const { messages, operations } = run;
    const received = (/** @type {number} */ i) => messages.fate[i] === RECEIVED;
    this.sent = byPlace(run, messages.from, () => true);
    this.received = byPlace(run, messages.to, received);
    for (const rows of this.received) {
      rows.sort((a, b) => messages.ended[a] - messages.ended[b] || a - b);
    }
    this.operations = byPlace(run, operations.client, () => true);
  }

  /**
   * The body of a message, if it is known.
   * @param {number} message
   * @returns {any}
   */
  body(message) {
    const text = this.texts.body(message);
    return text.startsWith("{") ? JSON.parse(text) : {};
  }

  /**
   * @param {number} message
   * @returns {Cause | null}
   */
  causeOf(message) {
    const { from } = this.run.messages;
    if (this.run.places[from[message]].kind === "client") {
      return asOperation(this.operationAt(from[message], this.run.messages.sent[message]));
    }
    return asMessage(this.requestOf(message) ?? this.lastReceived(message));
  }

  /**
   * What a message led to, as far as can be told.
   * @param {number} message
   * @returns {Cause[]}
   */
  effectsOf(message) {
    const { to, ended, fate } = this.run.messages;
    if (fate[message] !== RECEIVED) return [];
    if (this.run.places[to[message]].kind === "client") {
      const operation = asOperation(this.operationAt(to[message], ended[message]));
      return operation ? [operation] : [];
    }
    const reply = this.replyTo(message);
    const next = this.sentNext(message).filter((other) => other !== reply);
    return (reply === null ? next : [reply, ...next])
      .slice(0, TOLD)
      .map((message) => ({ message }));
  }

  /**
   * The messages that an operation's client sent for it, and received.
   * @param {number} operation
   * @returns {Cause[]}
   */
  messagesOf(operation) {
    const { began, ended, client } = this.run.operations;
    const { sent, ended: arrived } = this.run.messages;
    if (!this.sent[client[operation]]) return [];
    const is = (/** @type {number} */ time) => time >= began[operation] && time <= ended[operation];
    const requests = this.sent[client[operation]].filter((row) => is(sent[row]));
    const replies = this.received[client[operation]].filter((row) => is(arrived[row]));
    const rows = [...requests, ...replies].filter(
      (row, i, all) => all.indexOf(row) === i && this.operationOf(row) === operation,
    );
    return rows.slice(0, TOLD).map((message) => ({ message }));
  }

  /**
   * The operation of a client's request, or of the reply to it.
   * @param {number} message
   */
  operationOf(message) {
    const { from, to, sent } = this.run.messages;
    const client = this.run.places[from[message]].kind === "client" ? from : to;
    return this.operationAt(client[message], sent[message]);
  }

  /**
   * The last operation of a client that began by a time.
   * @param {number} client
   * @param {number} time
   */
  operationAt(client, time) {
    const rows = this.operations[client];
    const { began } = this.run.operations;
    return rows.findLast((row) => began[row] <= time) ?? null;
  }

  /** @param {number} message */
  requestOf(message) {
    const { from, to } = this.run.messages;
    const wanted = this.body(message).in_reply_to;
    if (wanted === undefined) return null;
    const before = this.sent[to[message]]
      .filter((row) => row < message)
      .slice(-LOOKED)
      .reverse();
    const isRequest = (/** @type {number} */ row) =>
      to[row] === from[message] && this.body(row).msg_id === wanted;
    return before.find(isRequest) ?? null;
  }

  /** @param {number} message */
  replyTo(message) {
    const { from, to } = this.run.messages;
    const wanted = this.body(message).msg_id;
    if (wanted === undefined) return null;
    const after = this.sent[to[message]].filter((row) => row > message).slice(0, LOOKED);
    const isReply = (/** @type {number} */ row) =>
      to[row] === from[message] && this.body(row).in_reply_to === wanted;
    return after.find(isReply) ?? null;
  }

  /** @param {number} message */
  lastReceived(message) {
    const { from, sent, ended } = this.run.messages;
    const before = this.received[from[message]].filter(
      (row) => row < message && ended[row] <= sent[message],
    );
    return before.at(-1) ?? null;
  }

  /**
   * What the receiver sent until it received something else.
   * @param {number} message
   */
  sentNext(message) {
    const { to, sent, ended } = this.run.messages;
    const received = this.received[to[message]];
    const next = received[received.indexOf(message) + 1];
    const until = next === undefined ? Number.POSITIVE_INFINITY : ended[next];
    const isNext = (/** @type {number} */ row) =>
      row > message &&
      sent[row] >= ended[message] &&
      (sent[row] < until || (sent[row] === until && row < next));
    return [...this.sent[to[message]].filter(isNext)];
  }
}

/** @param {number | null} message */
function asMessage(message) {
  return message === null ? null : { message };
}

/** @param {number | null} operation */
function asOperation(operation) {
  return operation === null ? null : { operation };
}

/**
 * The rows of each place, in order.
 * @param {Run} run
 * @param {Uint32Array} column
 * @param {(row: number) => boolean} has
 * @returns {Uint32Array[]}
 */
function byPlace(run, column, has) {
  const counts = new Uint32Array(run.places.length);
  column.forEach((place, row) => {
    if (place < counts.length && has(row)) counts[place]++;
  });
  const lists = Array.from(counts, (count) => new Uint32Array(count));
  counts.fill(0);
  column.forEach((place, row) => {
    if (place < counts.length && has(row)) lists[place][counts[place]++] = row;
  });
  return lists;
}
