#!/usr/bin/env python3
# The node's name tells nodes apart, the count requests, the random number restarts.
import itertools
import uuid
from node import Node

node, start, count = Node(), uuid.uuid4().hex, itertools.count()
node.on("generate", lambda m: {"type": "generate_ok", "id": f"{node.id}-{start}-{next(count)}"})
node.run()
