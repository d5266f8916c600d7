"""What llama.cpp says: greedy continuations and logits of a GGUF file.

Prints one JSON line for each file and case. The cache is F32, flash attention is
off and one thread runs, so that a run is repeatable and nothing is rounded that the
file does not round. With `--exact` the weights are dequantised to F32 first: that
is what the file means, free of the 8-bit activations that llama.cpp's kernels take.

    python llama_cpp_side.py MODEL.gguf [MODEL.gguf ...]
    python llama_cpp_side.py MODEL.gguf --ids 1,403,407 --steps 16
    python llama_cpp_side.py MODEL.gguf --text "Once upon a time"
    python llama_cpp_side.py nano/*-Q8_0.gguf --expected expected/ --stride 8
"""

import argparse
import ctypes
import json
import os
import tempfile
from pathlib import Path

import gguf
import llama_cpp
import numpy as np

from cases import TEXTS, cases
from models import quiet

JUDGE = f"llama.cpp, as built by llama-cpp-python {llama_cpp.__version__}"
# llama.cpp rounds contexts up to this, and Phi 3 chooses its rope factors by the context.
CONTEXT_STEP = 256


class Judge:
    """A model opened by llama.cpp."""

    def __init__(self, path, half_cache=False):
        quiet(llama_cpp)
        llama_cpp.llama_backend_init()
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = 0
        self.path = Path(path)
        self.model = llama_cpp.llama_model_load_from_file(os.fsencode(path), params)
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load `{path}`")
        self.vocab_handle = llama_cpp.llama_model_get_vocab(self.model)
        self.vocab = llama_cpp.llama_vocab_n_tokens(self.vocab_handle)
        self.cache_type = 1 if half_cache else 0

    def close(self):
        llama_cpp.llama_model_free(self.model)

    def tokens(self, text):
        """The ids of a text, with the start token where the file asks for it."""
        data = text.encode()
        room = (llama_cpp.llama_token * (len(data) + 16))()
        count = llama_cpp.llama_tokenize(self.vocab_handle, data, len(data), room, len(room), True, True)
        return list(room[:count])

    def text(self, ids):
        """The text of some ids."""
        out, room = b"", ctypes.create_string_buffer(256)
        for token in ids:
            count = llama_cpp.llama_token_to_piece(self.vocab_handle, token, room, len(room), 0, False)
            out += room.raw[:count]
        return out.decode(errors="replace")

    def context(self, tokens):
        """A context for one sequence of at most `tokens` tokens."""
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = -(-tokens // CONTEXT_STEP) * CONTEXT_STEP
        params.n_batch = params.n_ubatch = 512
        params.n_threads = params.n_threads_batch = 1
        params.type_k = params.type_v = self.cache_type
        params.flash_attn_type = 0
        context = llama_cpp.llama_init_from_model(self.model, params)
        if not context:
            raise SystemExit(f"llama.cpp makes no context for `{self.path}`")
        return context, params.n_ctx

    def greedy(self, prompt, steps, forced=None):
        """The context size and, after the prompt and each step, the logits of the last token.

        Steps take the likeliest token, or the tokens of `forced` where it is given.
        """
        context, size = self.context(len(prompt) + steps)
        rows, position, following = [], 0, list(prompt)
        for step in range(steps):
            for at in range(0, len(following), 512):
                part = following[at:at + 512]
                ids = (llama_cpp.llama_token * len(part))(*part)
                if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(ids, len(part))) != 0:
                    raise SystemExit(f"llama.cpp fails at token {position} of `{self.path}`")
                position += len(part)
            pointer = llama_cpp.llama_get_logits_ith(context, -1)
            rows.append(np.ctypeslib.as_array(pointer, (self.vocab,)).copy())
            following = [forced[step] if forced else int(rows[-1].argmax())]
        llama_cpp.llama_free(context)
        return size, np.stack(rows)


def dequantised(path, folder):
    """Writes a copy of a GGUF file whose weights are F32."""
    reader = gguf.GGUFReader(path)
    arch = reader.fields["general.architecture"].contents()
    target = Path(folder) / "exact.gguf"
    writer = gguf.GGUFWriter(target, arch)
    for key, item in reader.fields.items():
        if key.startswith("GGUF.") or key in ("general.architecture", "general.file_type"):
            continue
        kind = item.types[0]
        writer.add_key_value(key, item.contents(), kind, item.types[-1] if len(item.types) > 1 else None)
    for tensor in reader.tensors:
        if tensor.tensor_type == gguf.GGMLQuantizationType.F32:
            data = tensor.data
        else:
            data = gguf.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, np.ascontiguousarray(data, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def short(values, digits=6):
    """Numbers with few digits, which is what the judged tolerances need."""
    return [float(f"{value:.{digits}g}") for value in values]


def report(name, prompt, size, rows, stride):
    """What is kept of one case: every `stride`-th logit of the first and the last step."""
    order = np.sort(rows, axis=1)
    return {
        "case": name, "prompt": prompt, "context": size,
        "greedy": [int(row.argmax()) for row in rows],
        "margins": short(order[:, -1] - order[:, -2], 3),
        "stride": stride,
        "first": short(rows[0][::stride]), "last": short(rows[-1][::stride]),
    }


def judge(path, asked, args, follow=None):
    """Runs all cases of one file; returns the reports and the full logits.

    With `follow`, earlier reports, the steps take the tokens that were taken there.
    """
    one = Judge(path, args.half_cache)
    reports, full = [], {}
    for place, (name, prompt, steps) in enumerate(asked or cases(one.vocab)):
        if isinstance(prompt, str):
            text, prompt = prompt, one.tokens(prompt)
        else:
            text = None
        size, rows = one.greedy(prompt, steps, follow and follow[place]["greedy"])
        full[name] = rows
        reports.append(report(name, prompt, size, rows, args.stride))
        if text is not None:
            reports[-1] |= {"text": text, "continuation": one.text(reports[-1]["greedy"])}
    one.close()
    return reports, full


def run(path, asked, args):
    """Judges one file as it is and, where asked, with dequantised weights."""
    reports, full = judge(path, asked, args)
    if args.exact:
        with tempfile.TemporaryDirectory() as folder:
            twins, exact = judge(dequantised(path, folder), asked, args, reports)
        for mine, twin in zip(reports, twins, strict=True):
            error = np.abs(full[mine["case"]] - exact[mine["case"]])
            mine["exact"] = {key: twin[key] for key in ("greedy", "margins", "first", "last")}
            # How far 8-bit activations take llama.cpp itself from what the file means.
            mine["off_max"], mine["off_mean"] = short([error.max(), error.mean()], 3)
        full |= {f"{name}_exact": rows for name, rows in exact.items()}
    return {"model": Path(path).name, "judge": JUDGE, "cases": reports}, full


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--ids", action="append", default=[], help="token ids with commas between; may repeat")
    parser.add_argument("--text", action="append", default=[], help="a text prompt; may repeat")
    parser.add_argument("--texts", action="store_true", help="the text prompts of cases.py")
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--stride", type=int, default=1, help="keep every n-th logit")
    parser.add_argument("--exact", action="store_true", help="judge the dequantised weights too")
    parser.add_argument("--half-cache", action="store_true", help="an F16 cache, as llama.cpp has by default")
    parser.add_argument("--expected", type=Path, help="write MODEL.json into this folder")
    parser.add_argument("--full", type=Path, help="write all logits as MODEL.npz into this folder")
    args = parser.parse_args()
    asked = [(f"ids{n}", [int(part) for part in ids.split(",")], args.steps) for n, ids in enumerate(args.ids)]
    texts = args.text + (TEXTS if args.texts else [])
    asked += [(f"text{n}", text, args.steps) for n, text in enumerate(texts)]
    for path in args.models:
        result, full = run(path, asked, args)
        line = json.dumps(result, separators=(",", ":"))
        if args.expected:
            args.expected.mkdir(parents=True, exist_ok=True)
            (args.expected / f"{path.stem}.json").write_text(line + "\n")
            print(path.stem, [case["greedy"][:8] for case in result["cases"]], flush=True)
        else:
            print(line, flush=True)
        if args.full:
            args.full.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(args.full / f"{path.stem}.npz", **full)


if __name__ == "__main__":
    main()
