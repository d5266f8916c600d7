"""Measures llama.cpp on a GGUF file, as the mark that the local decoder has to reach.

Every measurement runs in a fresh process with a warm page cache and a warm-up; the
JSON line has the median over the processes, the spread and the machine's load.
Speeds are tokens per second, times milliseconds, memory MiB. A run during which other
processes took more than a twentieth of the machine is thrown away and tried again,
since llama.cpp's threads spin and so suffer much from neighbours.

    python bench_llama_cpp.py MODEL.gguf --threads 2 --repeat 3
    python bench_llama_cpp.py MODEL.gguf --flash on --wait 600
    python bench_llama_cpp.py MODEL.gguf --threads 1 --clock cpu

With one thread, `--clock cpu` counts processor time instead of wall time, which
neighbours disturb little: use it where no quiet moment can be had.

    pp512      a prompt of 512 tokens, in one micro-batch of llama.cpp's default size
    ttft512    time from that prompt to its first token, with the argmax
    tg64       64 decoded tokens after a prompt of 16
    tg_1024    64 decoded tokens after 1024
    batch4     64 steps of 4 sequences, all tokens counted
    load       opening the mapped file; context: making a context
    rss_peak   the most memory that was resident after pp512 and tg64 (mapped pages count)
    rss_end    the same after everything
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

MEASURES = ["pp512", "ttft512", "tg64", "tg_1024", "batch4", "load", "context", "rss_peak", "rss_end"]
OTHERS_MAX = 0.05  # of the whole machine
PROMPT, SHORT, STEPS, DEPTH, SEQUENCES = 512, 16, 64, 1024, 4


def rss_peak():
    """The peak resident memory of this process in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


class Bench:
    """A loaded model with the low-level calls of llama.cpp."""

    def __init__(self, path, threads, flash, clock):
        self.now = time.process_time if clock == "cpu" else time.perf_counter
        import llama_cpp
        import numpy
        from models import quiet
        self.c, self.np = llama_cpp, numpy
        self.threads, self.flash = threads, flash
        quiet(llama_cpp)
        llama_cpp.llama_backend_init()
        begin = self.now()
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(os.fsencode(path), params)
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load `{path}`")
        self.load = (self.now() - begin) * 1e3
        self.vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.batch = llama_cpp.llama_batch_init(2048, 0, 1)

    def context(self, tokens, sequences=1):
        params = self.c.llama_context_default_params()
        params.n_ctx = tokens * sequences
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = self.threads
        params.flash_attn_type = int(self.flash)
        return self.c.llama_init_from_model(self.model, params)

    def ids(self, count, seed=0):
        """Ordinary token ids without a pattern."""
        rng = self.np.random.default_rng(seed)
        return rng.integers(300, min(self.vocab, 40000), count).tolist()

    def decode(self, context, rows):
        """Runs rows of (token, position, sequence, wants logits)."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for at, (token, position, sequence, wanted) in enumerate(rows):
            batch.token[at] = token
            batch.pos[at] = position
            batch.n_seq_id[at] = 1
            batch.seq_id[at][0] = sequence
            batch.logits[at] = wanted
        if self.c.llama_decode(context, batch) != 0:
            raise SystemExit("llama.cpp cannot decode")

    def best(self, context, row):
        pointer = self.c.llama_get_logits_ith(context, row)
        return int(self.np.ctypeslib.as_array(pointer, (self.vocab,)).argmax())

    def fill(self, context, ids, sequence=0):
        """Runs a prompt and returns its first token."""
        last = len(ids) - 1
        self.decode(context, [(token, at, sequence, at == last) for at, token in enumerate(ids)])
        return self.best(context, last)

    def clear(self, context):
        self.c.llama_memory_clear(self.c.llama_get_memory(context), True)

    def steps(self, context, token, position, count):
        """Seconds that `count` greedy steps take."""
        begin = self.now()
        for at in range(count):
            self.decode(context, [(token, position + at, 0, True)])
            token = self.best(context, 0)
        return self.now() - begin

    def single(self, result):
        """Everything about one sequence."""
        begin = self.now()
        context = self.context(DEPTH + 256)
        result["context"] = (self.now() - begin) * 1e3
        # The first runs touch the mapped pages and size the buffers.
        self.fill(context, self.ids(PROMPT))
        self.steps(context, 300, PROMPT, 4)
        self.clear(context)
        ids = self.ids(PROMPT, 1)
        begin = self.now()
        self.decode(context, [(token, at, 0, at == PROMPT - 1) for at, token in enumerate(ids)])
        result["pp512"] = PROMPT / (self.now() - begin)
        self.clear(context)
        begin = self.now()
        self.fill(context, ids)
        result["ttft512"] = (self.now() - begin) * 1e3
        self.clear(context)
        token = self.fill(context, self.ids(SHORT, 2))
        result["tg64"] = STEPS / self.steps(context, token, SHORT, STEPS)
        result["rss_peak"] = rss_peak()
        self.clear(context)
        token = self.fill(context, self.ids(DEPTH, 3))
        self.steps(context, token, DEPTH, 2)
        result["tg_1024"] = STEPS / self.steps(context, token, DEPTH + 2, STEPS)
        self.c.llama_free(context)

    def batched(self, result):
        """Several sequences that are decoded together."""
        context = self.context(256, SEQUENCES)
        tokens = [self.fill(context, self.ids(SHORT, 10 + n), n) for n in range(SEQUENCES)]
        for at in range(STEPS + 4):
            if at == 4:
                begin = self.now()
            self.decode(context, [(token, SHORT + at, n, True) for n, token in enumerate(tokens)])
            tokens = [self.best(context, n) for n in range(SEQUENCES)]
        result["batch4"] = STEPS * SEQUENCES / (self.now() - begin)
        self.c.llama_free(context)


def child(args):
    """One process: measures once and prints the numbers."""
    result = {}
    bench = Bench(args.model, args.threads, args.flash == "on", args.clock)
    result["load"] = bench.load
    bench.single(result)
    bench.batched(result)
    result["rss_end"] = rss_peak()
    print(json.dumps(result))


def cpu():
    """The processor and those of its abilities that matter here."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    field = {line.split(":")[0].strip(): line.split(":")[1].strip() for line in lines if ":" in line}
    wanted = ["avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8"]
    flags = field.get("flags", "").split()
    return {"cpu": field.get("model name", "?"), "cores": os.cpu_count(), "has": [f for f in wanted if f in flags]}


def busy():
    """Seconds that all cores together have been busy, and those of finished children of ours."""
    fields = [int(part) for part in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    total = sum(fields) - fields[3] - fields[4]
    times = os.times()
    ours = times.user + times.system + times.children_user + times.children_system
    return total / os.sysconf("SC_CLK_TCK"), ours


def others(action):
    """Runs `action` and says which share of the machine other processes had meanwhile."""
    begin, (all_before, ours_before) = time.perf_counter(), busy()
    value = action()
    seconds, (all_after, ours_after) = time.perf_counter() - begin, busy()
    rest = (all_after - all_before) - (ours_after - ours_before)
    return value, max(0.0, rest / (seconds * os.cpu_count()))


def wait_for_quiet(seconds):
    """Waits until other processes are quiet for two seconds, but not longer than `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if others(lambda: time.sleep(2))[1] < OTHERS_MAX:
            return


def measure(args, flash):
    """The median of several processes that ran undisturbed, as far as there were any."""
    command = [sys.executable, __file__, str(args.model), "--child", "--threads", str(args.threads),
               "--flash", flash, "--clock", args.clock]
    allowed = OTHERS_MAX if args.clock == "wall" else 1.0
    runs = []
    for _ in range(args.repeat * 4):
        wait_for_quiet(args.wait)
        load = round(os.getloadavg()[0], 2)
        done, share = others(lambda: subprocess.run(command, check=True, capture_output=True, text=True))
        runs.append(json.loads(done.stdout) | {"others": round(share, 3), "load_average": load})
        if sum(run["others"] <= allowed for run in runs) == args.repeat:
            break
    runs = sorted(runs, key=lambda run: run["others"])[: args.repeat]
    result = {"model": args.model.name, "threads": args.threads, "clock": args.clock, "flash": flash,
              "repeat": args.repeat}
    for name in MEASURES:
        values = [run[name] for run in runs]
        result[name] = round(statistics.median(values), 1)
        result[f"{name}_range"] = [round(min(values), 1), round(max(values), 1)]
    for name in ["others", "load_average"]:
        result[name] = [run[name] for run in runs]
    return result | cpu()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--flash", choices=["on", "off", "both"], default="both")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--wait", type=float, default=0, help="seconds to wait for a quiet machine before each run")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.clock == "cpu" and args.threads != 1:
        parser.error("`--clock cpu` takes `--threads 1`: waiting threads spin and would be counted")
    if args.child:
        child(args)
        return
    for flash in ["on", "off"] if args.flash == "both" else [args.flash]:
        print(json.dumps(measure(args, flash)), flush=True)


if __name__ == "__main__":
    main()
