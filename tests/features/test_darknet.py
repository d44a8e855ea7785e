import hashlib

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tracking_env.errors import InputError  # noqa: E402
from tracking_env.features.darknet.files import read_cfg, read_weights  # noqa: E402
from tracking_env.features.darknet.network import read  # noqa: E402

NET = "[net]\nwidth=4\nheight=4\nchannels={channels}\n"
CONV = "[convolutional]\nfilters={filters}\nsize={size}\nstride=1\npad=1\nactivation={activation}\n"
WIDE, NARROW = (0, 2, 0), (0, 1, 0)  # versions of the header: `seen` in 64 and in 32 bits


def header(version=WIDE):
    seen = np.array([12345], "<i8" if version == WIDE else "<i4")
    return np.array(version, "<i4").tobytes() + seen.tobytes()


@pytest.fixture
def network(tmp_path):
    """Write a network in the format of darknet, and read it."""

    def make(layers, numbers=(), taps=None, channels=1, head=None):
        cfg, weights = tmp_path / "net.cfg", tmp_path / "net.weights"
        cfg.write_text(NET.format(channels=channels) + layers)
        weights.write_bytes((header() if head is None else head) + np.array(numbers, "<f4").tobytes())
        return read(cfg, weights, taps if taps is not None else (layers.count("[") - 1,))

    return make


def run(net, x):
    """The first tapped map for one image of nested lists ``(C, h, w)``."""
    with torch.no_grad():
        return net(torch.tensor(x, dtype=torch.float32)[None])[0][0].numpy()


def conv(filters=1, size=1, activation="linear", **more):
    return CONV.format(filters=filters, size=size, activation=activation) + "".join(
        f"{key}={value}\n" for key, value in more.items()
    )


def test_a_convolution_reads_bias_and_then_weights(network):
    # Two filters over two channels: bias (10, 20), weights ((1, 2), (3, 4)); the pixel is (5, 7).
    net = network(conv(filters=2), [10, 20, 1, 2, 3, 4], channels=2)
    assert run(net, [[[5]], [[7]]]).ravel().tolist() == [10 + 5 + 14, 20 + 15 + 28]


def test_batch_normalisation_is_read_as_bias_scale_mean_variance_weights(network):
    # (3 x - 5) / sqrt(4) * 7 + 11 at x = 2: 1 / 2 * 7 + 11 = 14.5
    net = network(conv(batch_normalize=1), [11, 7, 5, 4, 3])
    assert run(net, [[[2]]]).item() == pytest.approx(14.5, abs=1e-4)


def test_batch_normalisation_is_per_filter(network):
    # biases, scales, means, variances, weights of two filters each; at x = 1:
    # (1 * 1 - 0) / 1 * 1 + 0 = 1 and (6 * 1 - 2) / 2 * 3 + 10 = 16
    net = network(conv(filters=2, batch_normalize=1), [0, 10, 1, 3, 0, 2, 1, 4, 1, 6])
    assert run(net, [[[1]]]).ravel() == pytest.approx([1, 16], abs=1e-4)


def test_batch_normalisation_adds_its_epsilon_to_the_deviation(network):
    # Variance 1e-12: the deviation is 1e-6, and 2e-6 with darknet's epsilon; scale 2e-6 makes it 1.
    net = network(conv(batch_normalize=1), [0, 2e-6, 0, 1e-12, 1])
    assert run(net, [[[3]]]).item() == pytest.approx(3, rel=1e-4)


def test_a_padded_convolution_correlates_in_rows_and_columns(network):
    # Weights 1..9 row by row, one lit pixel in the middle: its neighbours get the weights in reversed order.
    net = network(conv(size=3), [0, *range(1, 10)])
    assert run(net, [[[0, 0, 0], [0, 1, 0], [0, 0, 0]]])[0].tolist() == [[9, 8, 7], [6, 5, 4], [3, 2, 1]]


def test_padding_can_be_given_in_pixels(network):
    net = network("[convolutional]\nfilters=1\nsize=1\npadding=1\nactivation=linear\n", [5, 1])
    assert run(net, [[[1]]])[0].tolist() == [[5, 5, 5], [5, 6, 5], [5, 5, 5]]


def test_groups_make_a_convolution_depthwise(network):
    net = network(conv(filters=2, groups=2), [0, 0, 3, 5], channels=2)
    assert run(net, [[[10]], [[100]]]).ravel().tolist() == [30, 500]


def test_a_shortcut_from_a_negative_index_adds_an_earlier_layer(network):
    layers = conv() + conv() + "[shortcut]\nfrom=-2\nactivation=linear\n"  # x + 1, then twice that, then their sum
    assert run(network(layers, [1, 1, 0, 2]), [[[4]]]).item() == 5 + 10


def test_a_shortcut_from_a_positive_index_adds_that_layer(network):
    layers = conv() + conv() + conv() + "[shortcut]\nfrom=0\nactivation=leaky\n"  # x + 1, times 2, times -3
    assert run(network(layers, [1, 1, 0, 2, 0, -3]), [[[4]]]).item() == pytest.approx(0.1 * (5 - 30))


def test_a_route_concatenates_layers_in_their_order(network):
    layers = conv() + conv(filters=2) + "[route]\nlayers=-1, 0\n" + conv()
    # x = 2: layer 0 is 3, layer 1 is (20, 30), the route (20, 30, 3), weighed by (1, 10, 1000): 20 + 300 + 3000
    numbers = [1, 1, 17, 27, 1, 1, 0, 1, 10, 1000]
    assert run(network(layers, numbers, taps=(2,)), [[[2]]]).ravel().tolist() == [20, 30, 3]
    assert run(network(layers, numbers), [[[2]]]).item() == 3320


def test_a_route_of_one_layer_returns_its_output(network):
    layers = conv() + conv() + "[route]\nlayers=0\n"
    assert run(network(layers, [1, 1, 0, 100]), [[[2]]]).item() == 3


def test_maxpool_2_by_2_pools_the_odd_last_pixel_alone(network):
    # 3 x 3 -> 2 x 2: darknet pads on the right and below.
    pool = network("[maxpool]\nsize=2\nstride=2\n")
    assert run(pool, [[[1, 2, 3], [4, 5, 6], [7, 8, 9]]])[0].tolist() == [[5, 6], [8, 9]]


def test_maxpool_of_even_sides_ignores_padding(network):
    pool = network("[maxpool]\nsize=2\nstride=2\n")
    assert run(pool, [[[-1, -2], [-3, -4]]])[0].tolist() == [[-1]]


def test_maxpool_of_stride_1_keeps_the_size(network):
    image = [[[9, 1, 2], [1, 1, 1], [3, 1, 1]]]
    three = network("[maxpool]\nsize=3\nstride=1\n")
    assert run(three, image)[0].tolist() == [[9, 9, 2], [9, 9, 2], [3, 3, 1]]
    two = network("[maxpool]\nsize=2\nstride=1\n")
    assert run(two, image)[0].tolist() == [[9, 2, 2], [3, 1, 1], [3, 1, 1]]


def test_padding_of_maxpool_never_wins_over_negative_values(network):
    three = network("[maxpool]\nsize=3\nstride=1\n")
    assert run(three, [[[-5, -7], [-6, -8]]])[0].tolist() == [[-5, -5], [-5, -5]]


def test_upsample_repeats_pixels(network):
    up = network("[upsample]\nstride=2\n")
    assert run(up, [[[1, 2], [3, 4]]])[0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


@pytest.mark.parametrize(
    ("activation", "values"),
    [
        ("linear", [-2, 0, 8]),
        ("relu", [0, 0, 8]),
        ("relu6", [0, 0, 6]),
        ("leaky", [-0.2, 0, 8]),
        ("logistic", [1 / (1 + np.e**2), 0.5, 1 / (1 + np.e**-8)]),
    ],
)
def test_activations_equal_values_by_hand(network, activation, values):
    assert run(network(conv(activation=activation), [0, 1]), [[[-2, 0, 8]]]).ravel() == pytest.approx(values)


def test_a_detection_layer_returns_its_input(network):
    layers = conv() + "[yolo]\nmask=0\nanchors=1,2\nclasses=1\n" + "[route]\nlayers=-2\n"
    assert run(network(layers, [1, 1], taps=(1,)), [[[2]]]).item() == 3
    assert run(network(layers, [1, 1], taps=(2,)), [[[2]]]).item() == 3


def connected(output, activation="linear", **more):
    options = "".join(f"{key}={value}\n" for key, value in more.items())
    return f"[connected]\noutput={output}\nactivation={activation}\n{options}"


IMAGE = np.arange(2 * 4 * 4).reshape(2, 4, 4) / 10 - 1  # two channels of 4 x 4 pixels, as in [net]
OLD, TRANSPOSED = (0, 1, 0), (1001, 0, 0)  # versions of the header: the second one stores matrices transposed


def numbers(count, seed=0):
    return np.random.default_rng(seed).normal(size=count)


def test_a_connected_layer_reads_biases_and_then_rows_of_weights_over_channel_row_column(network):
    bias, weight = numbers(3), numbers(3 * 32, 1)
    net = network(connected(3), [*bias, *weight], channels=2)
    got = run(net, IMAGE)
    assert got.shape == (3, 1, 1)
    # output o is bias o + the sum over c, h, w of weight[o, 16 c + 4 h + w] x[c, h, w]
    expected = [
        bias[o] + sum(weight[32 * o + 16 * c + 4 * h + w] * IMAGE[c, h, w] for c, h, w in np.ndindex(2, 4, 4))
        for o in range(3)
    ]
    assert got.ravel() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("version", [TRANSPOSED, (0, 1001, 0)])
def test_a_header_can_mark_connected_matrices_as_transposed(network, version):
    bias, weight = numbers(3), numbers(3 * 32, 1).reshape(3, 32)
    plain = run(network(connected(3), [*bias, *weight.ravel()], channels=2, head=header(OLD)), IMAGE)
    turned = run(network(connected(3), [*bias, *weight.T.ravel()], channels=2, head=header(version)), IMAGE)
    assert turned == pytest.approx(plain, rel=1e-5)


def test_the_transposed_flag_affects_only_connected_layers(network):
    net = network(conv(filters=2), [10, 20, 1, 2, 3, 4], channels=2, head=header(TRANSPOSED))
    assert run(net, [[[5]], [[7]]]).ravel().tolist() == [10 + 5 + 14, 20 + 15 + 28]


def test_batch_normalisation_of_a_connected_layer_follows_its_weights(network):
    # Biases 10, 20; weights; then scales 3, 5, means 1, 2, variances 4, 9.
    weight = numbers(2 * 16, 2)
    net = network(connected(2, batch_normalize=1), [10, 20, *weight, 3, 5, 1, 2, 4, 9])
    sums = weight.reshape(2, 16) @ IMAGE[0].ravel()
    assert run(net, IMAGE[:1]).ravel() == pytest.approx(
        [(sums[0] - 1) / 2 * 3 + 10, (sums[1] - 2) / 3 * 5 + 20], rel=1e-4
    )


def test_a_connected_layer_accepts_the_output_of_another(network):
    # 16 ones: -1 + 16 = 15, which leaky keeps; -2 x 15 becomes -3
    net = network(connected(1, "leaky") + connected(1, "leaky"), [-1, *[1] * 16, 0, -2])
    assert run(net, np.ones((1, 4, 4))).item() == pytest.approx(-3)


@pytest.mark.parametrize(("size", "stride", "pad", "side"), [(3, 1, 1, 4), (3, 2, 1, 2), (3, 1, 0, 2), (2, 2, 0, 2)])
def test_a_local_layer_has_different_weights_at_every_place(network, size, stride, pad, side):
    filters, places, reach = 3, side * side, 2 * size * size
    bias = numbers(filters * places).reshape(filters, side, side)
    weight = numbers(places * filters * reach, 1).reshape(side, side, filters, 2, size, size)
    layer = f"[local]\nfilters=3\nsize={size}\nstride={stride}\npad={pad}\nactivation=leaky\n"
    got = run(network(layer, [*bias.ravel(), *weight.ravel()], channels=2), IMAGE)
    padded = np.pad(IMAGE, ((0, 0), (pad, pad), (pad, pad)))
    expected = np.empty((filters, side, side))
    for f, r, c in np.ndindex(expected.shape):
        window = padded[:, r * stride : r * stride + size, c * stride : c * stride + size]
        expected[f, r, c] = bias[f, r, c] + (weight[r, c, f] * window).sum()
    assert got == pytest.approx(np.where(expected > 0, expected, 0.1 * expected), rel=1e-3, abs=1e-5)


def test_dropout_and_detection_return_their_input_and_have_no_weights(network):
    layers = connected(2) + "[dropout]\nprobability=.5\n" + connected(1) + "[detection]\nclasses=1\nside=1\nnum=1\n"
    net = network(layers, [1, 2, *[1] * 32, 0, 10, 100])
    assert run(net, np.zeros((1, 4, 4))).item() == 210


def test_crop_takes_the_middle_and_scales_it_to_minus_one_to_one(network):
    crop = "[crop]\ncrop_height=2\ncrop_width=2\nflip=1\nangle=7\nsaturation=1.5\nexposure=1.5\n"
    image = np.zeros((1, 4, 4))
    image[0, 1:3, 1:3] = [[0, 0.25], [0.5, 1]]
    assert run(network(crop), image)[0].tolist() == [[-1, -0.5], [0, 1]]
    assert run(network(crop + "noadjust=1\n"), image)[0].tolist() == [[0, 0.25], [0.5, 1]]


def test_weights_after_the_last_tapped_layer_are_checked_but_not_loaded(network):
    layers = conv() + connected(5)
    assert run(network(layers, [1, 2, *[0] * 85], taps=(0,)), [[[4]]]).item() == 9
    with pytest.raises(InputError, match=r"holds 86 numbers, net\.cfg needs 87: 1 too few"):
        network(layers, [1, 2, *[0] * 84], taps=(0,))


def test_several_taps_are_returned_in_the_requested_order(network):
    net = network(conv() + conv(), [1, 1, 0, 10], taps=(1, 0))
    with torch.no_grad():
        assert [float(value) for value in net(torch.full((1, 1, 1, 1), 2.0))] == [30, 3]


@pytest.mark.parametrize("version", [WIDE, NARROW])
def test_both_lengths_of_the_header_are_read(network, version):
    assert run(network(conv(), [1, 2], head=header(version)), [[[4]]]).item() == 9


def test_weights_include_the_sha256_of_their_file(tmp_path):
    data = header() + np.array([1.5, -2], "<f4").tobytes()
    (tmp_path / "a.weights").write_bytes(data)
    weights = read_weights(tmp_path / "a.weights")
    assert weights.numbers.tolist() == [1.5, -2]
    assert weights.sha256 == hashlib.sha256(data).hexdigest()


def test_comments_and_blanks_in_a_cfg_are_skipped(tmp_path):
    (tmp_path / "a.cfg").write_text("# made by hand\n\n[net]\n width = 4 # pixels\n[route]\nlayers = -1, -2\n")
    assert read_cfg(tmp_path / "a.cfg") == [{"type": "net", "width": "4"}, {"type": "route", "layers": "-1, -2"}]


@pytest.mark.parametrize(
    ("layers", "numbers", "message"),
    [
        ("[gru]\noutput=3\n", [], r"layer 0 of net.cfg is \[gru\]"),
        (conv() + "[lstm]\noutput=3\n", [0, 1], r"layer 1 of net.cfg is \[lstm\]"),
        (conv(activation="mish"), [0, 1], "layer 0 of the cfg has activation=mish, expected one of linear, relu"),
        (conv(), [1], "holds 1 numbers, net.cfg needs 2: 1 too few"),
        (conv(), [], "holds 0 numbers, net.cfg needs 2"),
        (conv(), [1, 2, 3], "holds 3 numbers, net.cfg needs 2: 1 too many"),
        (conv() + conv(batch_normalize=1), [1, 2, 3, 4], "holds 4 numbers, net.cfg needs 7: 3 too few"),
    ],
)
def test_mismatched_layers_and_weights_are_refused_in_one_line(network, layers, numbers, message):
    with pytest.raises(InputError, match=message) as caught:
        network(layers, numbers)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param("[convolutional]\nsize=1\n", id="no filters"),
        pytest.param("[convolutional]\nfilters=many\nsize=1\n", id="not a number"),
        pytest.param(conv() + "[shortcut]\nactivation=linear\n", id="no from"),
        pytest.param("[route]\nlayers=-3\n", id="before the first layer"),
        pytest.param("[route]\nlayers=7\n", id="after the last layer"),
        pytest.param(conv() + conv(size=3) + "[maxpool]\nsize=2\nstride=2\n[route]\nlayers=-1,0\n", id="unlike sides"),
        pytest.param(conv() + conv(filters=3) + "[shortcut]\nfrom=-2\n", id="sum of unlike layers"),
        pytest.param("[connected]\nactivation=linear\n", id="no output"),
        pytest.param("[local]\nfilters=1\nsize=5\npad=1\n", id="a local layer darknet itself cannot fit"),
        pytest.param("[local]\nfilters=1\nsize=7\n", id="larger than the image"),
        pytest.param("[crop]\ncrop_height=9\ncrop_width=2\n", id="crop larger than the image"),
        pytest.param("[convolutional]\nfilters=1\ngroups=2\n", id="channels that do not split"),
        pytest.param("[maxpool]\nstride=0\n", id="no stride"),
        pytest.param("[convolutional]\nfilters=-1\n", id="negative"),
    ],
)
def test_a_malformed_section_is_an_input_error(network, layers):
    with pytest.raises(InputError, match=r"layer \d of net\.cfg, \[\w+\], is malformed") as caught:
        network(layers, [0, 1])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param("[route]\nlayers=0\ngroups=2\ngroup_id=1\n", id="half of a layer"),
        pytest.param("[shortcut]\nfrom=-1,-2\nactivation=linear\n", id="sum of three"),
        pytest.param("[convolutional]\nfilters=2\nsize=3\npad=1\ndilation=2\n", id="dilation"),
    ],
)
def test_unsupported_options_are_refused_and_not_skipped(network, layers):
    with pytest.raises(InputError):
        network(conv(filters=2) + conv(filters=2) + layers, [0] * 4 + [0] * 6 + [0] * (38 if "dil" in layers else 0))


def test_the_defaults_of_pooling_are_those_of_darknet(network):
    pool, up = network("[maxpool]\nstride=2\n"), network("[upsample]\n")
    assert run(pool, [[[1, 2], [3, 4]]])[0].tolist() == [[4]]  # the default size is the stride
    assert run(up, [[[1]]])[0].tolist() == [[1, 1], [1, 1]]  # stride is 2


@pytest.mark.parametrize("size", [0, 12, 19, 23])
def test_a_truncated_weights_file_is_an_input_error(network, size):
    with pytest.raises(InputError, match=r"truncated|no darknet weights"):
        network(conv(), head=(header() + b"12345678")[:size])


def test_the_error_names_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the darknet cfg .*none\.cfg.*beside its weights"):
        read(tmp_path / "none.cfg", tmp_path / "none.weights", (0,))
    (tmp_path / "net.cfg").write_text(NET.format(channels=1) + conv())
    with pytest.raises(InputError, match=r"cannot read .*none\.weights"):
        read(tmp_path / "net.cfg", tmp_path / "none.weights", (0,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not begin with"),
        (conv(), "does not begin with"),
        ("<html>\n", r"line 1: got '<html>'"),
        ("width=4\n[net]\n", "line 1"),
        ("[net]\nwidth 4\n", "line 2: got 'width 4'"),
    ],
)
def test_a_file_of_another_format_is_an_input_error(tmp_path, text, message):
    (tmp_path / "net.cfg").write_text(text)
    with pytest.raises(InputError, match=message):
        read_cfg(tmp_path / "net.cfg")


@pytest.mark.parametrize("missing", ["width", "height"])
def test_a_cfg_without_a_size_is_an_input_error(tmp_path, missing):
    lines = [line for line in NET.format(channels=1).splitlines() if not line.startswith(missing)]
    (tmp_path / "net.cfg").write_text("\n".join(lines) + "\n" + conv())
    (tmp_path / "net.weights").write_bytes(header() + bytes(8))
    with pytest.raises(InputError, match=missing):
        read(tmp_path / "net.cfg", tmp_path / "net.weights", (0,))
