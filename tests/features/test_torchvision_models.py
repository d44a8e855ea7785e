import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tracking_env.datasets import otb  # noqa: E402
from tracking_env.errors import InputError  # noqa: E402
from tracking_env.features import pretrained  # noqa: E402
from tracking_env.features.extractors import make_extractor  # noqa: E402
from tracking_env.features.torchvision_models import MobileNetV2, ResNet18, load  # noqa: E402

NETS = {
    # parameters as torchvision counts them, classifier and batch normalisation included, and some of its names
    ResNet18: (11_689_512, 512, {"conv1", "layer1.0.conv1", "layer2.0.downsample.0", "layer4.1.conv2"}),
    MobileNetV2: (3_504_872, 1280, {"features.0.0", "features.1.conv.0.0", "features.1.conv.1", "features.17.conv.2"}),
}


def norm_of(name):
    """The batch normalisation that follows a convolution, in torchvision's names."""
    if name.endswith((".conv1", ".conv2")) or name == "conv1":
        return name[:-5] + "bn" + name[-1]
    head, _, last = name.rpartition(".")
    return f"{head}.{int(last) + 1}"


def published(network, seed=0):
    """Weights as torchvision keeps them, for a network of ours: unfolded, with a classifier, tame enough to compare."""
    random = np.random.default_rng(seed)
    state = {}
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            shape, norm = tuple(module.weight.shape), norm_of(name)
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
    return state | {"fc.weight": torch.ones(1000, 512), "fc.bias": torch.ones(1000)}


@pytest.mark.parametrize("kind", NETS)
def test_the_layers_are_torchvisions(kind):
    parameters, channels, names = NETS[kind]
    with torch.device("meta"):
        network = kind()
        (out,) = network(torch.empty(1, 3, 224, 224))
    convolutions = {name: one for name, one in network.named_modules() if isinstance(one, torch.nn.Conv2d)}
    assert out.shape == (1, channels, 7, 7)
    assert names <= convolutions.keys()
    counted = sum(one.weight.numel() + 2 * one.out_channels for one in convolutions.values()) + channels * 1000 + 1000
    assert counted == parameters


@pytest.mark.parametrize("kind", NETS)
def test_folding_batch_normalisation_changes_nothing(kind, tmp_path):
    network = kind()
    state = published(network)
    torch.save(state, tmp_path / "net.pth")
    _, folded = load(network, tmp_path / "net.pth")
    assert not folded
    for name, ours in network.named_modules():
        if not isinstance(ours, torch.nn.Conv2d):
            continue
        weight, norm = state[f"{name}.weight"], norm_of(name)
        parts = [state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        with torch.no_grad():
            x = torch.randn(1, ours.in_channels, 5, 5)
            plain = torch.nn.functional.conv2d(x, weight, None, ours.stride, ours.padding, 1, ours.groups)
            assert torch.allclose(ours(x), torch.nn.functional.batch_norm(plain, *parts), atol=1e-4), name


def test_a_block_of_resnet_adds_its_input_before_the_activation(tmp_path):
    network = ResNet18()
    torch.save(published(network), tmp_path / "net.pth")
    load(network, tmp_path / "net.pth")
    block, x = network.get_submodule("layer1")[1], torch.randn(1, 64, 5, 5)
    with torch.no_grad():
        wanted = (block.conv2(block.conv1(x).clamp(min=0)) + x).clamp(min=0)
        assert torch.allclose(block(x), wanted)


def test_a_block_of_mobilenet_adds_its_input_only_where_it_keeps_the_size():
    network = MobileNetV2()
    with torch.no_grad():
        for number, channels, added in ((2, 16, False), (3, 24, True), (4, 24, False), (17, 160, False)):
            block, x = network.features[number], torch.randn(1, channels, 6, 6)
            out = block(x)
            assert torch.allclose(out, block.conv(x) + x if added else block.conv(x), atol=1e-5)
            assert out.shape[2] == (3 if number in (2, 4) else 6)


def test_features_of_published_weights_are_the_averaged_map_in_imagenets_scale(tmp_path):
    path = tmp_path / "resnet18-f37072fd.pth"
    network = ResNet18()
    torch.save(published(network), path)
    load(network, path)
    frame = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    x = torch.tensor((frame / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225], dtype=torch.float32)
    with torch.no_grad():
        wanted = network(x.permute(2, 0, 1)[None])[0].mean(dim=(2, 3))[0].numpy()
    extractor = make_extractor("resnet-18:1x1", tmp_path)
    assert extractor.dim == 512
    assert extractor(frame[None])[0] == pytest.approx(wanted, rel=1e-3, abs=1e-4)


def test_weights_name_the_extractor(tmp_path):
    ids = set()
    for seed in range(2):
        torch.save(published(ResNet18(), seed), tmp_path / "a.pth")
        ids |= {pretrained.make("resnet-18", tmp_path / "a.pth", grid).id for grid in (None, (1, 1))}
    assert len(ids) == 4 and all(one.startswith("resnet-18-") for one in ids)


def broken(kind, path):
    state = published(ResNet18())
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
        torch.save({key: one for key, one in state.items() if not key.startswith("layer4.1")}, path)
    elif kind == "no normalisation":
        torch.save({key: one for key, one in state.items() if not key.startswith("bn1")}, path)
    elif kind == "another network":
        torch.save(published(MobileNetV2()), path)
    else:
        torch.save(state | {"conv1.weight": torch.zeros(64, 3, 5, 5)}, path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated", "damaged or no .pth file"),
        ("a page", "damaged or no .pth file"),
        ("empty", "damaged or no .pth file"),
        ("a list", "holds no weights by name"),
        ("a layer less", "does not hold the weights of ResNet18"),
        ("no normalisation", "does not hold the weights of ResNet18.*bn1"),
        ("another network", "does not hold the weights of ResNet18"),
        ("other sizes", "does not hold the weights of ResNet18.*conv1"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(tmp_path, kind, message):
    broken(kind, tmp_path / "a.pth")
    with pytest.raises(InputError, match=message) as caught:
        make_extractor("resnet-18", tmp_path / "a.pth")
    assert "\n" not in str(caught.value) and "a.pth" in str(caught.value)


# Of ImageNet's classes: ambulance, beach wagon, cab, limousine, minibus, minivan, moving van, ...
VEHICLES = {407, 436, 468, 511, 569, 609, 627, 654, 656, 661, 675, 717, 734, 751, 779, 817, 864, 867}


@pytest.mark.otb
@pytest.mark.parametrize("name", ["Suv", "BlurCar2"])
def test_the_folded_weights_see_vehicles_where_there_are_some(otb_root, name):
    path = otb_root.parent / "weights" / "mobilenet_v2_fp16.pth"
    if not path.is_file():
        pytest.skip(f"no weights at {path}")
    extractor = make_extractor("mobilenet-v2:1x1", path)
    assert extractor.size == (225, 225), "preprocessing goes with the weights"
    (sequence,) = otb.load(otb_root, name)
    x, y, w, h = sequence.boxes[5]
    reach = 0.7 * max(w, h)
    rows = slice(max(0, int(y + h / 2 - reach)), int(y + h / 2 + reach))
    columns = slice(max(0, int(x + w / 2 - reach)), int(x + w / 2 + reach))
    features = extractor(sequence.frames[5][rows, columns][None])[0]
    state = torch.load(path, weights_only=True)
    scores = state["classifier.weight"].float().numpy() @ features + state["classifier.bias"].float().numpy()
    best = np.argsort(scores)[::-1][:5] - 1  # its class 0 is the background
    assert len(VEHICLES & set(best.tolist())) >= 3  # measured: 4 of 5 for both
