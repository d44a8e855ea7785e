"""CoreML networks as ONNX networks: the layers that small trackers are made of, with weights of half precision.

A CoreML file of the kind ``neuralNetwork`` is a list of layers, like an ONNX graph. Batch axes become free. The mean
that CoreML subtracts from images is not part of the layers: the caller subtracts it.

Field numbers are those of https://github.com/apple/coremltools/tree/main/mlmodel/format (Model.proto,
FeatureTypes.proto, NeuralNetwork.proto) and https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3.
"""

from collections.abc import Callable

import numpy as np

from tracking_env.features.protobuf import Message

OPSET, IR_VERSION = 13, 8
FLOAT, INT64 = 1, 7  # element types of ONNX
CONVOLUTION, ACTIVATION, UNARY, ADD, SCALE, CONCAT = 100, 130, 220, 230, 245, 320  # layers of CoreML
TRANSPOSE, BATCHED_PRODUCT, RESHAPE = 985, 1045, 1140
RELU, VALID, EXP = 10, 50, 4
PACKED_FLOATS, HALF_FLOATS = 1, 2  # of weights


def to_onnx(model: bytes) -> bytes:
    """Convert a network.

    Args:
        model: content of an ``.mlmodel`` file.

    Returns:
        Content of an ``.onnx`` file with the same names of inputs and outputs, all float32. Images are ``(batch, 3,
        rows, columns)``.

    Raises:
        ValueError: it is no CoreML network, is damaged, or has a layer that is not known here.
    """
    message = Message.read(model)
    description, layers = message.message(2), message.message(500).messages(1)
    if not layers:
        raise ValueError("it holds no CoreML network")
    graph = _Graph()
    for layer in layers:
        kind = next((number for number in layer if number in _CONVERTERS), None)
        if kind is None:
            raise ValueError(f"the layer {' '.join(layer.texts(1))} is of an unknown kind")
        _CONVERTERS[kind](graph, layer.message(kind), layer.texts(2), layer.texts(3))
    for feature in description.messages(1):
        graph.add_value(11, feature, _input_shape(feature.message(3)))
    for feature in description.messages(10):
        graph.add_value(12, feature, [0, 0, 0, 0])  # maps: channels, rows and columns follow from the layers
    # ONNX requires every graph to have a name.
    graph.message.add(2, "graph")
    # The empty domain is that of ONNX's own operators.
    opset = Message().add(1, "").add(2, OPSET)
    return Message().add(1, IR_VERSION).add(7, graph.message).add(8, opset).write()


class _Graph:
    """An ONNX graph under construction."""

    def __init__(self) -> None:
        self.message = Message()

    def add_node(self, operator: str, inputs: list[str], outputs: list[str], **attributes: int | list[int]) -> None:
        """Append a node; an attribute is an integer or a list of integers."""
        node = Message().add(1, *inputs).add(2, *outputs).add(4, operator)
        # Field 20 is the attribute's type: 2 for an integer, 7 for a list of them.
        for name, value in attributes.items():
            attribute = Message().add(1, name)
            if isinstance(value, int):
                attribute.add(3, value).add(20, 2)
            else:
                attribute.add(8, *value).add(20, 7)
            node.add(5, attribute)
        self.message.add(1, node)

    def add_tensor(self, name: str, values: np.ndarray) -> str:
        """Append a constant of float32 or int64; returns its name."""
        kind = FLOAT if values.dtype == np.float32 else INT64
        raw = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
        self.message.add(5, Message().add(1, *values.shape).add(2, kind).add(8, name).add(9, raw))
        return name

    def add_value(self, number: int, feature: Message, shape: list[int]) -> None:
        """Append an input (11) or an output (12), its first dimension free; a size of 0 is unknown."""
        sizes = [Message().add(1, size) if size else Message() for size in shape[1:]]
        tensor = Message().add(1, FLOAT).add(2, Message().add(1, Message().add(2, "batch"), *sizes))
        self.message.add(number, Message().add(1, feature.content(1)).add(2, Message().add(1, tensor)))


def _input_shape(kind: Message) -> list[int]:
    """An image's shape, or an array's."""
    if image := kind.contents(4):
        size = Message.read(image[-1])
        # CoreML has the width first.
        return [1, 3, size.integer(2), size.integer(1)]
    return kind.message(5).integers(1)


def _weights(message: Message, shape: tuple[int, ...]) -> np.ndarray:
    half = message.content(HALF_FLOATS)
    values = np.frombuffer(half, "<f2") if half else np.frombuffer(message.content(PACKED_FLOATS), "<f4")
    return values.astype(np.float32).reshape(shape)


def _convolution(graph: _Graph, layer: Message, inputs: list[str], outputs: list[str]) -> None:
    channels, kernel = layer.integer(1), layer.integers(20)
    if not layer.contents(VALID) or layer.integer(60):
        raise ValueError(f"the convolution {outputs[0]} is transposed or of an unknown padding")
    borders = layer.message(VALID).message(1).messages(10)
    weights = _weights(layer.message(90), (channels, layer.integer(2), *kernel))
    operands = [*inputs, graph.add_tensor(f"{outputs[0]} weights", weights)]
    if layer.integer(70):
        operands.append(graph.add_tensor(f"{outputs[0]} bias", _weights(layer.message(91), (channels,))))
    # CoreML stores (top, bottom), (left, right); ONNX wants the beginnings first.
    pads = [border.integer(1) for border in borders] + [border.integer(2) for border in borders]
    graph.add_node(
        "Conv",
        operands,
        outputs,
        kernel_shape=kernel,
        strides=layer.integers(30),
        dilations=layer.integers(40),
        group=layer.integer(10, 1),
        pads=pads or [0, 0, 0, 0],
    )


def _activation(graph: _Graph, layer: Message, inputs: list[str], outputs: list[str]) -> None:
    if RELU not in layer:
        raise ValueError(f"the activation {outputs[0]} is not a ReLU")
    graph.add_node("Relu", inputs, outputs)


def _unary(graph: _Graph, layer: Message, inputs: list[str], outputs: list[str]) -> None:
    if layer.integer(1) != EXP:
        raise ValueError(f"the function {outputs[0]} is not exp")
    graph.add_node("Exp", inputs, outputs)


def _scale(graph: _Graph, layer: Message, inputs: list[str], outputs: list[str]) -> None:
    if layer.integer(3):
        raise ValueError(f"the scaling {outputs[0]} has a bias")
    factors = _weights(layer.message(2), tuple(layer.integers(1)))
    graph.add_node("Mul", [*inputs, graph.add_tensor(f"{outputs[0]} factors", factors)], outputs)


def _reshape(graph: _Graph, layer: Message, inputs: list[str], outputs: list[str]) -> None:
    # 0 stands for the input's own size: the batch stays free.
    shape = np.array([0, *layer.integers(1)[1:]], np.int64)
    graph.add_node("Reshape", [*inputs, graph.add_tensor(f"{outputs[0]} shape", shape)], outputs)


_CONVERTERS: dict[int, Callable[[_Graph, Message, list[str], list[str]], None]] = {
    CONVOLUTION: _convolution,
    ACTIVATION: _activation,
    UNARY: _unary,
    ADD: lambda graph, layer, inputs, outputs: graph.add_node("Add", inputs, outputs),
    SCALE: _scale,
    CONCAT: lambda graph, layer, inputs, outputs: graph.add_node("Concat", inputs, outputs, axis=1),
    TRANSPOSE: lambda graph, layer, inputs, outputs: graph.add_node(
        "Transpose", inputs, outputs, perm=layer.integers(1)
    ),
    BATCHED_PRODUCT: lambda graph, layer, inputs, outputs: graph.add_node("MatMul", inputs, outputs),
    RESHAPE: _reshape,
}
