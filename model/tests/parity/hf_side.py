"""What transformers says: logits of a safetensors folder, in F32 with eager attention.

Prints one JSON line for each folder: for every case the likeliest token at every
position of the prompt, the logits at some positions, and the greedy continuation,
which is computed without a cache.

    python hf_side.py nano/hf/llama-bf16 [FOLDER ...]
    python hf_side.py FOLDER --ids 1,403,407 --steps 16
    python hf_side.py nano/hf/*-bf16 --expected expected/ --stride 8
    python hf_side.py nano/hf/*-bf16 --beside
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from cases import cases

JUDGE = f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}, F32, eager"
# Positions whose logits are kept: the first ones, and around windows and original contexts.
POSITIONS = [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257]


def load(folder, window=True):
    """The model in F32, whatever its weights are stored in; without its sliding window where told so."""
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    config = AutoConfig.from_pretrained(folder)
    if not window:
        config.sliding_window = None
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[kind]:
            raise SystemExit(f"`{folder}` has {kind}: {info[kind]}")
    return model.eval()


def logits(model, ids):
    """The logits at every position."""
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0].numpy()


def greedy(model, prompt, steps):
    """Greedy tokens, how far each was ahead, and the logits of the last step."""
    ids, margins = list(prompt), []
    for _ in range(steps):
        row = logits(model, ids)[-1]
        best = np.sort(row)
        margins.append(float(best[-1] - best[-2]))
        ids.append(int(row.argmax()))
    return ids[len(prompt):], margins, row


def short(values, digits=6):
    """Numbers with few digits, which is what the judged tolerances need."""
    return [float(f"{value:.{digits}g}") for value in values]


def report(model, name, prompt, steps, stride):
    """What is kept of one case, and the logits of all positions."""
    rows = logits(model, prompt)
    tokens, margins, last = greedy(model, prompt, steps)
    kept = sorted({p for p in POSITIONS if p < len(prompt)} | {len(prompt) - 1})
    return {
        "case": name, "prompt": prompt, "greedy": tokens, "margins": short(margins, 3),
        "argmax": rows.argmax(axis=1).tolist(), "stride": stride,
        "positions": {str(p): short(rows[p][::stride]) for p in kept},
        "first": short(rows[-1][::stride]), "last": short(last[::stride]),
    }, rows


def run(folder, asked, args):
    """Judges one folder; returns the report and the full logits."""
    model = load(folder, not args.no_window)
    reports, full = [], {}
    for name, prompt, steps in asked or cases(model.config.vocab_size):
        one, full[name] = report(model, name, prompt, steps, args.stride)
        reports.append(one)
    return {"model": folder.name, "judge": JUDGE, "cases": reports}, full


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--ids", action="append", default=[], help="token ids with commas between; may repeat")
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--stride", type=int, default=1, help="keep every n-th logit")
    parser.add_argument("--no-window", action="store_true",
                        help="without the sliding window, which llama.cpp ignores for Mistral and Phi 3")
    parser.add_argument("--expected", type=Path, help="write FOLDER.json into this folder")
    parser.add_argument("--beside", action="store_true", help="write `expected.json` into each folder")
    parser.add_argument("--full", type=Path, help="write all logits as FOLDER.npz into this folder")
    args = parser.parse_args()
    torch.set_num_threads(1)
    asked = [(f"ids{n}", [int(part) for part in ids.split(",")], args.steps) for n, ids in enumerate(args.ids)]
    for folder in args.folders:
        result, full = run(folder, asked, args)
        line = json.dumps(result, separators=(",", ":"))
        if args.expected or args.beside:
            target = folder / "expected.json" if args.beside else args.expected / f"{folder.name}.json"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(line + "\n")
            print(folder.name, [case["greedy"][:8] for case in result["cases"]], flush=True)
        else:
            print(line, flush=True)
        if args.full:
            args.full.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(args.full / f"{folder.name}.npz", **full)


if __name__ == "__main__":
    main()
