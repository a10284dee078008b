#!/usr/bin/env python3
"""An echo node that can be told to misbehave."""
import json
import os
import subprocess
import sys
import time

mode = sys.argv[1] if len(sys.argv) > 1 else "well"
me, sent = None, 0


def note_pids(*pids):
    with open("pids", "a") as file:
        file.write(" ".join(map(str, pids)) + "\n")


def send(src, dest, body):
    print(json.dumps({"src": src, "dest": dest, "body": body}), flush=True)



def daemon():
    """The process id of a child in a session of its own, whose parent has ended."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.write(writer, str(os.getpid()).encode())
            time.sleep(1000)
        os._exit(0)
    os.wait()
    return int(os.read(reader, 100))


if mode == "with-children":
    child = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL)
    session = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, start_new_session=True)
    note_pids(os.getpid(), child.pid, session.pid, daemon())
else:
    note_pids(os.getpid())

while line := (time.sleep(1000) if mode == "deaf" else sys.stdin.readline()):
    message = json.loads(line)
    src, body = message["src"], message["body"]
    reply = {"in_reply_to": body.get("msg_id")}
    if body["type"] == "init":
        me = body["node_id"]
        if mode == "hangs-at-init":
            continue
        if mode == "locks":
            import fcntl

            directory = os.open(".", os.O_RDONLY)
            try:
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                send(me, src, reply | {"type": "error", "code": 11, "text": "it is locked"})
                continue
        if mode == "refuses-init":
            send(me, src, reply | {"type": "error", "code": 13, "text": "no"})
            continue
        if mode == "greets":
            for other in body["node_ids"]:
                send(me, other, {"type": "hello", "msg_id": 1})
        send(me, src, reply | {"type": "init_ok"})
        continue
    if body["type"] in ("hello", "error"):
        continue
    sent += 1
    if sent == 3:
        print("this is the third request", file=sys.stderr, flush=True)
        if mode == "crashes":
            sys.exit("out of luck")
        elif mode == "exits":
            sys.exit(0)
        elif mode == "says-hello":
            print("hello", flush=True)
        elif mode == "sends-an-array":
            print("[]", flush=True)
        elif mode == "forges":
            send("n9", src, reply | {"type": "echo_ok", "echo": body["echo"]})
        elif mode == "sends-to-nobody":
            send(me, "n9", {"type": "hello"})
        elif mode == "closes-output":
            os.close(1)
            time.sleep(1000)
        elif mode == "ignores-the-end":
            import signal

            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    send(me, src, reply | {"type": "echo_ok", "echo": body["echo"]})

if mode in ("ignores-the-end", "with-a-child"):
    time.sleep(1000)
