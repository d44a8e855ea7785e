"""An ONNX network that states fixed input sizes, opened to inputs of any batch and size.

Exporters write the sizes of their example input into the file, and onnxruntime takes no others. The layers themselves
often do. This edits the graph in memory: the file stays as it was published.

Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3.
"""

from collections.abc import Callable

import numpy as np

from tracking_env.features.protobuf import Content, Message

GRAPH = 7
NODE, INITIALIZER, INPUT, OUTPUT, VALUE_INFO = 1, 5, 11, 12, 13  # of a graph
NODE_INPUT, OPERATOR = 1, 4  # of a node
NAME, TYPE = 1, 2  # of an input or output
TENSOR_TYPE, SHAPE, DIMENSION, DIMENSION_NAME = 1, 2, 1, 2  # of a type
TENSOR_NAME, INTEGERS, RAW = 8, 7, 9  # of an initializer


def free_sizes(model: bytes, names: tuple[str, ...] = ("batch",)) -> bytes:
    """The same network for other input sizes.

    A `Reshape` to a fixed shape ``(1, ...)`` gets ``(0, ...)``, which in ONNX means "as many as the input has".

    Args:
        model: content of an ``.onnx`` file.
        names: of the first dimensions of each input; dimensions of one name are equal. ``("batch",)`` leaves images
            their fixed size.

    Raises:
        ValueError: it is no ONNX file, or a damaged one.
    """
    message = Message.read(model)
    graph = message.message(GRAPH)
    if not graph.contents(NODE) or not graph.contents(INPUT):
        raise ValueError("it holds no graph")
    shapes = set()
    for node in graph.messages(NODE):
        if node.texts(OPERATOR) == ["Reshape"]:
            # The second input is the shape, most often a constant of the graph.
            shapes.update(node.texts(NODE_INPUT)[1:])
    graph.replace(INITIALIZER, [_free_shape(tensor, shapes) for tensor in graph.contents(INITIALIZER)])
    graph.replace(INPUT, [_name_dimensions(value, names) for value in graph.messages(INPUT)])
    # The sizes of outputs and of values in between follow from the inputs: onnxruntime works them out.
    graph.pop(VALUE_INFO, None)
    graph.replace(OUTPUT, [_with_unknown_sizes(value) for value in graph.messages(OUTPUT)])
    message.replace(GRAPH, [graph])
    return message.write()


def _free_shape(content: Content, shapes: set[str]) -> Content:
    tensor = Message.read(content)
    if not shapes.intersection(tensor.texts(TENSOR_NAME)):
        return content
    raw = tensor.content(RAW)
    shape = np.frombuffer(raw, "<i8").tolist() if raw else tensor.integers(INTEGERS)
    if len(shape) < 2 or shape[0] != 1:
        return content
    # A constant has its numbers in one of two fields.
    tensor.pop(INTEGERS, None)
    tensor.replace(RAW, [np.array([0, *shape[1:]], "<i8").tobytes()])
    return tensor.write()


def _name_dimensions(value: Message, names: tuple[str, ...]) -> Message:
    """An input with names in place of its first sizes."""
    return _with_dimensions(
        value, lambda sizes: [*(Message().add(DIMENSION_NAME, name) for name in names), *sizes[len(names) :]]
    )


def _with_unknown_sizes(value: Message) -> Message:
    return _with_dimensions(value, lambda sizes: [Message() for _ in sizes])


def _with_dimensions(value: Message, change: Callable[[list[Message]], list[Message]]) -> Message:
    """An input or output whose dimensions are changed."""
    kind = value.message(TYPE)
    tensor = kind.message(TENSOR_TYPE)
    shape = tensor.message(SHAPE)
    shape.replace(DIMENSION, change(shape.messages(DIMENSION)))
    tensor.replace(SHAPE, [shape])
    kind.replace(TENSOR_TYPE, [tensor])
    value.replace(TYPE, [kind])
    return value
