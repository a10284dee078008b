#!/usr/bin/env python3
# Each value is told to every other node, once. A message that is lost is lost for good.
from node import Node

node, values = Node(), set()


def broadcast(message):
    value = message["body"]["message"]
    values.add(value)
    for other in node.others():
        node.send(other, {"type": "gossip", "value": value})
    return {"type": "broadcast_ok"}


def gossip(message):
    values.add(message["body"]["value"])


node.on("broadcast", broadcast)
node.on("gossip", gossip)
node.on("read", lambda m: {"type": "read_ok", "messages": sorted(values)})
node.on("topology", lambda m: {"type": "topology_ok"})
node.run()
