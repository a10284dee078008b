#!/usr/bin/env python3
# Every write is told to the other nodes at once, before its transaction is through.
from node import Node

node, store = Node(), {}


def txn(message):
    done = []
    for kind, key, value in message["body"]["txn"]:
        if kind == "w":
            store[key] = value
            for other in node.others():
                node.send(other, {"type": "write", "key": key, "value": value})
        done.append([kind, key, store.get(key)])
    return {"type": "txn_ok", "txn": done}


def write(message):
    store[message["body"]["key"]] = message["body"]["value"]


node.on("txn", txn)
node.on("write", write)
node.run()
