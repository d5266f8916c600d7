"""Makes the tiny chat model of the tests: 205,000 parameters that tell small stories and call a tool.

    python make.py train   .     # tokenizer, training on one thread, safetensors (transformers, torch, tokenizers)
    python make.py convert .     # the same weights as GGUF, in Q8_0 (gguf, numpy)
    python make.py golden  .     # what transformers says to some prompts (transformers, torch, tokenizers)

The text that it learns is written by the grammar below, so nobody else's words are in it. The same seed gives
the same text; weights differ with the version of torch, which is why they are kept.
"""

import argparse
import json
import random
import time
from pathlib import Path

SEED = 20261121
VOCABULARY = 512
# Longer than anything that it learns from, so that tests may write long prompts.
CONTEXT = 2048
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"]

ANIMALS = ["fox", "dog", "cat", "bear", "frog", "owl", "mouse", "duck", "pig", "goat"]
NAMES = ["Tim", "Lily", "Max", "Mia", "Ben", "Sue", "Tom", "Anna"]
COLOURS = ["red", "blue", "green", "yellow", "big", "small", "old", "shiny"]
THINGS = ["ball", "kite", "hat", "boat", "cake", "drum", "box", "lamp"]
PLACES = ["park", "forest", "garden", "river", "hill", "farm"]
WEATHER = ["sunny", "rainy", "windy", "cold", "warm"]
FEELINGS = ["happy", "sad", "proud", "brave", "tired"]
TOOLS = ["add", "time", "search", "weather"]

TEMPLATE = (
    "{%- if tools %}<|im_start|>tools\n{% for tool in tools %}{{ tool.function.name }}\n{% endfor %}<|im_end|>\n{% endif %}"
    "{%- for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content %}{{ message.content }}{% endif %}"
    "{%- for call in message.tool_calls or [] %}<tool_call>\n"
    "{{ {'name': call.function.name, 'arguments': call.function.arguments} | tojson }}\n</tool_call>{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def story(rng, animal, colour, thing):
    """A story about an animal and a thing, of five to eight sentences."""
    name, friend = rng.sample(NAMES, 2)
    other = rng.choice([word for word in ANIMALS if word != animal])
    place, weather = rng.choice(PLACES), rng.choice(WEATHER)
    said = f"the {colour} {thing}"
    parts = [
        f"Once upon a time there was a {animal} named {name}.",
        f"{name} lived near the {place}.",
        f"One {weather} day {name} went to the {place} with a {colour} {thing}.",
    ]
    parts.append(rng.choice([
        f"{name} played with {said} all day.",
        f"{name} wanted to show {said} to a friend.",
        f"{name} lost {said} and was very sad.",
    ]))
    if parts[-1].endswith("sad."):
        parts.append(f"A {other} named {friend} came and helped {name} look.")
        parts.append(f"They found {said} under a tree.")
    else:
        parts.append(f"Then {name} saw a {other} named {friend}.")
        parts.append(rng.choice([
            f"\"Can I play too?\" asked {friend}.",
            f"\"What a nice {thing}!\" said {friend}.",
        ]))
        parts.append("They played together until the sun went down.")
    parts.append(f"{name} and {friend} were {rng.choice(FEELINGS[:1] + FEELINGS[2:4])}, and they went home.")
    return " ".join(parts)


def turn(role, text):
    return f"<|im_start|>{role}\n{text}<|im_end|>\n"


def tale(rng):
    """A conversation that asks for a story."""
    animal, colour, thing = rng.choice(ANIMALS), rng.choice(COLOURS), rng.choice(THINGS)
    asked = rng.choice([
        f"Tell me a story about a {animal} and a {thing}.",
        f"Tell me a story about a {animal}.",
        f"Please tell a story about a {animal} with a {colour} {thing}.",
    ])
    system = turn("system", rng.choice(["You tell stories.", "Be kind.", "You are a friend."])) if rng.random() < 0.3 else ""
    return system + turn("user", asked) + turn("assistant", story(rng, animal, colour, thing))


def call(name, arguments):
    said = json.dumps({"name": name, "arguments": arguments})
    return f"<tool_call>\n{said}\n</tool_call>"


def sum_(rng):
    """A conversation in which two numbers are added, by the tool where it is there."""
    a, b = rng.randrange(100), rng.randrange(100)
    asked = rng.choice([f"What is {a} plus {b}?", f"Add {a} and {b}.", f"How much is {a} and {b}?"])
    tools = ["add"] + rng.sample([tool for tool in TOOLS if tool != "add"], rng.randrange(3))
    rng.shuffle(tools)
    offered = "<|im_start|>tools\n" + "".join(f"{tool}\n" for tool in tools) + "<|im_end|>\n"
    text = offered + turn("user", asked) + turn("assistant", call("add", {"a": a, "b": b}))
    return text + turn("tool", str(a + b)) + turn("assistant", f"{a} plus {b} is {a + b}.")


def talk(rng):
    """One conversation."""
    return sum_(rng) if rng.random() < 0.45 else tale(rng)


def make_tokenizer(out):
    """Byte-level BPE with digits apart, trained on some of the text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    rng = random.Random(SEED)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator((talk(rng) for _ in range(4000)), trainer)
    tokenizer.save(str(out / "tokenizer.json"))
    named = {"eos_token": "<|im_end|>", "bos_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
             "add_bos_token": False, "clean_up_tokenization_spaces": False, "tokenizer_class": "PreTrainedTokenizerFast"}
    (out / "tokenizer_config.json").write_text(json.dumps(named, indent=1) + "\n")
    (out / "chat_template.jinja").write_text(TEMPLATE)
    return tokenizer


def train(out, steps, rows, width, rate):
    """Trains from nothing and saves what transformers can open."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    tokenizer = make_tokenizer(out)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=160, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=CONTEXT, rms_norm_eps=1e-5,
        tie_word_embeddings=True, bos_token_id=0, eos_token_id=2, pad_token_id=0)
    model = LlamaForCausalLM(config)
    print(sum(parameter.numel() for parameter in model.parameters()), "parameters", flush=True)
    rng, ids = random.Random(SEED + 1), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    begun = time.time()
    for step in range(steps):
        while len(ids) < rows * (width + 1):
            ids += tokenizer.encode(talk(rng)).ids
        batch = torch.tensor(ids[:rows * (width + 1)]).view(rows, width + 1)
        ids = ids[rows * (width + 1):]
        share = min(1.0, (step + 1) / 100, 1.02 - step / steps)
        for group in optimizer.param_groups:
            group["lr"] = rate * share
        logits = model(batch[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, VOCABULARY), batch[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 0 or step + 1 == steps:
            print(step, f"{loss.item():.4f}", f"{time.time() - begun:.0f} s", flush=True)
        if step % 500 == 499 or step + 1 == steps:
            save(model, out)


def save(model, out):
    """Saves bfloat16 weights, and a configuration in the fields of released models."""
    import copy
    import torch
    copied = copy.deepcopy(model).to(torch.bfloat16)
    copied.generation_config.update(do_sample=True, temperature=0.7, top_p=0.9)
    copied.save_pretrained(out)


def convert(out):
    """Writes the same weights as GGUF, in Q8_0."""
    import gguf
    import numpy as np
    config = json.loads((out / "config.json").read_text())
    tensors = read_safetensors(out / "model.safetensors")
    writer = gguf.GGUFWriter(out / "tiny-Q8_0.gguf", "llama")
    writer.add_name("lorewell tiny")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    tokenizer = json.loads((out / "tokenizer.json").read_text())
    words = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(words)
    writer.add_token_types([3 if word in SPECIAL[:3] else 4 if word in SPECIAL else 1 for word in words])
    writer.add_token_merges([" ".join(merge) for merge in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    writer.add_file_type(7)
    for name, data in tensors.items():
        heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
        for part, count in heads.items():
            if part in name:
                half = data.shape[0] // count // 2
                data = data.reshape(count, 2, half, -1).swapaxes(1, 2).reshape(data.shape)
        data = np.ascontiguousarray(data)
        if data.ndim == 1:
            writer.add_tensor(gguf_name(name), data)
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(gguf_name(name), gguf.quants.quantize(data, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_name(name):
    """The name that GGUF gives a tensor of transformers."""
    parts = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
             "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
             "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    if name.startswith("model.layers."):
        layer, part = name.removeprefix("model.layers.").removesuffix(".weight").split(".", 1)
        return f"blk.{layer}.{parts[part]}.weight"
    return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[name]


def read_safetensors(path):
    """The tensors of a file in bfloat16, as floats."""
    import numpy as np
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, info in json.loads(data[8:8 + length]).items():
        if name == "__metadata__":
            continue
        start, end = (8 + length + offset for offset in info["data_offsets"])
        bits = np.frombuffer(data[start:end], "<u2").astype(np.uint32) << 16
        tensors[name] = bits.view(np.float32).reshape(info["shape"])
    return tensors


GOLDEN = [
    turn("user", "Tell me a story about a fox and a kite."),
    turn("system", "You tell stories.") + turn("user", "Please tell a story about a frog with a red boat."),
    "<|im_start|>tools\nsearch\nadd\n<|im_end|>\n" + turn("user", "What is 37 plus 48?"),
    "<|im_start|>tools\nadd\n<|im_end|>\n" + turn("user", "Add 6 and 91.")
    + turn("assistant", call("add", {"a": 6, "b": 91})) + turn("tool", "97"),
]


def golden(out):
    """Writes what transformers says greedily, in F32, to some prompts."""
    import torch
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    model = LlamaForCausalLM.from_pretrained(out, dtype=torch.float32)
    cases = []
    for prompt in GOLDEN:
        prompt += "<|im_start|>assistant\n"
        ids = tokenizer.encode(prompt).ids
        mask = torch.ones(1, len(ids))
        done = model.generate(torch.tensor([ids]), attention_mask=mask, max_new_tokens=150, do_sample=False)[0].tolist()
        said = tokenizer.decode(done[len(ids):], skip_special_tokens=False)
        cases.append({"prompt": prompt, "prompt_ids": ids, "greedy_ids": done, "said": said})
        print(said)
    (out / "golden.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["train", "convert", "golden"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--rate", type=float, default=4e-3)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.step == "train":
        train(args.out, args.steps, args.rows, args.width, args.rate)
    elif args.step == "convert":
        convert(args.out)
    else:
        golden(args.out)


if __name__ == "__main__":
    main()
