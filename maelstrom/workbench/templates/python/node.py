#!/usr/bin/env python3
"""A node. The functions behind `@on` answer what clients and other nodes ask."""
import json
import sys
import threading
import traceback

node_id = None
node_ids = []
handlers = {}
output = threading.Lock()


class NodeError(Exception):
    """Raised in a handler, it is the answer: an error with this code and text."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def log(text):
    """Standard output is for messages alone."""
    print(text, file=sys.stderr, flush=True)


def send(dest, body):
    """Sends a message to a client, a node or a service: a line, which nobody sees unflushed."""
    line = json.dumps({"src": node_id, "dest": dest, "body": body})
    with output:
        print(line, flush=True)


def on(kind):
    """Has a function handle messages of this type. What it returns is the body of the reply,
    which gets `in_reply_to`; None is no reply."""

    def register(function):
        handlers[kind] = function
        return function

    return register


@on("init")
def on_init(src, body):
    global node_id, node_ids
    node_id, node_ids = body["node_id"], body["node_ids"]
    return {"type": "init_ok"}


@on("echo")
def on_echo(src, body):
    return {"type": "echo_ok", "echo": body["echo"]}


# {{handlers}}


def answer(src, body):
    """The reply to a message, or None."""
    kind = body.get("type")
    try:
        if kind not in handlers:
            raise NodeError(10, f"this node does not know messages of type {kind}")
        return handlers[kind](src, body)
    except NodeError as error:
        return {"type": "error", "code": error.code, "text": str(error)}
    except Exception as error:
        log(traceback.format_exc())
        return {"type": "error", "code": 13, "text": f"{kind} failed: {error!r}"}


def receive(message):
    src, body = message["src"], message["body"]
    if "in_reply_to" in body:
        # The answer to what this node sent with a `msg_id` of its own, which is `in_reply_to`.
        log(f"a reply from {src}: {body}")
        return
    reply = answer(src, body)
    if reply is not None and "msg_id" in body:
        send(src, {**reply, "in_reply_to": body["msg_id"]})


# Standard input ends when the test does.
for line in sys.stdin.buffer:
    receive(json.loads(line))
