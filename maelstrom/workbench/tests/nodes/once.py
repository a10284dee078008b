#!/usr/bin/env python3
"""A broadcast node that tells every value to everybody, once."""
import json
import sys

me, others, values = None, [], []

for line in sys.stdin:
    message = json.loads(line)
    src, body = message["src"], message["body"]
    reply = {"type": body["type"] + "_ok", "in_reply_to": body.get("msg_id")}
    out = [(src, reply)]
    if body["type"] == "init":
        me = body["node_id"]
        others = [node for node in body["node_ids"] if node != me]
        print("ready", file=sys.stderr)
    elif body["type"] == "broadcast":
        values.append(body["message"])
        out += [(node, {"type": "gossip", "value": body["message"]}) for node in others]
    elif body["type"] == "gossip":
        values.append(body["value"])
        out = []
    elif body["type"] == "read":
        reply["messages"] = values
    for dest, body in out:
        print(json.dumps({"src": me, "dest": dest, "body": body}), flush=True)
