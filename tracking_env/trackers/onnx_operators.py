"""What the graph of a policy may contain: operators whose work is known before they run, and numbers of its own file.

A ``policy.onnx`` may be a stranger's. onnxruntime runs no code from it, but operators with a graph of their own
(`Loop`, `Scan`, `If`) can run for ever, and numbers may lie in other files. A network of one frame needs neither.

Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3.
"""

from collections.abc import Iterator

from tracking_env.errors import InputError
from tracking_env.features.protobuf import Message

_NUMBER_BY_NUMBER = """
Abs Add And Cast Ceil Clip Div Equal Erf Exp Floor Greater GreaterOrEqual Identity Less LessOrEqual Log Max Mean Min Mod
Mul Neg Not Or Pow Reciprocal Round Sign Sqrt Sub Sum Where
"""
_ACTIVATIONS = """
Celu Elu Gelu HardSigmoid HardSwish LeakyRelu LogSoftmax Mish PRelu Relu Selu Sigmoid Softmax Softplus Softsign Tanh
"""
_LAYERS = """
AveragePool BatchNormalization Conv ConvTranspose Dropout Gemm GlobalAveragePool GlobalMaxPool GridSample GRU
GroupNormalization InstanceNormalization LayerNormalization LpNormalization LSTM MatMul MaxPool RNN
"""
_OVER_AXES = """
ArgMax ArgMin ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
"""
_PARTS = """
Concat Constant Expand Flatten Gather GatherElements Pad Reshape Shape Slice Split Squeeze Transpose Unsqueeze
"""
ALLOWED = frozenset((_NUMBER_BY_NUMBER + _ACTIVATIONS + _LAYERS + _OVER_AXES + _PARTS).split())
"""Names of the allowed operators, all of ONNX's own domain."""
_GRAPH, _FUNCTIONS = 7, 25  # of a model
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15  # of a graph
_OPERATOR, _ATTRIBUTE, _DOMAIN = 4, 5, 7  # of a node
_TENSOR, _SUBGRAPH, _TENSORS, _SUBGRAPHS = 5, 6, 10, 11  # of an attribute
_EXTERNAL, _LOCATION = 13, 14  # of a tensor


def check_operators(content: bytes) -> None:
    """See that a network consists of `ALLOWED` operators, and of nothing that is defined elsewhere.

    Args:
        content: of the ``.onnx`` file.

    Raises:
        InputError: it does not, or it is no ONNX file.
    """
    try:
        model = Message.read(memoryview(content))
        if model.contents(_FUNCTIONS):
            raise InputError("it is no policy: it defines operators of its own")
        # Protocol Buffers joins all values of one field, so every one of them counts, not the last alone.
        for graph in model.messages(_GRAPH):
            for node in graph.messages(_NODE):
                _check_node(node)
            if graph.contents(_SPARSE):
                raise InputError("it is no policy: it holds sparse numbers")
            _check_tensors(graph.messages(_INITIALIZER))
    except InputError:
        raise
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise InputError(f"it is no ONNX file: {error}") from None


def _check_node(node: Message) -> None:
    operators, domains = node.texts(_OPERATOR), node.texts(_DOMAIN)
    foreign = [domain for domain in domains if domain not in ("", "ai.onnx")]
    refused = [operator for operator in operators if operator not in ALLOWED]
    if foreign or refused:
        name = ascii((refused or operators or [""])[0])[:60]
        where = f" of {ascii(foreign[0])[:60]}" if foreign else ""
        raise InputError(f"it is no policy: it has the operator {name}{where}, which no network of one frame needs")
    for attribute in node.messages(_ATTRIBUTE):
        if attribute.contents(_SUBGRAPH) or attribute.contents(_SUBGRAPHS):
            raise InputError(f"it is no policy: its operator {operators[-1]} holds a graph of its own")
        _check_tensors(_tensors(attribute))


def _tensors(attribute: Message) -> Iterator[Message]:
    yield from attribute.messages(_TENSOR)
    yield from attribute.messages(_TENSORS)


def _check_tensors(tensors: Iterator[Message] | list[Message]) -> None:
    for tensor in tensors:
        if tensor.contents(_EXTERNAL) or any(tensor.integers(_LOCATION)):
            raise InputError("it is no policy: some of its numbers lie in another file")
