"""Holds two answers against each other: two judges, or a judge and ours.

Both files have the JSON that the judges write. For each case that both have, the
largest and the mean difference of the logits are printed, and where the likeliest
tokens part. The exit code is 1 where a difference is above the tolerance, or
where no case is in both.

    python agree.py nano/expected/llama-F32.json nano/hf-expected/llama-f32.json --tolerance 1e-4
"""

import argparse
import json
import sys
from pathlib import Path


def logits(case, which):
    """The logits after the prompt or after the last step, by token."""
    return {n * case["stride"]: value for n, value in enumerate(case[which])}


def differences(one, two, which):
    """The largest and the mean difference over the tokens that both have."""
    left, right = logits(one, which), logits(two, which)
    gaps = [abs(left[token] - right[token]) for token in left.keys() & right.keys()]
    return max(gaps), sum(gaps) / len(gaps)


def parting(one, two):
    """The first step at which the tokens differ, with the lead that the token had; or nothing."""
    for step, (left, right) in enumerate(zip(one["greedy"], two["greedy"])):
        if left != right:
            return f"tokens part at step {step}, where {left} led by {one['margins'][step]}"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one", type=Path)
    parser.add_argument("two", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--cases", nargs="*", help="only these cases")
    parser.add_argument("--exact", action="store_true", help="take the dequantised answer of the first file")
    args = parser.parse_args()
    two = {case["case"]: case for case in json.loads(args.two.read_text())["cases"]}
    failed, held = False, 0
    for case in json.loads(args.one.read_text())["cases"]:
        if args.cases and case["case"] not in args.cases:
            continue
        other = two.get(case["case"])
        if other is None or other["prompt"] != case["prompt"]:
            continue
        held += 1
        if args.exact:
            case |= case["exact"]
        most, mean = differences(case, other, "first")
        note = parting(case, other)
        if not note:
            most = max(most, differences(case, other, "last")[0])
        failed |= most > args.tolerance
        print(f"{args.one.stem} {case['case']:7} max {most:.2g} mean {mean:.2g} {note}")
    sys.exit(failed or not held)


if __name__ == "__main__":
    main()
