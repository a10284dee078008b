#!/usr/bin/env python3
# Answers, but keeps its answers in a buffer.
import json
import sys

for line in sys.stdin:
    request = json.loads(line)
    body = dict(request["body"], in_reply_to=request["body"]["msg_id"])
    body["type"] += "_ok"
    print(json.dumps({"src": request["dest"], "dest": request["src"], "body": body}))
