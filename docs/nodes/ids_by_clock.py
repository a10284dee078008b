#!/usr/bin/env python3
# Ids of the clock. Two requests in the same millisecond get the same one.
import time
from node import Node

node = Node()
node.on("generate", lambda m: {"type": "generate_ok", "id": int(time.time() * 1000)})
node.run()
