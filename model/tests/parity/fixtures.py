"""Makes the committed fixtures: small models with what the judges say about them.

    python fixtures.py models    --tokenizer stories260K.gguf
    python fixtures.py llama.cpp
    python fixtures.py transformers

The steps are apart, so that the two judges may live in different environments.
A file in F16, BF16 or F32 gets the answer for its F32 twin, since all three hold the
same numbers and only F32 is run without rounding. A quantised file also gets the
answer for its dequantised weights.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

HERE = Path(__file__).parent / "fixtures"
# Each architecture once unquantised, and each quantisation at least once.
PLAIN = ["llama-F16", "llama3-BF16", "qwen2-F32", "qwen3-F16", "gemma3-F16", "phi3-F16", "smollm3-F16",
         "mistral-F16"]
QUANTISED = ["llama-Q8_0", "llama-mixed", "qwen2-Q8_0", "qwen3-mixed", "phi3-mixed",
             "llama-k-K-mixed", "llama-k-Q4_K"]
FOLDERS = ["llama-bf16", "llama3-f32", "qwen2-bf16", "qwen3-bf16", "gemma3-bf16", "phi3-bf16", "smollm3-bf16",
           "mistral-bf16"]
# Every eighth logit is enough to see a difference, and keeps the answers small.
STRIDE = 8


class Options:
    """What the judges ask of their command lines."""

    stride = STRIDE
    half_cache = False
    no_window = False

    def __init__(self, exact=False):
        self.exact = exact


def write(path, result):
    path.write_text(json.dumps(result, separators=(",", ":")) + "\n")


def make_models(tokenizer):
    """Makes the nano models and keeps the chosen ones."""
    import models
    if HERE.exists():
        shutil.rmtree(HERE)
    (HERE / "gguf").mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        models.make_judged("nano", Path(folder), tokenizer, [])
        for name in PLAIN + QUANTISED:
            shutil.copy(Path(folder) / f"{name}.gguf", HERE / "gguf")
        for name in FOLDERS:
            shutil.copytree(Path(folder) / "hf" / name, HERE / "hf" / name)


def ask_llama_cpp():
    """Writes the answers of llama.cpp beside the GGUF files."""
    import llama_cpp_side
    for name in QUANTISED:
        path = HERE / "gguf" / f"{name}.gguf"
        write(path.with_suffix(".json"), llama_cpp_side.run(path, [], Options(exact=True))[0])
    for name in PLAIN:
        path = HERE / "gguf" / f"{name}.gguf"
        with tempfile.TemporaryDirectory() as folder:
            result = llama_cpp_side.run(llama_cpp_side.dequantised(path, folder), [], Options())[0]
        write(path.with_suffix(".json"), result | {"model": path.name})


def ask_transformers():
    """Writes the answers of transformers beside the safetensors files."""
    import hf_side
    for name in FOLDERS:
        folder = HERE / "hf" / name
        write(folder / "expected.json", hf_side.run(folder, [], Options())[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["models", "llama.cpp", "transformers"])
    parser.add_argument("--tokenizer", type=Path, help="a GGUF file whose tokenizer of 512 tokens is copied")
    args = parser.parse_args()
    if args.step == "models":
        make_models(args.tokenizer)
    elif args.step == "llama.cpp":
        ask_llama_cpp()
    else:
        ask_transformers()
    size = sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file())
    answers = sum(path.stat().st_size for path in HERE.rglob("*.json") if path.name != "config.json")
    print(f"fixtures: {size // 1024} KiB, of which answers {answers // 1024} KiB")


if __name__ == "__main__":
    main()
