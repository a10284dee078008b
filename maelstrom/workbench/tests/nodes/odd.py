#!/usr/bin/env python3
"""A node for echo, broadcast and lin-kv that prints odd lines, or answers oddly.

Its arguments are what is odd, and from which message on: 1 is `init`.
"""
import json
import os
import signal
import sys
import time

# Buffered, whatever the environment wants of Python's own.
sys.stdout = open(1, "w", closefd=False)
odd, since = sys.argv[1], int(sys.argv[2])
node, nodes, count, store = None, [], 0, {}


def write(line):
    sys.stdout.buffer.write(line.encode() if isinstance(line, str) else line)
    sys.stdout.buffer.flush()


def die_by(number):
    os.kill(os.getpid(), number)
    time.sleep(20)


# Whole lines, given a message.
LINES = {
    "log": lambda message: "got a message\n",
    "log-before": lambda message: "sending " + message + "\n",
    "empty": lambda message: "\n",
    "pretty": lambda message: json.dumps(json.loads(message), indent=2) + "\n",
    "python": lambda message: str(json.loads(message)) + "\n",
    "comma": lambda message: message[:-1] + ",}\n",
    "nan": lambda message: message[:-2] + ',"x":NaN}}\n',
    "javascript": lambda message: "[object Object]\n",
    "bom": lambda message: "\ufeff" + message + "\n",
    "nul": lambda message: "\0" + message + "\n",
    "colours": lambda message: "\x1b[32m" + message + "\x1b[0m\n",
    "utf-16": lambda message: (message + "\n").encode("utf-16"),
    "in-a-list": lambda message: "[" + message + "]\n",
    "in-a-string": lambda message: json.dumps(message) + "\n",
    "body-alone": lambda message: json.dumps(json.loads(message)["body"]) + "\n",
    "no-end": lambda message: message,
    "carriage-return": lambda message: message + "\r",
}


def answer(request, body):
    message = {"src": node, "dest": request["src"], "body": body}
    others = [other for other in nodes if other != node]
    if count < since:
        write(json.dumps(message) + "\n")
        return
    if odd in LINES:
        write(LINES[odd](json.dumps(message)))
        return
    if odd == "body-in-a-string":
        message["body"] = json.dumps(body)
    elif odd == "no-src":
        del message["src"]
    elif odd == "number-as-dest":
        message["dest"] = 7
    elif odd == "capitals":
        message = {name.capitalize(): value for name, value in message.items()}
    elif odd == "unknown-client":
        message["dest"] = "c999"
    elif odd == "no-in-reply-to":
        del body["in_reply_to"]
    elif odd == "string-in-reply-to":
        body["in_reply_to"] = str(body["in_reply_to"])
    elif odd == "float-in-reply-to":
        body["in_reply_to"] = float(body["in_reply_to"])
    elif odd == "zero-in-reply-to":
        body["in_reply_to"] = 0
    elif odd == "other-in-reply-to":
        body["in_reply_to"] += 1000
    elif odd == "to-another":
        message["dest"] = others[0]
    elif odd == "the-wrong-way-round":
        message["src"], message["dest"] = message["dest"], node
    elif odd == "something-else":
        for number in range(3):
            write(json.dumps({"src": node, "dest": node, "body": {"type": "hello"}}) + "\n")
        return
    elif odd == "error":
        message["body"] = {"type": "error", "in_reply_to": body["in_reply_to"], "code": 10, "text": "what is that?"}
    elif odd == "error-without-code":
        message["body"] = {"type": "error", "in_reply_to": body["in_reply_to"]}
    elif odd == "buffered":
        sys.stdout.write(json.dumps(message) + "\n")
        return
    elif odd == "strings" and "messages" in body:
        body["messages"] = [str(value) for value in body["messages"]]
    elif odd == "floats" and "value" in body:
        body["value"] = float(body["value"])
    write(json.dumps(message) + "\n")


def handle(request):
    global node, nodes
    body = request["body"]
    kind = body["type"]
    reply = {"type": kind + "_ok", "in_reply_to": body.get("msg_id")}
    if kind == "init":
        node, nodes = body["node_id"], body["node_ids"]
    elif kind == "echo":
        reply["echo"] = body["echo"]
    elif kind == "broadcast":
        store[body["message"]] = None
    elif kind in ("write", "cas") and body.get("from") == store.get(body["key"]) or kind == "write":
        store[body["key"]] = body.get("value", body.get("to"))
    elif kind == "cas":
        reply |= {"type": "error", "code": 22 if body["key"] in store else 20, "text": "no"}
    elif kind == "read" and "key" not in body:
        reply["messages"] = list(store)
    elif kind == "read" and body["key"] in store:
        reply["value"] = store[body["key"]]
    elif kind == "read":
        reply |= {"type": "error", "code": 20, "text": "no"}
    elif kind == "hello" or kind.endswith("_ok"):
        return
    answer(request, reply)


if odd == "closed-input" and since == 1:
    os.close(0)
    time.sleep(20)
if odd == "background" and os.fork():
    os._exit(0)
if odd == "deaf" and since == 1:
    time.sleep(20)
if odd == "folder":
    print(os.getcwd(), os.environ["NODE_DIRECTORY"], file=sys.stderr, flush=True)
for line in sys.stdin:
    count += 1
    if count >= since:
        if odd == "deaf":
            time.sleep(200)
        elif odd == "closed-input":
            os.close(0)
            time.sleep(200)
        elif odd == "floods-itself":
            body = {"type": "hello", "text": "x" * 1_000_000}
            while True:
                write(json.dumps({"src": node, "dest": node, "body": body}) + "\n")
        elif odd == "exits":
            sys.exit(int(sys.argv[3]))
        elif odd == "dies":
            die_by(getattr(signal, sys.argv[3]))
        elif odd == "long-trace":
            for number in range(100):
                print("heard", number, file=sys.stderr)
            print("no such key: 7, at", *range(100), sep="\n", file=sys.stderr, flush=True)
            os._exit(3)
        elif odd == "recurses":

            def deeper(number):
                return deeper(number + 1) if number < 200 else {}["no-such-key"]

            try:
                deeper(0)
            except KeyError as error:
                raise ValueError("no answer") from error
    handle(json.loads(line))
