#!/usr/bin/env python3
# Each node counts what was added at it, and tells the others the sum so far. A message
# that comes twice, late or never changes nothing: the largest sum of a node counts.
from node import Node

node, sums = Node(), {}


def add(message):
    sums[node.id] = sums.get(node.id, 0) + message["body"]["delta"]
    return {"type": "add_ok"}


def merge(message):
    for other, sum in message["body"]["sums"].items():
        sums[other] = max(sums.get(other, 0), sum)


def tell():
    for other in node.others():
        node.send(other, {"type": "merge", "sums": sums})


node.on("add", add)
node.on("merge", merge)
node.on("read", lambda m: {"type": "read_ok", "value": sum(sums.values())})
node.every(0.5, tell)
node.run()
