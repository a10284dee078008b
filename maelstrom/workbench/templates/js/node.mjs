#!/usr/bin/env node
// A node. The functions given to `on` answer what clients and other nodes ask.
import { createInterface } from "node:readline";

let nodeId = null;
let nodeIds = [];
const handlers = new Map();

// Thrown in a handler, it is the answer: an error with this code and text.
class NodeError extends Error {
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}

// Standard output is for messages alone.
function log(text) {
  console.error(text);
}

// Sends a message to a client, a node or a service.
function send(dest, body) {
  process.stdout.write(JSON.stringify({ src: nodeId, dest, body }) + "\n");
}

// Has a function handle messages of this type. What it returns, or promises, is the body of the
// reply, which gets `in_reply_to`; null is no reply.
function on(kind, handler) {
  handlers.set(kind, handler);
}

on("init", (src, body) => {
  nodeId = body.node_id;
  nodeIds = body.node_ids;
  return { type: "init_ok" };
});

on("echo", (src, body) => {
  return { type: "echo_ok", echo: body.echo };
});

// {{handlers}}

// The reply to a message, or null.
async function answer(src, body) {
  try {
    const handler = handlers.get(body.type);
    if (!handler) throw new NodeError(10, `this node does not know messages of type ${body.type}`);
    return await handler(src, body);
  } catch (error) {
    if (error instanceof NodeError) return { type: "error", code: error.code, text: error.message };
    log(error.stack ?? error);
    return { type: "error", code: 13, text: `${body.type} failed: ${error}` };
  }
}

async function receive({ src, body }) {
  if (body.in_reply_to !== undefined) {
    // The answer to what this node sent with a `msg_id` of its own, which is `in_reply_to`.
    log(`a reply from ${src}: ${JSON.stringify(body)}`);
    return;
  }
  const reply = await answer(src, body);
  if (reply != null && body.msg_id !== undefined) send(src, { ...reply, in_reply_to: body.msg_id });
}

// Standard input ends when the test does.
createInterface({ input: process.stdin })
  .on("line", (line) => receive(JSON.parse(line)))
  .on("close", () => process.exit());
