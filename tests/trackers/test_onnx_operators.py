import numpy as np
import pytest

from tracking_env.errors import InputError
from tracking_env.features import protobuf
from tracking_env.trackers.checkpoint import PRETRAINED
from tracking_env.trackers.onnx_operators import check_operators

pytest.importorskip("onnx")
from onnx import TensorProto, helper

from tests.helpers.graphs import model

SHAPES = {"a": [1, 4]}, {"box": [1, 4]}
BODY = helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "body", [], [])


def network(*nodes):
    return model(nodes or [("Neg", ["a"], ["box"])], *SHAPES, {"ones": np.ones((1, 4), np.float32)})


def other_file(tensor):
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "policy.onnx"
    return tensor


def with_function():
    ours = network()
    ours.functions.append(helper.make_function("", "Neg", ["x"], ["y"], [], [helper.make_opsetid("", 18)]))
    return ours


def with_other_numbers():
    ours = network()
    other_file(ours.graph.initializer[0])
    return ours


def with_other_constant():
    ours = network(helper.make_node("Constant", [], ["box"], value=helper.make_tensor("v", 1, [1, 4], [0.5] * 4)))
    other_file(ours.graph.node[0].attribute[0].t)
    return ours


def with_sparse_numbers():
    ours = network()
    ours.graph.sparse_initializer.add().dims.append(4)
    return ours


@pytest.mark.parametrize("name", ["cells", "experts"])
def test_the_shipped_policies_pass(name):
    check_operators((PRETRAINED / name / "policy.onnx").read_bytes())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (network(helper.make_node("Loop", ["", "", "a"], ["box"], body=BODY)), "the operator 'Loop'"),
        (network(helper.make_node("Scan", ["a"], ["box"], body=BODY)), "the operator 'Scan'"),
        (network(helper.make_node("If", ["a"], ["box"], then_branch=BODY, else_branch=BODY)), "the operator 'If'"),
        (network(helper.make_node("Neg", ["a"], ["box"], body=BODY)), "its operator Neg holds a graph of its own"),
        (network(helper.make_node("Neg", ["a"], ["box"], bodies=[BODY])), "its operator Neg holds a graph of its own"),
        (network(helper.make_node("ConstantOfShape", ["a"], ["box"])), "the operator 'ConstantOfShape'"),
        (network(helper.make_node("Neg", ["a"], ["box"], domain="evil")), "the operator 'Neg' of 'evil'"),
        (network(helper.make_node("Ne\x1b[31m\ng", ["a"], ["box"])), r"the operator 'Ne\\x1b\[31m\\ng'"),
        (with_function(), "it defines operators of its own"),
        (with_other_numbers(), "some of its numbers lie in another file"),
        (with_other_constant(), "some of its numbers lie in another file"),
        (with_sparse_numbers(), "it holds sparse numbers"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_a_network_that_could_run_for_ever_or_read_other_files_is_refused(content, message):
    with pytest.raises(InputError, match=message):
        check_operators(content.SerializeToString())


def test_a_second_graph_of_one_file_is_checked_too():
    good, bad = network().SerializeToString(), network(("Loop", ["a"], ["box"])).SerializeToString()
    for content in (good + bad, bad + good):  # Protocol Buffers joins the two
        with pytest.raises(InputError, match="the operator 'Loop'"):
            check_operators(content)


def test_the_last_of_several_names_of_an_operator_does_not_hide_the_others():
    content = network(("Loop", ["a"], ["box"])).graph.node[0].SerializeToString()
    node = protobuf.Message.read(content).add(4, "Neg")
    graph = protobuf.Message().add(1, node)
    with pytest.raises(InputError, match="the operator 'Loop'"):
        check_operators(protobuf.Message().add(7, graph).write())


@pytest.mark.parametrize(
    "content", [b"\x0a\xff", b"\xba\x80\x80\x80\x80\x01\x00", b"\x38\x01" * (1 << 20) + b"\x38\x01"]
)
def test_other_and_damaged_files_are_refused(content):
    with pytest.raises(InputError, match="it is no ONNX file"):
        check_operators(content)
