"""Tiny ONNX networks that tests make for themselves."""

from pathlib import Path

import numpy as np
import pytest

FLOAT = 1  # TensorProto.FLOAT


def write_network(path: Path, nodes: list, inputs: dict, outputs: dict, weights: dict, kind: int = FLOAT) -> Path:
    """A network of ONNX operators.

    Args:
        path: of the file.
        nodes: (operator, names of inputs, name of output, attributes).
        inputs, outputs: name to shape, with a word for what may vary.
        weights: name to array.
        kind: type of the inputs.
    """
    onnx = pytest.importorskip("onnx")
    make = onnx.helper
    graph = make.make_graph(
        [make.make_node(kind, takes, [gives], **attributes) for kind, takes, gives, attributes in nodes],
        "tiny",
        [make.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [make.make_tensor_value_info(name, FLOAT, shape) for name, shape in outputs.items()],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def linear_faces(
    path: Path, channels: int, size: int, classes: int, batch: int | str = "batch", nhwc=False, softmax=False
):
    """Scores of a flattened picture by one matrix, which is given back."""
    random = np.random.default_rng(0)
    weight = random.normal(0, 0.02, (channels * size * size, classes)).astype(np.float32)
    shape = [batch, size, size, channels] if nhwc else [batch, channels, size, size]
    nodes = [("Flatten", ["face"], "flat", {"axis": 1}), ("MatMul", ["flat", "weight"], "scores", {})]
    nodes += [("Softmax", ["scores"], "shares", {"axis": 1})] if softmax else []
    last = "shares" if softmax else "scores"
    write_network(path, nodes, {"face": shape}, {last: [batch, classes]}, {"weight": weight})
    return weight
