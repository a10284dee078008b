#!/usr/bin/env python3
"""An echo node whose brain is split: n0 and n1 both lead term 2, and log it."""
import json
import sys


def become(role, term):
    print(f"role={role} term={term}", file=sys.stderr, flush=True)


for line in sys.stdin:
    message = json.loads(line)
    body = message["body"]
    if body["type"] == "init":
        me = body["node_id"]
        become("candidate", 2)
        has_become = False
    elif not has_become:
        # Only now, so that there is a time before it.
        become("follower" if me == "n2" else "leader", 2)
        has_become = True
    reply = {"type": body["type"] + "_ok", "in_reply_to": body["msg_id"]}
    if "echo" in body:
        reply["echo"] = body["echo"]
    print(json.dumps({"src": me, "dest": message["src"], "body": reply}), flush=True)
