#!/usr/bin/env python3
# A transaction is carried out in one step. All its writes go to the other nodes in one
# message, with a stamp: of two writes to a key the one with the larger stamp stays.
from node import Node

node, store, missing = Node(), {}, {}
clock = 0


def apply(stamp, writes):
    global clock
    clock = max(clock, stamp[0])
    for key, value in writes:
        if tuple(stamp) > store.get(key, ((0, ""), None))[0]:
            store[key] = (tuple(stamp), value)


def txn(message):
    writes, done = {}, []
    for kind, key, value in message["body"]["txn"]:
        if kind == "w":
            writes[key] = value
        else:
            value = writes[key] if key in writes else store.get(key, (None, None))[1]
        done.append([kind, key, value])
    if writes:
        stamp = (clock + 1, node.id)
        apply(stamp, writes.items())
        for other in node.others():
            missing.setdefault(other, {})[stamp] = list(writes.items())
    return {"type": "txn_ok", "txn": done}


def news(message):
    for stamp, writes in message["body"]["txns"]:
        apply(stamp, writes)
    return {"type": "news_ok"}


def tell():
    for other, lacks in missing.items():
        if lacks:
            told = list(lacks)
            arrived = lambda body, lacks=lacks, told=told: [lacks.pop(stamp, None) for stamp in told]
            node.call(other, {"type": "news", "txns": list(lacks.items())}, arrived)


node.on("txn", txn)
node.on("news", news)
node.every(0.2, tell)
node.run()
