import numpy as np
import pytest

from tracking_env.errors import InputError
from tracking_env.features import onnx_inference
from tracking_env.trackers import onnx_policy
from tracking_env.trackers.onnx_policy import OnnxPolicy

pytest.importorskip("onnx")
from onnx import TensorProto, helper

from tests.helpers.graphs import graph, model


def counter():
    """A network that returns its number of calls in this episode plus the location."""
    return graph(
        [("Add", ["count", "location"], ["box"]), ("Add", ["count", "one"], ["count_next"])],
        {"location": [1, 4], "count": [1, 4], "one": [1, 1]},
        {"box": [1, 4], "count_next": [1, 4]},
    )


def whole_numbers():
    network = model([("Cast", ["a"], ["box"])], {"a": [1, 4]}, {"box": [1, 4]})
    network.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    network.graph.node[0].attribute.append(helper.make_attribute("to", TensorProto.FLOAT))
    return network.SerializeToString()


def double_box():
    network = model([("Cast", ["a"], ["box"])], {"a": [1, 4]}, {"box": [1, 4]})
    network.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    network.graph.node[0].attribute.append(helper.make_attribute("to", TensorProto.DOUBLE))
    return network.SerializeToString()


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


NAN = {"bad": np.full((1, 4), np.nan, np.float32)}
INFINITE = {"bad": np.full((1, 4), np.inf, np.float32)}
BAD = ("Identity", ["bad"], ["box"])
HUGE = {"sizes": np.array([1 << 29, 1, 4])}
NEG = ("Neg", ["a"], ["box"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: b"no network", "it is no ONNX file: field 13 has the wire type 6"),
        (lambda: b"", "onnxruntime cannot read it"),
        (lambda: graph([("Neg", ["a"], ["b"])], {"a": [1, 4]}, {"b": [1, 4]}), "it is no policy: its inputs are"),
        (lambda: graph([NEG], {"a": ["N", 4]}, {"box": ["N", 4]}), "it is no policy: its inputs"),
        (lambda: graph([NEG], {"a": [1, 5]}, {"box": [1, 5]}), r"its box has the shape \(1, 5\)"),
        (lambda: graph([BAD], {"a": [1, 4]}, {"box": [1, 4]}, NAN), "its box is not finite"),
        (lambda: graph([BAD], {"a": [1, 4]}, {"box": [1, 4]}, INFINITE), "its box is not finite"),
        (
            lambda: graph([NEG, ("Log", ["box"], ["spread"])], {"a": [1, 4]}, {"box": [1, 4], "spread": [1, 4]}),
            "its spread is not finite",
        ),
        (
            lambda: graph([NEG, ("Shape", ["a"], ["a_next"])], {"a": [1, 4]}, {"box": [1, 4], "a_next": [2]}),
            "onnxruntime cannot read it|does not run",
        ),
        (
            lambda: graph(
                [NEG, ("Concat", ["b", "b"], ["b_next"])], {"a": [1, 4], "b": [1]}, {"box": [1, 4], "b_next": None}
            ),
            "onnxruntime cannot read it|does not run",
        ),
        (lambda: graph([NEG], {"a": [1, 4], "b": [1 << 20, 1 << 20]}, {"box": [1, 4]}), "more than 16777216 numbers"),
        (whole_numbers, "it is no policy: its inputs are"),
        (double_box, "its box is no array of float32"),
        (
            lambda: graph(
                [("Expand", ["a", "sizes"], ["b"]), ("ReduceMax", ["b"], ["c"]), ("Mul", ["a", "c"], ["box"])],
                {"a": [1, 4]},
                {"box": [1, 4]},
                HUGE,
            ),
            "it does not run: .*while running Expand",
        ),
    ],
)
def test_a_file_without_a_policy_is_refused_in_one_line(content, message):
    with pytest.raises(InputError, match=message) as caught:
        OnnxPolicy(content())
    assert "\n" not in str(caught.value)


def test_a_file_that_is_too_large_is_refused_without_reading_it(tmp_path, monkeypatch):
    path = tmp_path / "policy.onnx"
    path.write_bytes(counter())
    OnnxPolicy(path)
    monkeypatch.setattr(onnx_policy, "MOST_BYTES", len(counter()) - 1)
    with pytest.raises(InputError, match=r"policy\.onnx is larger than"):
        OnnxPolicy(path)


def test_a_slow_policy_is_refused(monkeypatch):
    monkeypatch.setattr(onnx_policy, "LONGEST", 0.05)
    side = 1000
    steps = [("MatMul", ["ones" if step == 0 else f"m{step}", "ones"], [f"m{step + 1}"]) for step in range(400)]
    last = [("ReduceMin", ["m400"], ["least"]), ("Min", ["a", "least"], ["box"])]
    slow = graph([*steps, *last], {"a": [1, 4]}, {"box": [1, 4]}, {"ones": np.full((side, side), 1e-3, np.float32)})
    with pytest.raises(InputError, match="a frame takes longer than 0 seconds"):
        OnnxPolicy(slow)


def test_a_single_operator_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr(onnx_policy, "LONGEST", 0.05)
    monkeypatch.setattr(onnx_policy, "_OVERTIME", 0.1)
    pool = helper.make_node("AveragePool", ["image"], ["mean"], kernel_shape=[201, 201], pads=[100] * 4)
    last = [
        ("ReduceMin", ["mean"], ["least"]),
        ("Reshape", ["least", "shape"], ["one"]),
        ("Min", ["a", "one"], ["box"]),
    ]
    numbers = {"image": np.ones((1, 1, 400, 400), np.float32), "shape": np.array([1, 1])}
    with pytest.raises(InputError, match="a frame takes longer than 0 seconds"):
        OnnxPolicy(graph([pool, *last], {"a": [1, 4]}, {"box": [1, 4]}, numbers))


def test_nothing_of_a_policy_is_computed_before_its_operators_are_checked(monkeypatch):
    monkeypatch.setattr(onnx_inference, "open_session", lambda *_, **__: pytest.fail("onnxruntime reads it"))
    with pytest.raises(InputError, match="it has the operator 'RandomNormal'"):
        OnnxPolicy(graph([("RandomNormal", [], ["box"])], {"a": [1, 4]}, {"box": [1, 4]}))


def test_an_observation_of_another_environment_is_refused():
    with pytest.raises(InputError, match="does not run"):
        OnnxPolicy(counter()).act({"location": np.zeros(5, np.float32), "one": np.ones(1, np.float32)})
