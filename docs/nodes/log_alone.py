#!/usr/bin/env python3
# Each node has logs of its own. With one node that is right.
from node import Node

node, logs, committed = Node(), {}, {}


def send(message):
    log = logs.setdefault(message["body"]["key"], [])
    log.append(message["body"]["msg"])
    return {"type": "send_ok", "offset": len(log) - 1}


def poll(message):
    msgs = {}
    for key, offset in message["body"]["offsets"].items():
        log = logs.get(key, [])
        msgs[key] = [[at, log[at]] for at in range(offset, len(log))]
    return {"type": "poll_ok", "msgs": msgs}


def commit(message):
    for key, offset in message["body"]["offsets"].items():
        committed[key] = max(committed.get(key, 0), offset)
    return {"type": "commit_offsets_ok"}


def listed(message):
    offsets = {key: committed[key] for key in message["body"]["keys"] if key in committed}
    return {"type": "list_committed_offsets_ok", "offsets": offsets}


node.on("send", send)
node.on("poll", poll)
node.on("commit_offsets", commit)
node.on("list_committed_offsets", listed)
node.run()
