"""What every ingest peer has in common: the folder it reads, the sizes of chunks, and its report.

The peers embed with the same model as Lorewell, in onnxruntime (`minilm.py`), which is faster on a CPU than the
torch they would use by themselves. They cut into chunks of the same size, so that all read about as many tokens.
"""

import json
import resource
import sys
import time

CHUNK_TOKENS = 256  # what the model reads, and Lorewell's default
CHUNK_OVERLAP = 32  # Lorewell's default


def run(build):
    """Times `build(folder, encoder)`, which returns the number of chunks it made searchable, and prints a report.

    Imports and the loading of the model are counted: a person who types a command waits for them too.
    """
    from minilm import Encoder

    encoder = Encoder()
    chunks = build(sys.argv[1], encoder)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    report = {
        "seconds": time.time() - PROCESS_STARTED,
        "embed_seconds": encoder.seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "chunks": chunks,
        "tokens": encoder.tokens,
    }
    print(json.dumps(report))


PROCESS_STARTED = time.time()
