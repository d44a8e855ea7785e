import pickle
import re
from functools import cache

import cv2
import numpy as np
import pytest

from tracking_env import boxes as bx
from tracking_env.datasets.synthetic import ATTRIBUTES, DrawnFrames, generate, parse
from tracking_env.errors import InputError

SEEDS = range(60)
SIZE = np.array([160, 120])


@cache
def sequence(seed):
    return generate(seed)


def pairs(attribute, without=()):
    """Sequences with and without an attribute, none with attributes that would disturb the comparison."""
    pool = [sequence(seed) for seed in SEEDS if not set(without) & set(sequence(seed).attributes)]
    having = [s for s in pool if attribute in s.attributes]
    lacking = [s for s in pool if attribute not in s.attributes]
    assert len(having) >= 3 and len(lacking) >= 3
    return having, lacking


def spread(values):
    return values.max() / values.min()


def centres(boxes):
    return bx.centre(boxes - [1, 1, 0, 0])[:, :2]


def saturation(pixels):
    values = pixels.astype(float)
    return 1 - values.min(axis=-1) / np.maximum(values.max(axis=-1), 1)


def vividness(s, i):
    """The share of the pixels of the target that have a vivid colour in the frame."""
    return (saturation(s.frames[i][s.frames.mask(i) > 127]) > 0.45).mean()


def brightness(s):
    return np.array([s.frames[i].mean() for i in range(0, len(s), 4)])


def sharpness(s):
    grey = [cv2.cvtColor(s.frames[i], cv2.COLOR_RGB2GRAY) for i in range(0, len(s), 10)]
    return np.mean([cv2.Laplacian(g, cv2.CV_64F).var() / g.mean() ** 2 for g in grey])


def test_a_sequence_has_the_requested_length_and_size():
    s = generate(7, length=13, size=(96, 64))
    assert (s.name, s.dataset, len(s), len(s.frames), s.size) == ("Synthetic-0007", "synthetic", 13, 13, (96, 64))
    assert s.boxes.shape == (13, 4)
    for i in range(13):
        assert s.frames[i].shape == (64, 96, 3) and s.frames[i].dtype == np.uint8
    assert np.array_equal(s.frames[-1], s.frames[12])
    with pytest.raises(IndexError):
        s.frames[13]


@pytest.mark.parametrize(("length", "size"), [(1, (32, 32)), (2, (33, 200)), (200, (64, 48)), (3, (640, 480))])
def test_other_lengths_and_sizes_can_be_drawn(length, size):
    for seed in range(12):
        s = generate(seed, length, size)
        assert s.frames[length - 1].shape == (size[1], size[0], 3)
        assert np.isfinite(s.boxes).all() and (s.boxes[:, 2:] > 0).all()
        assert ((s.relative[:, :2] > 0) & (s.relative[:, :2] < 1)).all()


def test_the_same_seed_gives_the_same_bytes_in_any_order():
    for seed in range(6):
        forward, backward = generate(seed), generate(seed)
        assert forward.boxes.tobytes() == backward.boxes.tobytes()
        assert forward.attributes == backward.attributes
        late = {i: backward.frames[i] for i in (59, 30, 1, 0, 30)}
        early = {i: forward.frames[i] for i in (0, 1, 30, 59)}
        for i in early:
            assert early[i].tobytes() == late[i].tobytes()


def test_changing_a_drawn_frame_does_not_change_later_ones():
    s = generate(0)
    before = s.frames[5].copy()
    s.frames[5][:] = 0
    assert np.array_equal(s.frames[5], before)


def test_different_seeds_and_frames_differ():
    assert len({sequence(seed).boxes.tobytes() for seed in SEEDS}) == len(SEEDS)
    assert len({sequence(seed).frames[0].tobytes() for seed in SEEDS}) == len(SEEDS)
    assert len({sequence(0).frames[i].tobytes() for i in range(60)}) == 60


def test_the_global_random_state_is_neither_used_nor_changed():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    first = generate(3).frames[9]
    assert np.array_equal(np.random.get_state()[1], before)
    np.random.seed(2)
    assert np.array_equal(generate(3).frames[9], first)


def test_the_true_box_is_tight_around_the_drawn_target():
    checked = 0
    for seed in SEEDS:
        s = sequence(seed)
        for i in range(0, len(s), 6):
            low, high = s.boxes[i, :2] - 1, s.boxes[i, :2] - 1 + s.boxes[i, 2:]
            if (low < 1).any() or (high > SIZE - 1).any():
                continue
            rows, columns = np.nonzero(s.frames.mask(i) > 127)
            drawn = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert np.allclose(drawn, [*low, *high], atol=1.5), (seed, i)
            checked += 1
    assert checked > 300


def test_the_true_box_contains_the_vivid_pixels_of_the_frame():
    plain = [sequence(s) for s in SEEDS if not {"OCC", "MB", "IV", "OV"} & set(sequence(s).attributes)]
    assert len(plain) >= 4
    for s in plain:
        for i in range(0, len(s), 15):
            rows, columns = np.nonzero(saturation(s.frames[i]) > 0.6)
            measured = np.array([columns.min() + 1, rows.min() + 1, np.ptp(columns) + 1, np.ptp(rows) + 1], float)
            assert bx.iou(measured, s.boxes[i]) > 0.85, (s.name, i)


def test_the_mask_marks_the_vivid_pixels():
    for seed in SEEDS:
        s = sequence(seed)
        share = [vividness(s, i) for i in range(0, len(s), 10)]
        assert np.median(share) > (0.5 if "OCC" in s.attributes else 0.8), s.name
        rest = saturation(s.frames[0][s.frames.mask(0) == 0])
        assert np.median(rest) < 0.3, s.name


def test_boxes_are_positive_and_centred_in_the_image():
    for seed in range(200):
        boxes = sequence(seed).boxes
        assert (boxes[:, 2:] >= 6).all() and (boxes[:, 2:] <= SIZE * [0.5, 0.62] + 1e-9).all()
        assert (centres(boxes) > 0).all() and (centres(boxes) < SIZE).all()


def test_the_target_leaves_its_first_box():
    thresholds = np.linspace(0, 1, 21)
    overlaps = [bx.iou(s.boxes[:1], s.boxes) for s in map(sequence, range(200))]
    success = np.mean([(overlap[:, None] > thresholds).mean() for overlap in overlaps])
    assert 0.15 < success < 0.3
    travel = np.mean([np.ptp(centres(sequence(seed).boxes), axis=0) for seed in range(200)], axis=0)
    assert (travel > 0.4 * SIZE).all()


def test_sequences_have_two_to_four_attributes_and_all_occur():
    tags = [sequence(seed).attributes for seed in SEEDS]
    assert {len(t) for t in tags} == {2, 3, 4}
    assert all(len(set(t)) == len(t) for t in tags)
    assert {a for t in tags for a in t} == set(ATTRIBUTES)


@pytest.mark.parametrize(
    ("attribute", "without", "measure", "least", "most"),
    [
        ("SV", ("IPR", "DEF"), lambda s: spread(s.boxes[:, 2] * s.boxes[:, 3]), 4, 1.3),
        ("DEF", ("IPR",), lambda s: spread(s.boxes[:, 2] / s.boxes[:, 3]), 1.8, 1.2),
        ("FM", ("OV",), lambda s: np.hypot(*np.diff(centres(s.boxes), axis=0).T).max(), 11, 11),
        ("IV", (), lambda s: spread(brightness(s)), 1.8, 1.3),
        ("BC", (), lambda s: s.frames.distractors, 2, 0),
    ],
    ids=["SV", "DEF", "FM", "IV", "BC"],
)
def test_each_attribute_fulfils_its_definition(attribute, without, measure, least, most):
    having, lacking = pairs(attribute, without)
    assert min(map(measure, having)) >= least
    assert max(map(measure, lacking)) <= most


def test_rotation_changes_the_box():
    having, lacking = pairs("IPR", without=("DEF",))
    assert np.median([spread(s.boxes[:, 2] / s.boxes[:, 3]) for s in having]) > 1.3
    assert max(spread(s.boxes[:, 2] / s.boxes[:, 3]) for s in lacking) < 1.1


def test_an_occluder_hides_the_target_for_a_while():
    having, lacking = pairs("OCC")
    for s in having:
        share = [vividness(s, i) for i in range(0, len(s), 2)]
        assert min(share) < 0.65 and max(share) > 0.85, s.name
    for s in lacking:
        assert min(vividness(s, i) for i in range(0, len(s), 10)) > 0.65, s.name


def test_only_out_of_view_moves_the_target_out_of_the_image():
    having, lacking = pairs("OV")

    def inside(s):
        low = centres(s.boxes) - s.boxes[:, 2:] / 2
        return np.minimum(low, SIZE - low - s.boxes[:, 2:]).min()

    assert max(map(inside, having)) < -1
    assert min(map(inside, lacking)) >= 0


def test_motion_blur_reduces_sharpness():
    having, lacking = pairs("MB")
    assert np.median([sharpness(s) for s in having]) < 0.3 * np.median([sharpness(s) for s in lacking])


def test_distractors_are_drawn_paler_than_the_target():
    having, lacking = pairs("BC", without=("IV", "MB"))

    def tinted(s):  # pixels more saturated than the background and less than the target
        saturations = [saturation(s.frames[i])[s.frames.mask(i) == 0] for i in range(0, len(s), 15)]
        return np.mean([((values > 0.22) & (values < 0.6)).mean() for values in saturations])

    assert min(map(tinted, having)) > 0.01 > np.median([tinted(s) for s in lacking])


def test_pickling_keeps_the_frames_and_stays_small():
    s = generate(11, 20, (80, 60))
    s.frames[3]
    data = pickle.dumps(s.frames)
    copy = pickle.loads(data)
    assert len(data) < 500
    assert copy.fingerprint == s.frames.fingerprint
    assert np.array_equal(copy[17], s.frames[17]) and np.array_equal(copy.boxes, s.boxes)
    assert np.array_equal(pickle.loads(pickle.dumps(s)).boxes, s.boxes)


def test_the_fingerprint_depends_on_seed_length_and_size():
    variants = [(0, 60, (160, 120)), (1, 60, (160, 120)), (0, 61, (160, 120)), (0, 60, (120, 160)), (0, 60, (161, 120))]
    assert len({DrawnFrames(*arguments).fingerprint for arguments in variants}) == len(variants)
    assert generate(0).frames.fingerprint == generate(0).frames.fingerprint


@pytest.mark.parametrize("arguments", [(-1,), (0, 0), (0, 60, (31, 120)), (0, 60, (160, 0))])
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(InputError, match="give a seed >= 0"):
        generate(*arguments)


@pytest.mark.parametrize(
    ("spec", "seeds"),
    [
        ("synthetic:7", [7]),
        ("synthetic:0-3", [0, 1, 2, 3]),
        ("synthetic:5-5", [5]),
        ("synthetic:0-2,20", [0, 1, 2, 20]),
        ("synthetic:20,0-2,1", [20, 0, 1, 2]),
        ("synthetic:12345", [12345]),
    ],
)
def test_a_specification_names_seeds(spec, seeds):
    got = parse(spec)
    assert [s.name for s in got] == [f"Synthetic-{seed:04d}" for seed in seeds]
    assert np.array_equal(got[-1].boxes, generate(seeds[-1]).boxes)


def test_a_specification_can_set_length_and_size():
    (s,) = parse("synthetic:4", length=9, size=(64, 48))
    assert len(s) == 9 and s.size == (64, 48)


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "synthetic",
        "synthetic:",
        "synthetic:-1",
        "synthetic:-1-3",
        "synthetic:9-0",
        "synthetic:1,",
        "synthetic:a",
        "synthetic:1.5",
        "synthetic:1-2-3",
        "synthetic: 1",
        "synthetic:٣",
        "Synthetic:1",
        "otb:1",
        "synthetic:0-100000",
        "synthetic:0-999999999999999999",
        "synthetic:" + "9" * 5000,
    ],
)
def test_other_specifications_are_refused_in_one_line(spec):
    with pytest.raises(InputError, match=re.escape("type synthetic:0-95")) as caught:
        parse(spec)
    assert repr(spec) in str(caught.value) and "\n" not in str(caught.value)
