"""Small ONNX files."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def model(nodes, inputs, outputs, constants=(), functions=()):
    """A network of these nodes.

    Args:
        nodes: arguments of `onnx.helper.make_node`, or nodes.
        inputs: shapes by name.
        outputs: shapes by name.
        constants: arrays by name.
        functions: operators that the file defines.
    """
    values = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
        for shapes in (inputs, outputs)
    ]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in dict(constants).items()]
    nodes = [node if isinstance(node, onnx.NodeProto) else helper.make_node(*node) for node in nodes]
    domains = {node.domain for node in nodes} | {""}
    network = helper.make_model(
        helper.make_graph(nodes, "policy", *values, tensors),
        opset_imports=[helper.make_opsetid(domain, 1 if domain else 18) for domain in sorted(domains)],
        functions=functions,
    )
    network.ir_version = 9
    return network


def graph(nodes, inputs, outputs, constants=()):
    """The content of a file of these nodes, see `model`."""
    return model(nodes, inputs, outputs, constants).SerializeToString()
