#!/usr/bin/env python3
from node import Node

node = Node()
node.on("echo", lambda m: {"type": "echo_ok", "echo": m["body"]["echo"]})
node.run()
