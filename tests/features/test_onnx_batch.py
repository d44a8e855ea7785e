import numpy as np
import pytest

from tracking_env.features.onnx_batch import free_sizes
from tracking_env.features.onnx_inference import by_onnxruntime

onnx = pytest.importorskip("onnx")
TensorProto, helper, numpy_helper = onnx.TensorProto, onnx.helper, onnx.numpy_helper


def network(shape=(1, 2, 4, 4)):
    """A network that doubles the mean over rows and columns, with the sizes of its example as constants."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["picture"], ["mean"]),
        helper.make_node("Reshape", ["mean", "shape"], ["row"]),
        helper.make_node("Add", ["row", "row"], ["twice"]),
    ]
    shapes = [numpy_helper.from_array(np.array([1, 2], np.int64), "shape")]
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)
    twice = helper.make_tensor_value_info("twice", TensorProto.FLOAT, (1, 2))
    between = helper.make_tensor_value_info("row", TensorProto.FLOAT, (1, 2))
    graph = helper.make_graph(nodes, "g", [picture], [twice], shapes, value_info=[between])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def test_a_network_for_one_picture_accepts_a_batch():
    pictures = np.arange(3 * 2 * 16, dtype=np.float32).reshape(3, 2, 4, 4)
    fixed, free = by_onnxruntime(network()), by_onnxruntime(free_sizes(network()))
    (batch,) = free(pictures)
    single = np.concatenate([fixed(picture[None])[0] for picture in pictures])
    np.testing.assert_array_equal(batch, single)
    with pytest.raises(ValueError):
        fixed(pictures)
    with pytest.raises(ValueError):  # only the batch size is variable
        free(pictures[:, :, :3])


def test_other_dimensions_can_be_variable():
    free = by_onnxruntime(free_sizes(network(), ("batch", "channels", "rows", "columns")))
    assert free(np.ones((2, 2, 7, 3), np.float32))[0].tolist() == [[2, 2], [2, 2]]


def test_the_result_is_a_valid_network():
    model = onnx.load_from_string(free_sizes(network()))
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert model.graph.input[0].type.tensor_type.shape.dim[1].dim_value == 2


@pytest.mark.parametrize("content", [b"", b"no network", network()[:-9], network()[: len(network()) // 2]])
def test_a_file_that_contains_no_network_is_refused(content):
    with pytest.raises(ValueError):
        free_sizes(content)
