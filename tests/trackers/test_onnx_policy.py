import numpy as np
import pytest

from tracking_env.errors import InputError
from tracking_env.trackers.onnx_policy import OnnxPolicy

onnx = pytest.importorskip("onnx")


def graph(nodes, inputs, outputs):
    """The content of a file of these nodes; inputs and outputs are shapes by name."""
    helper = onnx.helper
    values = [
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()]
        for shapes in (inputs, outputs)
    ]
    model = helper.make_model(
        helper.make_graph([helper.make_node(*node) for node in nodes], "policy", *values),
        opset_imports=[helper.make_opsetid("", 18)],
    )
    model.ir_version = 9
    return model.SerializeToString()


def counter():
    """A network that returns its number of calls in this episode plus the location."""
    return graph(
        [("Add", ["count", "location"], ["box"]), ("Add", ["count", "one"], ["count_next"])],
        {"location": [1, 4], "count": [1, 4], "one": [1, 1]},
        {"box": [1, 4], "count_next": [1, 4]},
    )


OBSERVATION = {"location": np.full(4, 0.5, np.float32), "one": np.ones(1, np.float32), "unused": np.zeros(3)}


def test_the_state_starts_at_zero_and_is_passed_from_frame_to_frame():
    policy = OnnxPolicy(counter())
    assert policy.observation == {"location": (4,), "one": (1,)}
    for _ in range(2):
        state = None
        for count in range(3):
            box, state = policy.act(OBSERVATION, state)
            assert box.tolist() == [count + 0.5] * 4


def test_fresh_is_1_only_in_the_first_frame():
    policy = OnnxPolicy(
        graph([("Add", ["location", "fresh"], ["box"])], {"location": [1, 4], "fresh": [1, 1]}, {"box": [1, 4]})
    )
    first, state = policy.act(OBSERVATION)
    later, _ = policy.act(OBSERVATION, state)
    assert first.tolist() == [1.5] * 4 and later.tolist() == [0.5] * 4


def test_a_policy_without_spread_returns_none_as_spread():
    assert OnnxPolicy(counter()).predict(OBSERVATION)[0].spread is None


def test_later_frames_do_not_change_an_earlier_state():
    policy = OnnxPolicy(counter())
    _, first = policy.act(OBSERVATION)
    policy.act(OBSERVATION, policy.act(OBSERVATION, first)[1])
    assert policy.act(OBSERVATION, first)[0].tolist() == [1.5] * 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: b"no network", "onnxruntime cannot read it"),
        (lambda: graph([("Neg", ["a"], ["b"])], {"a": [1, 4]}, {"b": [1, 4]}), "it is no policy: its inputs are"),
        (lambda: graph([("Neg", ["a"], ["box"])], {"a": ["N", 4]}, {"box": ["N", 4]}), "it is no policy: its inputs"),
        (lambda: graph([("Neg", ["a"], ["box"])], {"a": [1, 5]}, {"box": [1, 5]}), r"its box has the shape \(1, 5\)"),
    ],
    ids=["damaged", "no box", "free size", "another box"],
)
def test_a_file_without_a_policy_is_refused_in_one_line(content, message):
    with pytest.raises(InputError, match=message) as caught:
        OnnxPolicy(content())
    assert "\n" not in str(caught.value)


def test_an_observation_of_another_environment_is_refused():
    with pytest.raises(InputError, match="does not run"):
        OnnxPolicy(counter()).act({"location": np.zeros(5, np.float32), "one": np.ones(1, np.float32)})
