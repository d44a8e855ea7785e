import json
import logging

import cv2
import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tracking_env import cli
from tracking_env.datasets import layouts, loading, other_benchmarks
from tracking_env.datasets.box_files import read_boxes
from tracking_env.errors import InputError
from tracking_env.evaluation import metrics
from tracking_env.evaluation.protocols import choose_protocol
from tracking_env.evaluation.sequence_score import score_boxes
from tracking_env.rendering import write_video

pytestmark = pytest.mark.usefixtures("own_cache")

SIZE = (96, 64)
TRUTH = np.tile([11.0, 6, 30, 20], (6, 1)) + np.arange(6)[:, None] * [2, 0, 0, 0]


def text(rows):
    return "".join(",".join(f"{value:g}" for value in row) + "\n" for row in rows)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def write_images(folder, numbers, digits=8):
    """Black images with white, opaque targets where `TRUTH` has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for at, number in enumerate(numbers):
        image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        x, y, w, h = (TRUTH[at % len(TRUTH)] - [1, 1, 0, 0]).astype(int)
        image[y : y + h, x : x + w] = 255
        cv2.imwrite(str(folder / f"{number:0{digits}d}.jpg"), image)


def corners(boxes):
    """The corners of boxes as polygons, starting from the bottom right."""
    x, y, w, h = boxes.T
    return np.stack([x + w, y + h, x, y + h, x, y, x + w, y], axis=1)


def got10k(root, names=("val/GOT-10k_Val_000001", "val/GOT-10k_Val_000002")):
    for name in names:
        write_images(root / name, range(1, 7))
        write(root / name / "groundtruth.txt", text(TRUTH))
        write(root / name / "absence.label", "0\n" * 6)
    write(root / "val" / "list.txt", "GOT-10k_Val_000001\nGOT-10k_Val_000002\n")


def lasot(root):
    for name in ("airplane/airplane-1", "airplane/airplane-2", "cat/cat-1"):
        write_images(root / name / "img", range(1, 7))
        write(root / name / "groundtruth.txt", text(TRUTH))
        for flags in ("full_occlusion", "out_of_view"):
            write(root / name / f"{flags}.txt", "0,0,0,0,0,0")


def lasot_extension(root):
    lasot(root)
    for old, new in (("airplane", "atv"), ("cat", "lantern")):
        (root / old).rename(root / new)
        for folder in sorted((root / new).iterdir()):
            folder.rename(folder.with_name(folder.name.replace(old, new)))


def nfs(root, fps=30):
    for name in ("ball", "bee"):
        write_images(root / name / str(fps) / name, range(1, 7), digits=5)
        left, top, w, h = TRUTH.T
        rows = np.stack([left, top, left + w, top + h, np.arange(6)], axis=1).astype(int).tolist()
        lines = ["0 " + " ".join(map(str, row)) + ' 0 0 1 "the target"\n' for row in rows]
        write(root / name / str(fps) / f"{name}.txt", "".join(lines))


def nfs240(root):
    nfs(root, 240)


def trackingnet(root):
    for name in ("a_0", "b_0"):
        write_images(root / "TEST" / "frames" / name, range(6), digits=1)
        write(root / "TEST" / "anno" / f"{name}.txt", text(TRUTH))


def tcolor128(root):
    for name in ("Ball_ce1", "Bee_ce"):
        write_images(root / name / "img", range(3, 10), digits=4)
        write(root / name / f"{name}_gt.txt", text(TRUTH))
        write(root / name / f"{name}_frames.txt", "3,8\n")


def uav123(root):
    for name in ("bike1", "boat1"):
        write_images(root / "data_seq" / "UAV123" / name, range(1, 7), digits=6)
    for name in ("bike1", "boat1"):
        write(root / "anno" / "UAV123" / f"{name}.txt", text(TRUTH))


def vot(root):
    for name in ("bag", "ball"):
        write_images(root / name / "color", range(1, 7))
        write(root / name / "groundtruth.txt", text(corners(TRUTH - [1, 1, 0, 0])))
    write(root / "list.txt", "ball\nbag\n")


def video(root):
    root.mkdir(parents=True, exist_ok=True)
    for name in ("one", "two"):
        write_video(root / f"{name}.mp4", [np.full((64, 96, 3), 40 * at, np.uint8) for at in range(6)])
        write(root / f"{name}.txt", text(TRUTH))


MAKERS = {
    "got10k": got10k,
    "lasot": lasot,
    "lasot-ext": lasot_extension,
    "uav123": uav123,
    "nfs": nfs,
    "nfs240": nfs240,
    "trackingnet": trackingnet,
    "tcolor128": tcolor128,
    "vot": vot,
    "video": video,
}
NAMES = {
    "got10k": ["GOT-10k_Val_000001", "GOT-10k_Val_000002"],
    "lasot": ["airplane-1", "airplane-2", "cat-1"],
    "lasot-ext": ["atv-1", "atv-2", "lantern-1"],
    "uav123": ["bike1", "boat1"],
    "nfs": ["ball", "bee"],
    "nfs240": ["ball", "bee"],
    "trackingnet": ["a_0", "b_0"],
    "tcolor128": ["Ball_ce1", "Bee_ce"],
    "vot": ["ball", "bag"],  # the order of the list
    "video": ["one", "two"],
}


@pytest.fixture(params=MAKERS)
def layout(request, tmp_path):
    MAKERS[request.param](tmp_path)
    return request.param


def test_each_layout_is_recognised_and_gives_the_same_boxes(layout, tmp_path):
    assert layouts.detect_layout(tmp_path) == layout
    assert layouts.LAYOUTS.keys() == MAKERS.keys()
    loaded = loading.load(tmp_path)
    assert [sequence.name for sequence in loaded] == NAMES[layout]
    for sequence in loaded:
        assert sequence.dataset == layout
        assert sequence.size == SIZE
        assert_array_equal(sequence.boxes, TRUTH)


def test_sequences_are_selected_by_name_and_layout_prefix(layout, tmp_path):
    first, second, *_ = NAMES[layout]
    for spec in (f"{second}, {first},{second}", f"{layout}:{second},{first}"):
        assert [sequence.name for sequence in loading.load(tmp_path, spec)] == [second, first]
    assert [sequence.name for sequence in loading.load(tmp_path, f"{layout}:")] == NAMES[layout]
    with pytest.raises(InputError, match=f"unknown sequence '{first}x' of {layout} in .*did you mean '{first}'"):
        loading.load(tmp_path, f"{first}x")


def test_boxes_enclose_the_target(layout, tmp_path):
    """Boxes count pixels from 1, also for layouts whose files count from 0."""
    if layout == "video":
        pytest.skip("the codec blurs edges")
    sequence = loading.load(tmp_path)[0]
    for frame, (x, y, w, h) in zip((sequence.frames[at] for at in range(6)), sequence.boxes, strict=True):
        ys, xs = np.nonzero(frame[..., 0] > 128)
        assert [xs.min() + 1, ys.min() + 1, np.ptp(xs) + 1, np.ptp(ys) + 1] == [x, y, w, h]


def test_the_environment_and_the_commands_accept_each_layout(layout, tmp_path, capsys):
    name = NAMES[layout][1]
    env = gym.make("OTBTrack-v0", root=tmp_path, sequences=name, split="all", clip_length=3)
    env.reset(seed=0)
    assert env.step(np.full(4, 0.5, np.float32))[4]["dataset"] == layout
    assert cli.main(["sequences", "--root", str(tmp_path)]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [[name, "6"] for name in NAMES[layout]]
    out = str(tmp_path / "results")
    # VOT's own protocol needs anchors, which its older sequences do not have.
    flags = ["--protocol", "otb"] if layout == "vot" else []
    assert cli.main(["evaluate", "--tracker", "static", "--root", str(tmp_path), "--out", out, *flags]) == 0
    capsys.readouterr()
    assert cli.main(["score", f"{out}/static", "--root", str(tmp_path), "--json", *flags]) == 0
    scores = json.loads(capsys.readouterr().out)["sequences"]
    assert list(scores) == NAMES[layout]
    protocol = choose_protocol("otb" if flags else None, layout).name
    expected = score_boxes(np.repeat(TRUTH[:1], 6, axis=0), TRUTH, protocol=protocol, size=SIZE).parts["whole"]
    assert scores[name]["whole"]["auc"] == expected.auc


def test_the_got10k_root_is_the_data_set_or_one_of_its_folders(tmp_path):
    got10k(tmp_path)
    got10k(tmp_path, ["train/GOT-10k_Train_000001"])
    assert [sequence.name for sequence in loading.load(tmp_path, "val")] == NAMES["got10k"]
    assert [sequence.name for sequence in loading.load(tmp_path / "val")] == NAMES["got10k"]
    assert [sequence.name for sequence in loading.load(tmp_path)] == ["GOT-10k_Train_000001", *NAMES["got10k"]]


def test_a_list_with_missing_sequences_gives_a_warning(tmp_path, caplog):
    vot(tmp_path)
    write(tmp_path / "list.txt", "bag\nbasketball\n")
    with caplog.at_level(logging.WARNING):
        assert [sequence.name for sequence in loading.load(tmp_path)] == ["bag"]
    assert "1 of the 2 sequences of" in caplog.text and "missing: basketball" in caplog.text
    assert [sequence.name for sequence in loading.load(tmp_path, "ball")] == ["ball"]


def test_a_class_of_lasot_selects_its_sequences(tmp_path):
    lasot(tmp_path)
    assert [sequence.name for sequence in loading.load(tmp_path, "cat,airplane")] == [
        "cat-1",
        "airplane-1",
        "airplane-2",
    ]


def test_frames_flagged_as_absent_have_no_box(tmp_path):
    lasot(tmp_path / "lasot")
    folder = tmp_path / "lasot" / "cat" / "cat-1"
    write(folder / "full_occlusion.txt", "0,1,0,0,0,0\n")
    write(folder / "out_of_view.txt", "0,0,0,1,0,0\n")
    (sequence,) = loading.load(tmp_path / "lasot", "cat-1")
    assert sequence.annotated.tolist() == [True, False, True, False, True, True]
    assert_array_equal(sequence.boxes, TRUTH * sequence.annotated[:, None])
    got10k(tmp_path / "got10k")
    write(tmp_path / "got10k" / "val" / "GOT-10k_Val_000002" / "absence.label", "0\n0\n0\n0\n1\n1\n")
    assert loading.load(tmp_path / "got10k")[1].annotated.tolist() == [True] * 4 + [False] * 2


def test_got10k_frames_of_cover_0_have_no_box(tmp_path):
    got10k(tmp_path)
    label = tmp_path / "val" / "GOT-10k_Val_000001" / "cover.label"
    write(label, "8\n8\n0\n1\n8\n8\n")
    assert loading.load(tmp_path)[0].annotated.tolist() == [True, True, False, True, True, True]
    write(label, "8\n8\n9\n1\n8\n8\n")
    with pytest.raises(InputError, match=r"cover.label has 6 numbers; expected 0 to 8 for each of the 6 frames"):
        loading.load(tmp_path)


def test_nfs_at_30_fps_takes_every_eighth_box_of_240(tmp_path):
    nfs(tmp_path)
    path = tmp_path / "ball" / "30" / "ball.txt"
    first, *others = path.read_text().splitlines(keepends=True)
    path.write_text("".join([first * 8, *(line * 8 for line in others)]))
    assert_array_equal(loading.load(tmp_path, "ball")[0].boxes, TRUTH)
    path.write_text("".join([first, *others, others[-1]]))  # one row more than images
    assert_array_equal(loading.load(tmp_path, "ball")[0].boxes, TRUTH)
    path.write_text("".join([first, *others[:-1]]))  # one less
    assert_array_equal(loading.load(tmp_path, "ball")[0].boxes, TRUTH[:-1])
    path.write_text("".join([first, *others[:-2]]))
    with pytest.raises(InputError, match=r"ball\.txt has 4 boxes, .* 6 images; fetch the sequence again"):
        loading.load(tmp_path, "ball")
    path.write_text(first + "0 1 2 three 4 5 0 0 0 x\n")
    with pytest.raises(InputError, match=r"ball\.txt, line 2: got '0 1 2 three 4"):
        loading.load(tmp_path, "ball")


def test_a_root_with_both_frame_rates_of_nfs_is_read_at_30(tmp_path):
    nfs(tmp_path)
    nfs240(tmp_path)
    assert {sequence.dataset for sequence in loading.load(tmp_path)} == {"nfs"}
    assert {sequence.dataset for sequence in loading.load(tmp_path, "nfs240:")} == {"nfs240"}


def test_the_trackingnet_root_is_the_data_set_or_one_of_its_folders(tmp_path):
    trackingnet(tmp_path)
    write(tmp_path / "TEST" / "anno" / "c_0.txt", text(TRUTH))  # its images are not there yet
    write_images(tmp_path / "TRAIN_0" / "frames" / "d_0", range(6), digits=1)
    write(tmp_path / "TRAIN_0" / "anno" / "d_0.txt", text(TRUTH))
    assert [sequence.name for sequence in loading.load(tmp_path)] == ["a_0", "b_0", "d_0"]
    assert [sequence.name for sequence in loading.load(tmp_path, "TEST")] == ["a_0", "b_0"]
    assert [sequence.name for sequence in loading.load(tmp_path / "TEST")] == ["a_0", "b_0"]


def test_a_range_of_temple_color_that_does_not_fit_is_refused(tmp_path):
    tcolor128(tmp_path)
    frames = tmp_path / "Bee_ce" / "Bee_ce_frames.txt"
    frames.write_text("3,9\n")
    with pytest.raises(InputError, match=r"Bee_ce_gt\.txt has 6 boxes, tcolor128's Bee_ce 7"):
        loading.load(tmp_path)
    frames.write_text("3\n")
    with pytest.raises(InputError, match=r"Bee_ce_frames\.txt holds \[3\.0\]; expected the numbers of the first"):
        loading.load(tmp_path)


@pytest.mark.parametrize("row", ["NaN,NaN,NaN,NaN", "-1,-1,-1,-1", "1,1,-1,-1", "10,10,0,5", "inf,1,5,5"])
def test_invalid_boxes_become_rows_of_zeros(tmp_path, row):
    uav123(tmp_path)
    write(tmp_path / "anno" / "UAV123" / "bike1.txt", text(TRUTH[:2]) + row + "\n" + text(TRUTH[3:]))
    (sequence,) = loading.load(tmp_path, "bike1")
    assert sequence.boxes[2].tolist() == sequence.relative[2].tolist() == [0, 0, 0, 0]
    assert_array_equal(np.delete(sequence.boxes, 2, axis=0), np.delete(TRUTH, 2, axis=0))


def test_frames_without_a_box_are_scored_as_otb_scores_invalid_boxes(tmp_path):
    lasot(tmp_path)
    write(tmp_path / "cat" / "cat-1" / "out_of_view.txt", "0,0,0,1,1,1")
    (sequence,) = loading.load(tmp_path, "cat-1")
    assert_array_equal(metrics.overlaps(TRUTH, sequence.boxes), [1, 1, 1, -1, -1, -1])
    assert_array_equal(metrics.centre_errors(TRUTH, sequence.boxes), [0, 0, 0, -1, -1, -1])
    score = score_boxes(TRUTH, sequence.boxes).parts["whole"]
    assert (score.mean_iou, score.precision20, score.frames) == (0.5, 1, 6)


def test_a_box_partly_outside_the_image_is_valid(tmp_path):
    vot(tmp_path)
    write(tmp_path / "bag" / "groundtruth.txt", text([[-5, -4, 30, 20]] * 6))
    (sequence,) = loading.load(tmp_path, "bag")
    assert sequence.boxes.tolist() == [[-4, -3, 30, 20]] * 6


def test_vot_rows_can_be_boxes_polygons_or_codes(tmp_path):
    vot(tmp_path)
    write(
        tmp_path / "bag" / "groundtruth.txt",
        "10,5,30,20\n0\n20,0,30,10,20,20,10,10\nnan,nan,nan,nan\n" + text(TRUTH[:2]),
    )
    (sequence,) = loading.load(tmp_path, "bag")
    assert sequence.boxes[:4].tolist() == [[11, 6, 30, 20], [0] * 4, [11, 1, 20, 20], [0] * 4]
    assert sequence.polygons is not None
    assert sequence.polygons[:4].tolist() == [
        [11, 6, 41, 6, 41, 26, 11, 26],  # the corners of the box
        [0] * 8,
        [21, 1, 31, 11, 21, 21, 11, 11],
        [0] * 8,
    ]


def test_masks_of_vot_become_the_boxes_around_them_and_a_warning_says_so(tmp_path, caplog):
    vot(tmp_path)
    #     ..##.       The region's first pixel is 10, 20. Its runs: 2 out, 2 in, 3 out, 1 in, 7 out.
    #     ..#..
    #     .....
    mask = "m10,20,5,3,2,2,3,1,7"
    write(tmp_path / "bag" / "groundtruth.txt", "\n".join([mask, "m0,0,0,0", "m10,20,5,3,3,4,8", *[mask] * 3]) + "\n")
    (sequence,) = loading.load(tmp_path, "bag")
    # The third mask has four pixels from the end of the first row on, so it is as wide as the region.
    assert sequence.boxes[:3].tolist() == [[13, 21, 2, 2], [0] * 4, [11, 21, 5, 2]]
    assert sequence.polygons is None
    assert "has masks; the boxes around them are used" in caplog.text
    write(tmp_path / "bag" / "groundtruth.txt", "m0,0,3,3,1,9\n")
    with pytest.raises(InputError, match=r"line 1: got 'm0,0,3,3,1,9', expected four numbers .*, or a mask"):
        loading.load(tmp_path, "bag")


def test_vot_2014_to_2016_with_images_beside_the_boxes_is_read(tmp_path):
    write_images(tmp_path / "bag", range(1, 7))
    write(tmp_path / "bag" / "groundtruth.txt", text(corners(TRUTH - [1, 1, 0, 0])))
    assert layouts.detect_layout(tmp_path) == "vot"
    assert_array_equal(loading.load(tmp_path)[0].boxes, TRUTH)
    write(tmp_path / "bag" / "groundtruth.txt", text(TRUTH - [1, 1, 0, 0]))  # VOT 2013 looks like GOT-10k
    assert layouts.detect_layout(tmp_path) == "got10k"
    assert_array_equal(loading.load(tmp_path, "vot:bag")[0].boxes, TRUTH)


@given(points=st.lists(st.floats(-1e6, 1e6), min_size=8, max_size=8))
def test_the_box_of_a_polygon_is_its_bounding_box(points):
    x, y, w, h = other_benchmarks._box(points)
    xs, ys = np.array(points[::2]), np.array(points[1::2])
    assert (x, y) == (xs.min(), ys.min())
    np.testing.assert_allclose((x + w, y + h), (xs.max(), ys.max()), rtol=1e-12, atol=1e-9)


@given(flags=st.lists(st.booleans(), min_size=1, max_size=20), separator=st.sampled_from([",", "\n", " ", "\t", ", "]))
def test_flags_are_read_in_any_shape(tmp_path_factory, flags, separator):
    path = tmp_path_factory.getbasetemp() / "flags.txt"
    path.write_text(separator.join("01"[flag] for flag in flags))
    assert other_benchmarks._read_flags(path, len(flags)).tolist() == flags
    with pytest.raises(InputError, match=f"has {len(flags)} numbers; expected 0 or 1 for each of the {len(flags) + 1}"):
        other_benchmarks._read_flags(path, len(flags) + 1)


@given(data=st.one_of(st.binary(max_size=80), st.text("0123456789,.-enaif \t\r\n_m").map(str.encode)))
def test_no_annotation_file_raises_anything_but_input_error(tmp_path_factory, data):
    root = tmp_path_factory.getbasetemp() / "any"
    (root / "bag").mkdir(parents=True, exist_ok=True)
    (root / "bag" / "groundtruth.txt").write_bytes(data)
    for layout in ("vot", "got10k"):
        with pytest.raises(InputError) as caught:  # an undamaged file fails here, for lack of images
            loading.load(root, f"{layout}:")
        assert "\n" not in str(caught.value)


def test_the_ranges_of_uav123_are_complete_and_do_not_overlap():
    assert len(layouts.RANGES) == 51
    # The data set has 123 sequences of 91 videos; those of a video follow each other.
    assert 123 - len(layouts.RANGES) + len({part.folder for part in layouts.RANGES.values()}) == 91
    for (name, part), (after, following) in zip(layouts.RANGES.items(), list(layouts.RANGES.items())[1:], strict=False):
        assert part.first < part.last
        assert name.startswith(f"{part.folder}_")
        assert following.folder != part.folder or (following.first >= part.last and after > name)


def test_uav123_sequences_can_share_a_folder(tmp_path, monkeypatch):
    monkeypatch.setitem(layouts.RANGES, "car1_1", layouts.Range("car1", 1, 4))
    monkeypatch.setitem(layouts.RANGES, "car1_2", layouts.Range("car1", 4, 6))
    write_images(tmp_path / "data_seq" / "UAV123" / "car1", range(1, 8), digits=6)
    write(tmp_path / "anno" / "UAV123" / "car1_1.txt", text(TRUTH[:4]))
    write(tmp_path / "anno" / "UAV123" / "car1_2.txt", text(TRUTH[3:]))
    write(tmp_path / "anno" / "UAV123" / "bird1_1.txt", text(TRUTH))  # without images
    first, second = loading.load(tmp_path)
    assert [path.name for path in second.frames.paths] == ["000004.jpg", "000005.jpg", "000006.jpg"]
    assert_array_equal(first.boxes[3], second.boxes[0])
    with pytest.raises(InputError, match=r"bird1_1\.txt has 6 boxes, uav123's bird1_1 253"):
        loading.load(tmp_path, "bird1_1")


@pytest.mark.parametrize("kind", ["got10k", "video"])
def test_a_sequence_with_only_its_first_box_can_be_tracked_but_not_scored(tmp_path, kind, capsys):
    """The test set of GOT-10k, and a video of the user."""
    MAKERS[kind](tmp_path)
    for path in tmp_path.rglob("groundtruth.txt") if kind == "got10k" else tmp_path.glob("*.txt"):
        path.write_text(text(TRUTH[:1]))
        (path.parent / "absence.label").unlink(missing_ok=True)
    first, second = loading.load(tmp_path)
    assert_array_equal(first.boxes, np.pad(TRUTH[:1], ((0, 5), (0, 0))))
    out = tmp_path / "results"
    assert cli.main(["evaluate", "--tracker", "static", "--root", str(tmp_path), "--out", str(out)]) == 1
    assert f"{first.name}: only its first frame has a true box" in capsys.readouterr().err
    assert_array_equal(read_boxes(out / "static" / f"{second.name}.txt"), np.repeat(TRUTH[:1], 6, axis=0))


def test_a_video_file_is_accepted_as_root(tmp_path):
    video(tmp_path)
    assert [sequence.name for sequence in loading.load(tmp_path / "two.mp4")] == ["two"]
    (tmp_path / "two.txt").unlink()
    with pytest.raises(InputError, match=r"two\.mp4 has no first box; write .* to two\.txt"):
        loading.load(tmp_path / "two.mp4")


@pytest.mark.parametrize("kind", ["got10k", "lasot", "vot"])
def test_the_error_names_a_missing_image(tmp_path, kind):
    MAKERS[kind](tmp_path)
    name = NAMES[kind][0]
    next(tmp_path.rglob(f"{name}/**/00000004.jpg")).unlink()
    with pytest.raises(InputError, match=r"5 images for 6 boxes, the first missing is 00000004\.jpg"):
        loading.load(tmp_path, name)


def test_unreadable_folders_and_unknown_layouts_are_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"is empty or in no known layout; the layouts are otb .*got10k .*lasot .*uav123 .*"
    ):
        loading.load(tmp_path)
    with pytest.raises(InputError, match="unknown layout 'got10' in 'got10:val'; the layouts are otb"):
        loading.load(tmp_path, "got10:val")
    with pytest.raises(InputError, match=r"no folder .*nowhere; give one with"):
        loading.load(tmp_path / "nowhere", "vot:")
    with pytest.raises(InputError, match=r"no sequence of vot in .*; expected NAME/color"):
        loading.load(tmp_path, "vot:")
    with pytest.raises(InputError, match=r"unknown sequence 'suv' \(did you mean 'Suv'"):
        loading.load(tmp_path, "suv")
    lasot(tmp_path)
    write(tmp_path / "cat" / "cat-1" / "groundtruth.txt", text(TRUTH * 0))
    write(tmp_path / "cat" / "cat-1" / "out_of_view.txt", "0,0,2,0,0,0")
    with pytest.raises(InputError, match=r"out_of_view.txt has 6 numbers; expected 0 or 1 for each of the 6"):
        loading.load(tmp_path, "cat-1")
    (tmp_path / "dog").mkdir()
    (tmp_path / "cat" / "cat-1").rename(tmp_path / "dog" / "airplane-1")
    with pytest.raises(InputError, match=r"two sequences in .* are named 'airplane-1'"):
        loading.load(tmp_path)


def test_otb_folders_are_detected_as_otb(tmp_path):
    write_images(tmp_path / "mine" / "img", range(1, 7), digits=4)
    write(tmp_path / "mine" / "groundtruth_rect.txt", text(TRUTH))
    assert layouts.detect_layout(tmp_path) == "otb"
    for spec in ("mine", "otb:mine"):
        (sequence,) = loading.load(tmp_path, spec)
        assert (sequence.name, sequence.dataset) == ("mine", "otb")
