import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tracking_env.errors import InputError  # noqa: E402
from tracking_env.features import pretrained  # noqa: E402
from tracking_env.features.base import extract  # noqa: E402
from tracking_env.features.darknet import yolo_v1  # noqa: E402
from tracking_env.features.darknet.network import Darknet  # noqa: E402
from tracking_env.features.model_zoo import NETWORKS  # noqa: E402

V1 = tuple(yolo_v1.LAYOUTS)


@pytest.mark.parametrize("name", V1)
def test_the_layers_have_as_many_weights_as_the_published_file(name):
    network = Darknet(yolo_v1.make_sections(name), NETWORKS[name].taps)
    assert NETWORKS[name].files[0].size == 16 + 4 * network.needs  # the header of the older format: four int32


def test_the_byte_counts_equal_those_of_the_files():
    counts = {name: NETWORKS[name].files[0].size for name in V1}
    assert counts == {
        "yolov1": 1_086_814_216,
        "yolov1-small": 375_881_736,
        "yolov1-tiny": 180_357_512,
        "yolov1-2016": 789_312_988,
    }


@pytest.mark.parametrize("name", V1)
def test_building_a_network_allocates_no_memory_for_its_weights(name):
    network = Darknet(yolo_v1.make_sections(name), NETWORKS[name].taps)
    assert all(parameter.is_meta for parameter in network.parameters())


@pytest.mark.parametrize("name", ["yolov1", "yolov1-small", "yolov1-tiny"])
def test_the_features_are_the_leaky_layer_of_4096_before_the_last(name):
    layers = yolo_v1.make_sections(name)[1:]
    (tap,) = NETWORKS[name].taps
    assert layers[tap] == {"type": "connected", "output": "4096", "activation": "leaky"}
    assert tap == len(layers) - 2
    assert NETWORKS[name].dim == 4096 and NETWORKS[name].pixels.side == 448


@pytest.mark.parametrize(
    ("name", "outputs"), [("yolov1", ["1470"]), ("yolov1-small", ["1470"]), ("yolov1-tiny", ["256", "1470"])]
)
def test_all_layers_are_leaky_except_the_last_and_the_first_connected_layer_of_tiny(name, outputs):
    linear = [section["output"] for section in yolo_v1.make_sections(name)[1:] if section.get("activation") == "linear"]
    assert linear == outputs


def test_the_features_of_the_later_release_are_its_last_hidden_map():
    network = Darknet(yolo_v1.make_sections("yolov1-2016"), NETWORKS["yolov1-2016"].taps)
    assert network.shapes == [(256, 7, 7)] and NETWORKS["yolov1-2016"].dim == 256 * 49


def test_only_the_networks_of_2015_scale_their_input_further():
    assert [yolo_v1.make_sections(name)[1]["type"] for name in V1] == ["crop", "crop", "crop", "convolutional"]


@pytest.mark.parametrize("name", ["yolov1", "yolov1-small", "yolov1-2016"])
def test_the_network_has_24_convolutions_and_a_7_by_7_map(name):
    layers = yolo_v1.make_sections(name)[1:]
    convolutions = [index for index, layer in enumerate(layers) if layer["type"] == "convolutional"]
    assert len(convolutions) == 24
    assert Darknet(yolo_v1.make_sections(name), (convolutions[-1],)).shapes == [(1024, 7, 7)]


# A network of the same kind that fits a test: 8 x 8 pixels, a convolution, two connected layers.
SMALL = [
    {"type": "net", "height": "8", "width": "8", "channels": "3"},
    {"type": "crop", "crop_height": "8", "crop_width": "8"},
    {"type": "convolutional", "filters": "2", "size": "3", "stride": "2", "pad": "1", "activation": "leaky"},
    {"type": "connected", "output": "5", "activation": "leaky"},
    {"type": "connected", "output": "4", "activation": "linear"},
]
COUNT = 2 + 54 + 5 + 5 * 32 + 4 + 4 * 5


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A weights file of `SMALL`, which replaces ``yolov1``; returns its numbers."""
    import dataclasses

    entry = dataclasses.replace(NETWORKS["yolov1"], channels=5, taps=(2,))
    monkeypatch.setitem(NETWORKS, "yolov1", entry)
    monkeypatch.setattr(yolo_v1, "make_sections", lambda name: SMALL)
    numbers = np.random.default_rng(1).normal(0, 0.3, COUNT).astype("<f4")
    path = tmp_path / "yolo.weights"
    path.write_bytes(np.array([0, 1, 0, 7], "<i4").tobytes() + numbers.tobytes())
    return path, numbers


def expected(numbers, frame, low=-1.0):
    """The layer before the last for an 8 x 8 frame, by plain loops; black becomes ``low``."""
    image = low + (1 - low) * frame.astype(np.float64).transpose(2, 0, 1) / 255
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    kernels = numbers[2:56].reshape(2, 3, 3, 3)
    maps = np.empty((2, 4, 4))
    for f, r, c in np.ndindex(2, 4, 4):
        maps[f, r, c] = numbers[f] + (kernels[f] * padded[:, 2 * r : 2 * r + 3, 2 * c : 2 * c + 3]).sum()
    maps = np.where(maps > 0, maps, 0.1 * maps)
    outputs = numbers[56:61] + numbers[61:221].reshape(5, 32) @ maps.ravel()
    return np.where(outputs > 0, outputs, 0.1 * outputs)


def test_the_extractor_needs_only_the_weights_and_scales_input_to_minus_one_to_one(small):
    path, numbers = small
    frame = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    extractor = pretrained.make("yolov1", path)
    assert extractor.dim == 5
    assert extract(extractor, [frame])[0] == pytest.approx(expected(numbers, frame), abs=1e-4)


def test_half_precision_as_on_a_gpu_changes_the_third_digit(small):
    path, numbers = small
    frame = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    extractor = pretrained.make("yolov1", path)
    whole = extract(extractor, [frame])[0]
    extractor.network.half()
    half = extract(extractor, [frame])[0]
    assert half.dtype == np.float32 and (half != whole).any()
    assert half == pytest.approx(expected(numbers, frame), abs=5e-3)


def write_cfg(path, sections):
    lines = []
    for section in sections:
        lines += [f"[{section['type']}]", *(f"{key}={value}" for key, value in section.items() if key != "type")]
    path.write_text("\n".join(lines))


def test_a_cfg_beside_the_weights_is_used_and_changes_the_id(small):
    path, numbers = small
    ours = pretrained.make("yolov1", path)
    write_cfg(path.with_suffix(".cfg"), [SMALL[0], SMALL[1] | {"noadjust": "1"}, *SMALL[2:]])
    theirs = pretrained.make("yolov1", path)
    frame = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    assert theirs(frame[None])[0] == pytest.approx(expected(numbers, frame, low=0.0), abs=1e-4)
    assert theirs.id != ours.id


def test_other_weights_give_another_id_and_random_ones_are_marked(small):
    path, _ = small
    before = pretrained.make("yolov1", path).id
    path.write_bytes(path.read_bytes()[:-4] + bytes(4))
    assert pretrained.make("yolov1", path).id != before
    random = pretrained.make("yolov1", path.with_name("none.weights"), random=True)
    assert random.id.startswith("yolov1-random-")
    assert random.id == pretrained.make("yolov1", path, random=True).id


def test_a_cfg_of_another_network_is_refused(small):
    path, _ = small
    write_cfg(path.with_suffix(".cfg"), [*SMALL[:3], SMALL[3] | {"output": "6"}, SMALL[4]])
    with pytest.raises(InputError, match=r"layer \(2,\) of .*yolo\.cfg gives \(6, 1, 1\), expected 5 channels"):
        pretrained.make("yolov1", path)
    write_cfg(path.with_suffix(".cfg"), SMALL[:3])
    with pytest.raises(InputError, match=r"yolo\.cfg has 2 layers, expected a layer 2"):
        pretrained.make("yolov1", path)


def test_the_error_tells_how_many_numbers_truncated_weights_lack(small):
    path, _ = small
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=rf"holds {COUNT - 10} numbers, yolov1 needs {COUNT}: 10 too few"):
        pretrained.make("yolov1", path)


def test_averaging_a_vector_is_refused(small):
    with pytest.raises(InputError, match="gives no map, but a vector, the grid has 2 x 2"):
        pretrained.make("yolov1", small[0], (2, 2))
