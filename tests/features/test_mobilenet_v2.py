import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tracking_env.datasets import otb  # noqa: E402
from tracking_env.errors import InputError  # noqa: E402
from tracking_env.features import pretrained  # noqa: E402
from tracking_env.features.base import extract  # noqa: E402
from tracking_env.features.extractors import make_extractor  # noqa: E402
from tracking_env.features.mobilenet_v2 import MobileNetV2, load  # noqa: E402

PARAMETERS = 3_504_872  # as torchvision counts them, with the classifier and batch normalisation
CHANNELS, CLASSES = 1280, 1000


def convolutions(network):
    return {name: module for name, module in network.named_modules() if isinstance(module, torch.nn.Conv2d)}


def norm_after(name):
    """The batch normalisation that follows a convolution, in torchvision's names."""
    head, _, number = name.rpartition(".")
    return f"{head}.{int(number) + 1}"


def published_state(seed=0):
    """Weights as torchvision publishes them: with batch normalisation and classifier, small enough to compare."""
    random = np.random.default_rng(seed)
    state = {}
    for name, module in convolutions(MobileNetV2()).items():
        shape, norm = tuple(module.weight.shape), norm_after(name)
        scale = (2 / np.prod(shape[1:])) ** 0.5
        state[f"{name}.weight"] = torch.tensor(random.normal(0, scale, shape), dtype=torch.float32)
        for part, low, high in (
            ("weight", 0.8, 1.2),
            ("bias", -0.1, 0.1),
            ("running_mean", -0.1, 0.1),
            ("running_var", 0.5, 1.5),
        ):
            state[f"{norm}.{part}"] = torch.tensor(random.uniform(low, high, shape[0]), dtype=torch.float32)
        state[f"{norm}.num_batches_tracked"] = torch.tensor(1)
    classifier = {"weight": torch.ones(CLASSES, CHANNELS), "bias": torch.ones(CLASSES)}
    return state | {f"classifier.1.{name}": tensor for name, tensor in classifier.items()}


def test_the_layers_have_the_names_and_sizes_of_torchvision():
    with torch.device("meta"):
        network = MobileNetV2()
        (features,) = network(torch.empty(1, 3, 224, 224))
    assert features.shape == (1, CHANNELS, 7, 7)
    modules = convolutions(network)
    assert {"features.0.0", "features.1.conv.0.0", "features.1.conv.1", "features.17.conv.2"} <= modules.keys()
    counted = sum(module.weight.numel() + 2 * module.out_channels for module in modules.values())
    assert counted + CHANNELS * CLASSES + CLASSES == PARAMETERS


def test_folding_batch_normalisation_keeps_the_output(tmp_path):
    network, state = MobileNetV2(), published_state()
    torch.save(state, tmp_path / "net.pth")
    _, from_tensorflow = load(network, tmp_path / "net.pth")
    assert not from_tensorflow
    for name, convolution in convolutions(network).items():
        weight, norm = state[f"{name}.weight"], norm_after(name)
        parts = [state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        options = convolution.stride, convolution.padding, 1, convolution.groups
        with torch.no_grad():
            x = torch.randn(1, convolution.in_channels, 5, 5)
            unfolded = torch.nn.functional.batch_norm(torch.nn.functional.conv2d(x, weight, None, *options), *parts)
            assert torch.allclose(convolution(x), unfolded, atol=1e-4), name


def test_a_block_adds_its_input_only_if_the_shape_stays():
    network = MobileNetV2()
    with torch.no_grad():
        for number, channels, added in ((2, 16, False), (3, 24, True), (4, 24, False), (17, 160, False)):
            block, x = network.features[number], torch.randn(1, channels, 6, 6)
            features = block(x)
            assert torch.allclose(features, block.conv(x) + x if added else block.conv(x), atol=1e-5)
            assert features.shape[2] == (3 if number in (2, 4) else 6)


def test_features_of_published_weights_are_the_averaged_map_of_normalised_frames(tmp_path):
    path = tmp_path / "mobilenet_v2-b0353104.pth"
    network = MobileNetV2()
    torch.save(published_state(), path)
    load(network, path)
    frame = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    x = torch.tensor((frame / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225], dtype=torch.float32)
    with torch.no_grad():
        averaged = network(x.permute(2, 0, 1)[None])[0].mean(dim=(2, 3))[0].numpy()
    extractor = make_extractor("mobilenet-v2:1x1", tmp_path)
    assert extractor.dim == CHANNELS
    assert extract(extractor, [frame])[0] == pytest.approx(averaged, rel=1e-3, abs=1e-4)


def test_the_extractor_id_contains_the_weights(tmp_path):
    ids = set()
    for seed in range(2):
        torch.save(published_state(seed), tmp_path / "a.pth")
        ids |= {pretrained.make("mobilenet-v2", tmp_path / "a.pth", grid).id for grid in (None, (1, 1))}
    assert len(ids) == 4 and all(id.startswith("mobilenet-v2-") for id in ids)


def write_unusable(kind, path):
    state = published_state()
    if kind == "truncated":
        torch.save(state, path)
        path.write_bytes(path.read_bytes()[:100_000])
    elif kind == "a page":
        path.write_text("<html>moved</html>")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "a list":
        torch.save([1, 2], path)
    elif kind == "a layer less":
        torch.save({key: tensor for key, tensor in state.items() if not key.startswith("features.17")}, path)
    elif kind == "no normalisation":
        torch.save({key: tensor for key, tensor in state.items() if not key.startswith("features.0.1")}, path)
    elif kind == "another network":  # ResNet-18's first layers, in torchvision's names
        torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7), "bn1.weight": torch.zeros(64)}, path)
    else:
        torch.save(state | {"features.0.0.weight": torch.zeros(32, 3, 5, 5)}, path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated", "damaged or no .pth file"),
        ("a page", "damaged or no .pth file"),
        ("empty", "damaged or no .pth file"),
        ("a list", "holds no weights by name"),
        ("a layer less", "does not hold the weights of MobileNetV2"),
        ("no normalisation", r"does not hold the weights of MobileNetV2.*features\.0\.1"),
        ("another network", "does not hold the weights of MobileNetV2"),
        ("other sizes", r"does not hold the weights of MobileNetV2.*features\.0\.0"),
    ],
)
def test_an_unusable_file_is_a_one_line_error(tmp_path, kind, message):
    write_unusable(kind, tmp_path / "a.pth")
    with pytest.raises(InputError, match=message) as caught:
        make_extractor("mobilenet-v2", tmp_path / "a.pth")
    assert "\n" not in str(caught.value) and "a.pth" in str(caught.value)


# Of ImageNet's classes: ambulance, beach wagon, cab, limousine, minibus, minivan, moving van, ...
VEHICLES = {407, 436, 468, 511, 569, 609, 627, 654, 656, 661, 675, 717, 734, 751, 779, 817, 864, 867}


@pytest.fixture
def folded_weights(otb_root):
    path = otb_root.parent / "weights" / "mobilenet_v2_fp16.pth"
    if not path.is_file():
        pytest.skip(f"no weights at {path}")
    return path


@pytest.mark.otb
def test_the_folded_weights_keep_their_ids(folded_weights):
    for name, expected in (
        ("mobilenet-v2", "mobilenet-v2-00bc4a09"),
        ("mobilenet-v2:1x1", "mobilenet-v2-1x1-2783e0f3"),
    ):
        assert make_extractor(name, folded_weights).id == expected, "features are stored under it"


@pytest.mark.otb
@pytest.mark.parametrize("name", ["Suv", "BlurCar2"])
def test_the_folded_weights_recognise_vehicles(otb_root, folded_weights, name):
    extractor = make_extractor("mobilenet-v2:1x1", folded_weights)
    assert extractor.size == (225, 225), "preprocessing goes with the weights"
    (sequence,) = otb.load(otb_root, name)
    x, y, w, h = sequence.boxes[5]
    reach = 0.7 * max(w, h)
    rows = slice(max(0, int(y + h / 2 - reach)), int(y + h / 2 + reach))
    columns = slice(max(0, int(x + w / 2 - reach)), int(x + w / 2 + reach))
    features = extract(extractor, [sequence.frames[5][rows, columns]])[0]
    state = torch.load(folded_weights, weights_only=True)
    scores = state["classifier.weight"].float().numpy() @ features + state["classifier.bias"].float().numpy()
    best = np.argsort(scores)[::-1][:5] - 1  # its class 0 is the background
    assert len(VEHICLES & set(best.tolist())) >= 3  # measured: 4 of 5 for both
