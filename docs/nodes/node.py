"""What every node needs: messages in, messages out. Nothing but Python's own library.

A handler is called with the message and returns the body of the answer, or None.
"""
import json
import sys
import threading


class Node:
    def __init__(self):
        self.id, self.nodes = None, []
        self.handlers, self.waiting = {}, {}
        self.next_id = 0
        self.lock = threading.RLock()  # One thing happens at a time.

    def on(self, kind, handler):
        self.handlers[kind] = handler

    def every(self, seconds, action):
        """Does something again and again, for as long as the node runs."""

        def run():
            with self.lock:
                if self.id is not None:
                    action()
            start()

        def start():
            timer = threading.Timer(seconds, run)
            timer.daemon = True
            timer.start()

        start()

    def send(self, dest, body):
        message = {"src": self.id, "dest": dest, "body": body}
        # One message is one line, and a line that stays in a buffer was never sent.
        print(json.dumps(message), flush=True)

    def reply(self, request, body):
        if "msg_id" in request["body"]:
            body = {**body, "in_reply_to": request["body"]["msg_id"]}
            self.send(request["src"], body)

    def call(self, dest, body, then):
        """Sends a request. `then` gets the body of the answer, if one ever comes."""
        self.next_id += 1
        self.waiting[self.next_id] = then
        self.send(dest, {**body, "msg_id": self.next_id})

    def others(self):
        return [node for node in self.nodes if node != self.id]

    def receive(self, message):
        body = message["body"]
        if "in_reply_to" in body:
            then = self.waiting.pop(body["in_reply_to"], None)
            if then:
                then(body)
        elif body["type"] == "init":
            self.id, self.nodes = body["node_id"], body["node_ids"]
            self.reply(message, {"type": "init_ok"})
        elif body["type"] in self.handlers:
            answer = self.handlers[body["type"]](message)
            if answer is not None:
                self.reply(message, answer)
        else:
            text = f"{body['type']} is not known here"
            self.reply(message, {"type": "error", "code": 10, "text": text})

    def run(self):
        for line in sys.stdin:
            with self.lock:
                self.receive(json.loads(line))
