"""Makes the random-weight models on which the local decoder is judged.

Every weight is a signed byte times a power of two, drawn from a splitmix64
stream that is seeded by the tensor's name. F32, F16 and BF16 files of one model
therefore hold the same numbers, and any language can make them again bit for bit.
One set of weights is written as GGUF (for llama.cpp) and as safetensors with a
config.json (for transformers), so that both judge the same model.

    python models.py nano  OUT --tokenizer stories260K.gguf
    python models.py tiny  OUT --tokenizer stories260K.gguf
    python models.py bench OUT

`nano` models are small enough to be committed (hidden size 32), `tiny` ones have
256 columns and so take the K quantisations, `bench` ones have the shapes and the
vocabulary sizes of released models.
"""

import argparse
import ctypes
import json
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

import gguf
import numpy as np

SEED = 0x4C4F5245
GOLDEN = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
# The standard deviation of a uniform signed byte.
BYTE_STD = 73.9


# ---------------------------------------------------------------- weights

def fnv1a(text):
    """The 64-bit FNV-1a hash of a name."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def stream(name, count, seed=SEED):
    """The first `count` signed bytes of the stream that belongs to a tensor."""
    words = (count + 7) // 8
    z = np.arange(1, words + 1, dtype=np.uint64)
    z *= np.uint64(GOLDEN)
    z += np.uint64(fnv1a(name) ^ seed)
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z.astype("<u8").view(np.int8)[:count]


def matrix(name, rows, columns, gain):
    """A matrix whose entries have a standard deviation near gain / sqrt(columns)."""
    shift = round(math.log2(BYTE_STD * math.sqrt(columns) / gain))
    data = stream(name, rows * columns).reshape(rows, columns)
    return data.astype(np.float32) * np.float32(2.0 ** -shift)


def vector(name, size, middle):
    """A vector of `middle` ± 0.5 in steps that bfloat16 still has at 2.5: norm weights and biases."""
    return np.float32(middle) + (stream(name, size) >> 2).astype(np.float32) / np.float32(64)


# ---------------------------------------------------------------- shapes

@dataclass(frozen=True)
class Shape:
    """What a model is, in the words of both formats."""

    name: str
    family: str
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    layers: int
    vocab: int = 512
    context: int = 1024
    theta: float = 10000.0
    eps: float = 1e-5
    tied: bool = True
    # Llama 3 rope scaling: factor, low, high, original context.
    llama3: tuple = ()
    # Gemma 3: linear scaling of the layers with full attention.
    linear: float = 0.0
    # Phi 3: the original context and the share of a head that is rotated.
    original_context: int = 0
    rotary: float = 1.0
    window: int = 0
    theta_local: float = 10000.0
    # Bench models need no safetensors and no wide logits.
    bench: str = ""

    @property
    def arch(self):
        """The GGUF architecture: Mistral is a llama there."""
        return {"mistral": "llama"}.get(self.family, self.family)

    @property
    def rope_dims(self):
        return int(self.head_dim * self.rotary)


def judged(size):
    """The shapes that are judged: every family in one size."""
    # The tokenizer has 259 special and byte tokens; 288 is the next number with 32 as a factor.
    small = dict(hidden=32, heads=4, kv_heads=2, head_dim=8, ffn=64, layers=2, vocab=288)
    if size == "tiny":
        small = dict(hidden=256, heads=4, kv_heads=2, head_dim=64, ffn=512, layers=3)
    wide = small["head_dim"] * 2
    base = Shape(name="", family="llama", **small)
    shapes = [
        replace(base, name="llama", tied=False),
        replace(base, name="llama3", theta=500000.0, llama3=(8.0, 1.0, 4.0, 128)),
        replace(base, name="qwen2", family="qwen2", theta=1000000.0, eps=1e-6),
        replace(base, name="qwen3", family="qwen3", theta=1000000.0, eps=1e-6, head_dim=wide),
        # Seven layers, because every sixth layer of Gemma 3 has full attention.
        replace(base, name="gemma3", family="gemma3", theta=1000000.0, eps=1e-6, head_dim=wide,
                kv_heads=1, layers=7, window=16),
        replace(base, name="gemma3-linear", family="gemma3", theta=1000000.0, eps=1e-6,
                head_dim=wide, kv_heads=1, layers=7, window=16, linear=8.0),
        # llama.cpp rounds contexts up to 256, so the original context cannot be less.
        replace(base, name="phi3", family="phi3", tied=False, original_context=256, window=64),
        replace(base, name="phi3-partial", family="phi3", original_context=256, rotary=0.75,
                head_dim=small["head_dim"] * 2, heads=2, kv_heads=1),
        # Five layers, because every fourth layer of SmolLM3 has no rope.
        replace(base, name="smollm3", family="smollm3", layers=5, theta=5000000.0, eps=1e-6),
        replace(base, name="mistral", family="mistral", tied=False, window=64, head_dim=wide),
    ]
    if size == "nano":
        # The smallest shape that K quantisations take: 256 columns everywhere.
        shapes.append(replace(base, name="llama-k", hidden=256, head_dim=64, kv_heads=1, ffn=256, layers=1))
    return shapes


BENCH = [
    Shape("qwen3-0.6b", "qwen3", 1024, 16, 8, 128, 3072, 28, 151936, 40960, 1000000.0, 1e-6, bench="qwen2"),
    Shape("qwen2.5-0.5b", "qwen2", 896, 14, 2, 64, 4864, 24, 151936, 32768, 1000000.0, 1e-6, bench="qwen2"),
    Shape("smollm2-135m", "llama", 576, 9, 3, 64, 1536, 30, 49152, 8192, 100000.0, 1e-5, bench="smollm"),
]


def hf_weights(shape):
    """Yields the tensors in the names and layout of transformers."""
    s = shape
    q_rows, kv_rows = s.heads * s.head_dim, s.kv_heads * s.head_dim
    gemma = s.family == "gemma3"
    # Gemma adds one to the norm weights it stores.
    norm = 0.0 if gemma else 1.0
    post = 2.5 if gemma else 1.0
    yield "model.embed_tokens.weight", matrix("model.embed_tokens.weight", s.vocab, s.hidden, 3.0)
    for layer in range(s.layers):
        p = f"model.layers.{layer}."

        def m(name, rows, columns, gain, p=p):
            return p + name, matrix(p + name, rows, columns, gain)

        def v(name, size, middle, p=p):
            return p + name, vector(p + name, size, middle)

        yield v("input_layernorm.weight", s.hidden, norm)
        if s.family == "phi3":
            yield m("self_attn.qkv_proj.weight", q_rows + 2 * kv_rows, s.hidden, 1.5)
        else:
            for part, rows in (("q", q_rows), ("k", kv_rows), ("v", kv_rows)):
                yield m(f"self_attn.{part}_proj.weight", rows, s.hidden, 1.5)
                if s.family == "qwen2":
                    yield v(f"self_attn.{part}_proj.bias", rows, 0.0)
        if s.family in ("qwen3", "gemma3"):
            yield v("self_attn.q_norm.weight", s.head_dim, norm + 0.25)
            yield v("self_attn.k_norm.weight", s.head_dim, norm + 0.25)
        yield m("self_attn.o_proj.weight", s.hidden, q_rows, 2.0)
        yield v("post_attention_layernorm.weight", s.hidden, post)
        if gemma:
            yield v("pre_feedforward_layernorm.weight", s.hidden, norm)
            yield v("post_feedforward_layernorm.weight", s.hidden, post)
        if s.family == "phi3":
            yield m("mlp.gate_up_proj.weight", 2 * s.ffn, s.hidden, 1.5)
        else:
            yield m("mlp.gate_proj.weight", s.ffn, s.hidden, 1.5)
            yield m("mlp.up_proj.weight", s.ffn, s.hidden, 1.5)
        yield m("mlp.down_proj.weight", s.hidden, s.ffn, 2.0)
    yield "model.norm.weight", vector("model.norm.weight", s.hidden, norm)
    if not s.tied:
        yield "lm_head.weight", matrix("lm_head.weight", s.vocab, s.hidden, 3.0)


def long_factors(shape):
    """Short and long rope factors of Phi 3, one for each pair of rotated numbers."""
    half = shape.rope_dims // 2
    short = [1.0 + 0.03125 * i for i in range(half)]
    long = [1.0 + 0.5 * i for i in range(half)]
    return short, long


def attention_factor(shape):
    """How much Phi 3 raises its attention scores for contexts past the original one."""
    scale = shape.context / shape.original_context
    return math.sqrt(1 + math.log(scale) / math.log(shape.original_context))


def llama3_factors(shape):
    """What each rope frequency is divided by, as Llama 3.1 defines it."""
    factor, low, high, original = shape.llama3
    factors = []
    for i in range(0, shape.head_dim, 2):
        wavelength = 2 * math.pi * shape.theta ** (i / shape.head_dim)
        if wavelength < original / high:
            factors.append(1.0)
        elif wavelength > original / low:
            factors.append(factor)
        else:
            smooth = (original / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return factors


# ---------------------------------------------------------------- safetensors

CLASSES = {"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM",
           "qwen3": "Qwen3ForCausalLM", "gemma3": "Gemma3ForCausalLM", "phi3": "Phi3ForCausalLM",
           "smollm3": "SmolLM3ForCausalLM"}


def hf_config(shape, dtype):
    """The config.json in the fields that released models have."""
    s = shape
    config = {
        "architectures": [CLASSES[s.family]],
        "model_type": {"gemma3": "gemma3_text"}.get(s.family, s.family),
        "hidden_size": s.hidden, "intermediate_size": s.ffn, "num_hidden_layers": s.layers,
        "num_attention_heads": s.heads, "num_key_value_heads": s.kv_heads, "head_dim": s.head_dim,
        "vocab_size": s.vocab, "max_position_embeddings": s.context, "rope_theta": s.theta,
        "rms_norm_eps": s.eps, "tie_word_embeddings": s.tied, "hidden_act": "silu",
        "attention_bias": s.family == "qwen2", "attention_dropout": 0.0,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "torch_dtype": dtype, "use_cache": True,
    }
    if s.llama3:
        factor, low, high, original = s.llama3
        config["rope_scaling"] = {"rope_type": "llama3", "factor": factor, "low_freq_factor": low,
                                  "high_freq_factor": high, "original_max_position_embeddings": original}
    if s.family == "qwen2":
        config |= {"use_sliding_window": False, "sliding_window": s.context, "max_window_layers": s.layers}
        del config["head_dim"], config["attention_bias"]
    if s.family == "gemma3":
        config |= {"hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": s.head_dim,
                   "sliding_window": s.window, "sliding_window_pattern": 6,
                   "rope_local_base_freq": s.theta_local, "attn_logit_softcapping": None,
                   "final_logit_softcapping": None}
        del config["hidden_act"]
        if s.linear:
            config["rope_scaling"] = {"rope_type": "linear", "factor": s.linear}
    if s.family == "phi3":
        short, long = long_factors(s)
        config |= {"original_max_position_embeddings": s.original_context, "partial_rotary_factor": s.rotary,
                   "rope_scaling": {"type": "longrope", "short_factor": short, "long_factor": long},
                   "sliding_window": s.window or None, "resid_pdrop": 0.0, "embd_pdrop": 0.0}
        del config["head_dim"], config["attention_bias"]
    if s.family == "smollm3":
        config |= {"no_rope_layers": [int((i + 1) % 4 != 0) for i in range(s.layers)],
                   "no_rope_layer_interval": 4, "use_sliding_window": False, "sliding_window": None}
        del config["head_dim"]
    if s.family == "mistral":
        config["sliding_window"] = s.window
        del config["attention_bias"]
    return config


def write_safetensors(shape, folder, dtype):
    """Writes model.safetensors and config.json; `dtype` is float32 or bfloat16."""
    folder.mkdir(parents=True, exist_ok=True)
    header, blobs, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name, data in hf_weights(shape):
        if dtype == "bfloat16":
            bits = np.ascontiguousarray(data, "<f4").view("<u4")
            assert not (bits & 0xFFFF).any(), f"{name} is not exact in bfloat16"
            blob = (bits >> 16).astype("<u2").tobytes()
        else:
            blob = data.astype("<f4").tobytes()
        header[name] = {"dtype": "BF16" if dtype == "bfloat16" else "F32", "shape": list(data.shape),
                        "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.safetensors", "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for blob in blobs:
            out.write(blob)
    (folder / "config.json").write_text(json.dumps(hf_config(shape, dtype), indent=1) + "\n")


# ---------------------------------------------------------------- GGUF

NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.gate_up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(shape, name):
    """The GGUF name of a transformers tensor."""
    stem, kind = name.rsplit(".", 1)
    prefix = ""
    if stem.startswith("model.layers."):
        _, _, layer, stem = stem.split(".", 3)
        prefix = f"blk.{layer}."
    if shape.family == "gemma3" and stem == "post_attention_layernorm":
        return f"{prefix}post_attention_norm.{kind}"
    return f"{prefix}{NAMES[stem]}.{kind}"


def interleave(data, heads):
    """Reorders the rows of each head from halves to pairs, as llama files have them."""
    half = data.shape[0] // heads // 2
    return data.reshape(heads, 2, half, *data.shape[1:]).swapaxes(1, 2).reshape(data.shape)


def gguf_weights(shape):
    """Yields the tensors in the names and layout of GGUF.

    Rope factors come first, as in converted files: llama.cpp reads past their end where
    a head is rotated in part, which at the end of a mapped file is a crash.
    """
    if shape.llama3:
        yield "rope_freqs.weight", np.array(llama3_factors(shape), np.float32)
    if shape.original_context:
        short, long = long_factors(shape)
        yield "rope_factors_long.weight", np.array(long, np.float32)
        yield "rope_factors_short.weight", np.array(short, np.float32)
    for name, data in hf_weights(shape):
        if shape.family in ("llama", "mistral", "smollm3"):
            if "q_proj" in name:
                data = interleave(data, shape.heads)
            if "k_proj" in name:
                data = interleave(data, shape.kv_heads)
        if shape.family == "gemma3" and name.endswith("norm.weight"):
            data = data + np.float32(1)
        yield gguf_name(shape, name), data


def add_metadata(writer, shape):
    """Writes the keys that the conversion scripts of llama.cpp write."""
    s = shape
    # No name of a family: llama.cpp treats special tokens by the words it finds here.
    writer.add_name("lorewell parity, random weights")
    writer.add_context_length(s.context)
    writer.add_embedding_length(s.hidden)
    writer.add_block_count(s.layers)
    writer.add_feed_forward_length(s.ffn)
    writer.add_head_count(s.heads)
    writer.add_head_count_kv(s.kv_heads)
    writer.add_layer_norm_rms_eps(s.eps)
    writer.add_rope_freq_base(s.theta)
    writer.add_vocab_size(s.vocab)
    if s.family in ("llama", "mistral", "smollm3", "phi3"):
        writer.add_rope_dimension_count(s.rope_dims)
    if s.head_dim * s.heads != s.hidden or s.family in ("qwen3", "gemma3"):
        writer.add_key_length(s.head_dim)
        writer.add_value_length(s.head_dim)
    if s.window:
        writer.add_sliding_window(s.window)
    if s.linear:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(s.linear)
    if s.original_context:
        writer.add_rope_scaling_orig_ctx_len(s.original_context)
        writer.add_rope_scaling_attn_factors(attention_factor(s))


def add_story_tokenizer(writer, source, vocab):
    """Copies the tokenizer keys of another GGUF file, with its first `vocab` tokens."""
    for key, item in gguf.GGUFReader(source).fields.items():
        if not key.startswith("tokenizer."):
            continue
        kind = item.types[0]
        sub = item.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        value = item.contents() if sub is None else item.contents()[:vocab]
        writer.add_key_value(key, value, kind, sub_type=sub)


def byte_alphabet():
    """The printable characters that stand for the 256 bytes in byte-level BPE."""
    kept = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, spare = {}, 256
    for byte in range(256):
        if byte in kept:
            table[byte] = chr(byte)
        else:
            table[byte] = chr(spare)
            spare += 1
    return table


def made_up_merges(count):
    """Merges that grow every string of small letters and the space, short ones first."""
    letters = ["\u0120"] + [chr(c) for c in range(ord("a"), ord("z") + 1)]
    merges, level = [], letters
    while True:
        following = []
        for left in level:
            for right in letters:
                if len(merges) == count:
                    return merges
                merges.append((left, right))
                following.append(left + right)
        level = following


CHATML = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
          "+ '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}"
          "{{ '<|im_start|>assistant\n' }}{% endif %}")


def add_made_up_tokenizer(writer, shape):
    """Writes a byte-level BPE vocabulary of the right size that any tokenizer accepts."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    first = shape.bench == "smollm"
    # Qwen has 151,643 ordinary tokens, 22 special ones and padding to a round number.
    ordinary = shape.vocab - len(special) if first else 151643
    merges = made_up_merges(ordinary - 256)
    words = list(byte_alphabet().values()) + [left + right for left, right in merges]
    tokens = special + words if first else words + special
    kinds = [3] * 3 + [1] * len(words) if first else [1] * len(words) + [3] * 3
    while len(tokens) < shape.vocab:
        tokens.append(f"[PAD{len(tokens)}]")
        kinds.append(5)
    at = 0 if first else len(words)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(shape.bench)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([f"{left} {right}" for left, right in merges])
    writer.add_bos_token_id(at + (1 if first else 0))
    writer.add_eos_token_id(at + 2)
    writer.add_pad_token_id(at + (2 if first else 0))
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHATML)


FILE_TYPES = {"F32": 0, "F16": 1, "BF16": 32}


def write_gguf(shape, path, kind, tokenizer=None):
    """Writes an unquantised GGUF file; vectors stay F32 in every kind."""
    writer = gguf.GGUFWriter(path, shape.arch)
    add_metadata(writer, shape)
    writer.add_file_type(FILE_TYPES[kind])
    if shape.bench:
        add_made_up_tokenizer(writer, shape)
    else:
        add_story_tokenizer(writer, tokenizer, shape.vocab)
    for name, data in gguf_weights(shape):
        if data.ndim == 1 or kind == "F32":
            writer.add_tensor(name, np.ascontiguousarray(data, np.float32))
        elif kind == "F16":
            writer.add_tensor(name, np.ascontiguousarray(data.astype(np.float16)))
        else:
            bits = (np.ascontiguousarray(data).view(np.uint32) >> 16).astype("<u2")
            writer.add_tensor(name, bits.view(np.uint8), raw_shape=bits.view(np.uint8).shape,
                              raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# ---------------------------------------------------------------- quantisation

QUANTISATIONS = {"Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_S": 11,
                 "Q3_K_M": 12, "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18}
# Every tensor in one type, where the named mixtures would take several.
PURE = {"Q2_K": "Q2_K", "Q3_K": "Q3_K_S", "Q4_K": "Q4_K_S", "Q5_K": "Q5_K_S", "Q6_K": "Q6_K"}


def quantise(source, target, kind, pure=False, threads=2):
    """Quantises a GGUF file with llama.cpp."""
    import llama_cpp
    quiet(llama_cpp)
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = QUANTISATIONS[kind]
    params.nthread = threads
    params.pure = pure
    code = llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params))
    if code != 0:
        raise RuntimeError(f"quantising `{source}` to {kind} gave {code}")


def quiet(llama_cpp):
    """Keeps llama.cpp from writing its log; the callback must outlive the call."""
    if not hasattr(quiet, "callback"):
        quiet.callback = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(quiet.callback, None)


def tensor_types(path):
    """How many tensors a GGUF file has of each type."""
    counts = {}
    for tensor in gguf.GGUFReader(path).tensors:
        counts[tensor.tensor_type.name] = counts.get(tensor.tensor_type.name, 0) + 1
    return dict(sorted(counts.items()))


def mix(parts, target, arch):
    """Writes a GGUF file that takes its matrices from the given files in turn."""
    readers = [gguf.GGUFReader(part) for part in parts]
    writer = gguf.GGUFWriter(target, arch)
    for key, item in readers[0].fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        writer.add_key_value(key, item.contents(), item.types[0], item.types[-1] if len(item.types) > 1 else None)
    turn = 0
    for place, tensor in enumerate(readers[0].tensors):
        if tensor.tensor_type != gguf.GGMLQuantizationType.F32:
            tensor = readers[turn % len(readers)].tensors[place]
            turn += 1
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


LEGACY = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"]


def make_quantised(shape, out):
    """Makes the quantised files of one model from its F32 file."""
    base = out / f"{shape.name}-F32.gguf"

    def path(kind):
        return out / f"{shape.name}-{kind}.gguf"

    for kind in LEGACY:
        quantise(base, path(kind), kind, pure=True)
    mix([path(kind) for kind in LEGACY], path("mixed"), shape.arch)
    if shape.hidden % 256 == 0:
        for kind, mixture in PURE.items():
            quantise(base, path(kind), mixture, pure=True)
        for kind in ["Q3_K_M", "Q4_K_M", "Q5_K_M"]:
            quantise(base, path(kind), kind)
        mix([path(kind) for kind in PURE], path("K-mixed"), shape.arch)


def make_judged(size, out, tokenizer, only):
    """Makes every judged model of a size, in every type that it takes."""
    for shape in judged(size):
        if only and shape.name not in only:
            continue
        write_safetensors(shape, out / "hf" / f"{shape.name}-bf16", "bfloat16")
        write_safetensors(shape, out / "hf" / f"{shape.name}-f32", "float32")
        for kind in FILE_TYPES:
            write_gguf(shape, out / f"{shape.name}-{kind}.gguf", kind, tokenizer)
        make_quantised(shape, out)
        print(shape.name, "done", flush=True)


def make_bench(out, only):
    """Makes the models with real shapes, in the two types that people run most."""
    for shape in BENCH:
        if only and shape.name not in only:
            continue
        base = out / f"{shape.name}-F16.gguf"
        write_gguf(shape, base, "F16")
        for kind in ["Q4_K_M", "Q8_0"]:
            path = out / f"{shape.name}-{kind}.gguf"
            quantise(base, path, kind)
            print(path.name, path.stat().st_size, json.dumps(tensor_types(path)), flush=True)
        base.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=["nano", "tiny", "bench"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--tokenizer", type=Path, help="a GGUF file whose tokenizer of 512 tokens is copied")
    parser.add_argument("--only", nargs="*", default=[], help="names of shapes")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.size == "bench":
        make_bench(args.out, args.only)
    else:
        make_judged(args.size, args.out, args.tokenizer, args.only)


if __name__ == "__main__":
    main()
