"""Serves onnxruntime to the bench of embedders, so that both sides can take turns in one run.

    python encode.py f32 2      the published model as a fused graph, on two threads
    python encode.py int8 2     the same, quantised as onnxruntime's own tool does it (dynamic, 8 bits)

The first line out says where the published model lies. Then one JSON object a line. In: {"texts": [..], "repeat": n}.
Out: the tokens, and the fastest of the repetitions in seconds. Only the graph is timed: tokens are ready before.
"""

import json
import sys
import time

from minilm import Encoder, model_dir


def fastest(encoder, request):
    """Embeds the texts of a request as often as it asks."""
    ids = encoder.ids(request["texts"])
    seconds = []
    for _ in range(request["repeat"]):
        started = time.perf_counter()
        encoder.encode(ids)
        seconds.append(time.perf_counter() - started)
    return {"tokens": sum(map(len, ids)), "seconds": min(seconds)}


def main():
    kind, threads = sys.argv[1:]
    encoder = Encoder(int(threads), kind)
    print(json.dumps({"dir": str(model_dir())}), flush=True)
    for line in sys.stdin:
        print(json.dumps(fastest(encoder, json.loads(line))), flush=True)


main()
