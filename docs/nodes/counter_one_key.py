#!/usr/bin/env python3
# One key of `seq-kv` has the sum. Reads are what the service says, which may be old.
from node import Node

node = Node()


def add(message):
    def attempt(body=None):
        if body and body["type"] == "cas_ok":
            node.reply(message, {"type": "add_ok"})
            return
        node.call("seq-kv", {"type": "read", "key": "sum"}, replace)

    def replace(body):
        sum = body.get("value", 0)
        cas = {"type": "cas", "key": "sum", "from": sum, "to": sum + message["body"]["delta"]}
        node.call("seq-kv", {**cas, "create_if_not_exists": True}, attempt)

    attempt()


def read(message):
    answer = lambda body: node.reply(message, {"type": "read_ok", "value": body.get("value", 0)})
    node.call("seq-kv", {"type": "read", "key": "sum"}, answer)


node.on("add", add)
node.on("read", read)
node.run()
