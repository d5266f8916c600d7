"""Serves the onnxruntime peer to the bench, so that both sides can take turns in one run.

One JSON object a line. In: {"texts": [..], "repeat": n, "vectors": m}. Out: the seconds of every repetition, the
tokens of one, and the first m vectors for the bench to compare with its own.
"""

import json
import sys
import time

from minilm import Encoder


def answer(encoder, request):
    """Embeds the texts of a request, as often as it asks."""
    seconds, vectors, before = [], [], encoder.tokens
    for _ in range(request["repeat"]):
        started = time.perf_counter()
        vectors = encoder.embed(request["texts"])
        seconds.append(time.perf_counter() - started)
    shown = [vector.tolist() for vector in vectors[: request["vectors"]]]
    tokens = (encoder.tokens - before) // request["repeat"]
    return {"seconds": seconds, "tokens": tokens, "vectors": shown}


def main():
    encoder = Encoder()
    for line in sys.stdin:
        print(json.dumps(answer(encoder, json.loads(line))), flush=True)


main()
