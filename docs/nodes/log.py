#!/usr/bin/env python3
# The first node keeps all logs. The others pass requests on, and answers back.
from node import Node

node, logs, committed = Node(), {}, {}


def send(body):
    log = logs.setdefault(body["key"], [])
    log.append(body["msg"])
    return {"type": "send_ok", "offset": len(log) - 1}


def poll(body):
    msgs = {}
    for key, offset in body["offsets"].items():
        log = logs.get(key, [])
        msgs[key] = [[at, log[at]] for at in range(offset, len(log))]
    return {"type": "poll_ok", "msgs": msgs}


def commit(body):
    for key, offset in body["offsets"].items():
        committed[key] = max(committed.get(key, 0), offset)
    return {"type": "commit_offsets_ok"}


def listed(body):
    offsets = {key: committed[key] for key in body["keys"] if key in committed}
    return {"type": "list_committed_offsets_ok", "offsets": offsets}


def at_the_first(handler):
    def handle(message):
        if node.id == node.nodes[0]:
            return handler(message["body"])
        answer_of = lambda body: node.reply(message, body)
        node.call(node.nodes[0], message["body"], answer_of)

    return handle


node.on("send", at_the_first(send))
node.on("poll", at_the_first(poll))
node.on("commit_offsets", at_the_first(commit))
node.on("list_committed_offsets", at_the_first(listed))
node.run()
