#!/usr/bin/env python3
# For each other node there is a set of values that it may lack. It is sent again and
# again, until an answer says that it has arrived.
from node import Node

node, values, missing = Node(), set(), {}


def broadcast(message):
    value = message["body"]["message"]
    values.add(value)
    for other in node.others():
        missing.setdefault(other, set()).add(value)
    return {"type": "broadcast_ok"}


def gossip(message):
    values.update(message["body"]["values"])
    return {"type": "gossip_ok"}


def tell():
    for other, lacks in missing.items():
        if lacks:
            told = sorted(lacks)
            arrived = lambda body, lacks=lacks, told=told: lacks.difference_update(told)
            node.call(other, {"type": "gossip", "values": told}, arrived)


node.on("broadcast", broadcast)
node.on("gossip", gossip)
node.on("read", lambda m: {"type": "read_ok", "messages": sorted(values)})
node.on("topology", lambda m: {"type": "topology_ok"})
node.every(0.4, tell)
node.run()
