import numpy as np
import pytest

from tracking_env.features.coreml import to_onnx
from tracking_env.features.onnx_inference import by_onnxruntime
from tracking_env.features.protobuf import Message

RANDOM = np.random.default_rng(0)


def layer(kind, parameters, name, *inputs):
    return Message().add(1, name).add(2, *inputs).add(3, name).add(kind, parameters)


def half(*values):
    return Message().add(2, np.array(values, "<f2").tobytes())


def model(*layers):
    """A CoreML network from an image of 2 x 2 pixels and an array to the result of the last layer."""
    image = Message().add(1, "image").add(3, Message().add(4, Message().add(1, 2).add(2, 2)))
    array = Message().add(1, "array").add(3, Message().add(5, Message().add(1, 1, 3, 2, 2)))
    description = Message().add(1, image, array).add(10, Message().add(1, layers[-1].texts(3)[0]))
    return Message().add(1, 4).add(2, description).add(500, Message().add(1, *layers)).write()


IMAGE, ARRAY = (RANDOM.normal(size=(1, 3, 2, 2)).astype(np.float32) for _ in range(2))


def result(*layers):
    return by_onnxruntime(to_onnx(model(*layers)), ("image", "array"))(IMAGE, ARRAY)[0]


def test_sums_scales_and_rectifiers_are_converted():
    scaled = layer(245, Message().add(1, 3, 1, 1).add(2, half(1, 2, -1)), "scaled", "image")
    added = layer(230, Message(), "sum", "scaled", "array")
    cut = layer(130, Message().add(10, Message()), "cut", "sum")
    factors = np.array([1, 2, -1], np.float32).reshape(3, 1, 1)
    np.testing.assert_allclose(result(scaled, added, cut), np.maximum(IMAGE * factors + ARRAY, 0), rtol=1e-6)


def test_a_convolution_with_padding_stride_and_bias_is_converted():
    border = Message().add(10, Message().add(1, 1).add(2, 0), Message().add(1, 0).add(2, 1))
    parameters = Message().add(1, 1).add(2, 3).add(10, 1).add(20, 2, 2).add(30, 1, 1).add(40, 1, 1)
    parameters.add(50, Message().add(1, border)).add(70, 1).add(90, half(*[1] * 12)).add(91, half(0.5))
    both = layer(230, Message(), "both", "image", "array")
    padded = np.pad((IMAGE + ARRAY).sum(axis=1)[0], ((1, 0), (0, 1)))
    sums = padded[:-1, :-1] + padded[1:, :-1] + padded[:-1, 1:] + padded[1:, 1:]
    np.testing.assert_allclose(result(both, layer(100, parameters, "c", "both"))[0, 0], sums + 0.5, rtol=1e-5)


def test_products_of_reshaped_maps_are_converted():
    first = layer(1140, Message().add(1, 1, 3, -1), "first", "image")
    second = layer(1140, Message().add(1, 1, 3, -1), "second", "array")
    turned = layer(985, Message().add(1, 0, 2, 1), "turned", "first")
    product = layer(1045, Message(), "product", "turned", "second")
    shaped = layer(1140, Message().add(1, 1, -1, 2, 2), "shaped", "product")
    joined = layer(320, Message(), "joined", "shaped", "image")
    grown = layer(220, Message().add(1, 4), "grown", "joined")
    a, b = (array.reshape(3, 4) for array in (IMAGE, ARRAY))
    expected = np.exp(np.concatenate([(a.T @ b).reshape(1, 4, 2, 2), IMAGE], axis=1))
    np.testing.assert_allclose(result(first, second, turned, product, shaped, joined, grown), expected, rtol=1e-5)


def test_the_batch_size_is_variable():
    network = by_onnxruntime(to_onnx(model(layer(230, Message(), "sum", "image", "array"))), ("image", "array"))
    (batch,) = network(np.concatenate([IMAGE, ARRAY]), np.concatenate([ARRAY, ARRAY]))
    np.testing.assert_array_equal(batch, np.concatenate([IMAGE + ARRAY, ARRAY + ARRAY]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no CoreML network"),
        (b"\x08\x04", "holds no CoreML network"),
        (b"no model", "wire type"),
        (model(layer(555, Message(), "odd", "image")), "the layer odd is of an unknown kind"),
        (model(layer(130, Message().add(40, Message()), "s", "image")), "the activation s is not a ReLU"),
        (model(layer(220, Message().add(1, 5), "log", "image")), "the function log is not exp"),
        (model(layer(245, Message().add(1, 3, 1, 1).add(3, 1), "s", "image")), "the scaling s has a bias"),
        (model(layer(100, Message().add(60, 1), "c", "image")), "the convolution c is transposed or"),
        (model(layer(245, Message().add(1, 3, 1, 1).add(2, half(1)), "s", "image")), "cannot reshape"),
    ],
)
def test_unknown_layers_are_refused(content, message):
    with pytest.raises(ValueError, match=message):
        to_onnx(content)


@pytest.mark.otb
@pytest.mark.parametrize(("part", "outputs"), [("init", ("features",)), ("tracker", ("cls", "bbox"))])
def test_the_converted_fear_network_equals_that_of_another_converter(expert_files, part, outputs):
    reference = expert_files / f"fear_xs_{part}.onnx"
    if not reference.exists():
        pytest.skip(f"no {reference}")
    inputs = [RANDOM.normal(scale=60, size=(1, 3, 128, 128))]
    if part == "tracker":
        inputs = [RANDOM.normal(scale=60, size=(1, 3, 256, 256)), RANDOM.normal(size=(1, 256, 8, 8))]
    arrays = [array.astype(np.float32) for array in inputs]
    names = ("image", "template_features")[: len(arrays)]
    converted = to_onnx((expert_files / f"fear_xs_{part}.mlmodel").read_bytes())
    pairs = zip(
        by_onnxruntime(converted, names, outputs)(*arrays),
        by_onnxruntime(reference, names, outputs)(*arrays),
        strict=True,
    )
    for mine, theirs in pairs:
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)
