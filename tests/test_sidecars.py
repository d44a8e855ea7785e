"""Files that other programs leave in folders change no result: hidden ones, thumbnails, backups."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracking_env.apps.video_source import open_source
from tracking_env.datasets import layouts, loading
from tracking_env.datasets.validation.folder import check
from tracking_env.evaluation.result_files import read_results
from tracking_env.features import maps
from tracking_env.files import is_used_for_something_else, list_folder
from tracking_env.registry import TrackerSpec
from tracking_env.rendering import write_video
from tracking_env.search.experts.networks import find_weights
from tracking_env.trackers.checkpoint import numbered

APPLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(40)
BOXES = "1,1,8,6\n2,1,8,6\n3,1,8,6\n"


def litter(root: Path) -> None:
    """Leave the files of macOS, Windows and editors in a folder and in all folders in it."""
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        for path in list(folder.iterdir()):
            if path.is_file():
                (folder / f"._{path.name}").write_bytes(APPLE)
                (folder / f"{path.name}~").write_bytes(b"old")
                (folder / f".{path.name}.swp").write_bytes(b"old")
        for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
            (folder / name).write_bytes(APPLE)
    hidden = root / "__MACOSX"
    shutil.copytree(root, hidden, ignore=shutil.ignore_patterns("__MACOSX"))
    for path in list(hidden.rglob("*")):
        if path.is_file():
            path.write_bytes(APPLE)


def write_frames(folder: Path, pattern: str) -> None:
    folder.mkdir(parents=True)
    for number in range(1, 4):
        cv2.imwrite(str(folder / pattern.format(number)), np.full((24, 32, 3), 40 * number, np.uint8))


def make_otb(root: Path) -> None:
    write_frames(root / "clip" / "img", "{:04d}.png")
    (root / "clip" / "groundtruth_rect.txt").write_text(BOXES)


def make_got10k(root: Path) -> None:
    write_frames(root / "train" / "clip", "{:08d}.png")
    (root / "train" / "clip" / "groundtruth.txt").write_text(BOXES)


def make_lasot(root: Path) -> None:
    write_frames(root / "cat" / "clip" / "img", "{:08d}.png")
    (root / "cat" / "clip" / "groundtruth.txt").write_text(BOXES)


def make_vot(root: Path) -> None:
    write_frames(root / "clip" / "color", "{:08d}.png")
    (root / "clip" / "groundtruth.txt").write_text(BOXES)


def make_uav123(root: Path) -> None:
    write_frames(root / "data_seq" / "UAV123" / "clip", "{:06d}.png")
    (root / "anno" / "UAV123").mkdir(parents=True)
    (root / "anno" / "UAV123" / "clip.txt").write_text(BOXES)


def make_videos(root: Path) -> None:
    write_video(root / "clip.mp4", [np.full((24, 32, 3), 40 * number, np.uint8) for number in range(3)])
    (root / "clip.txt").write_text(BOXES)


LAYOUTS = {
    "otb": make_otb,
    "got10k": make_got10k,
    "lasot": make_lasot,
    "vot": make_vot,
    "uav123": make_uav123,
    "video": make_videos,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_sequences_are_loaded_as_without_sidecars(layout, tmp_path, own_cache):
    LAYOUTS[layout](tmp_path / "root")
    litter(tmp_path / "root")
    assert layouts.detect_layout(tmp_path / "root") == layout
    (sequence,) = loading.load(tmp_path / "root")
    assert (sequence.name, len(sequence), sequence.frames[2].shape) == ("clip", 3, (24, 32, 3))


def test_check_finds_no_fault_in_sidecars(tmp_path):
    make_otb(tmp_path)
    litter(tmp_path)
    checked = check(tmp_path)
    assert (checked.sequences, checked.frames, checked.findings) == (("clip",), 3, ())


@pytest.mark.parametrize("pattern", ["{:04d}.png", "img_{}.png"])
def test_images_of_a_folder_are_tracked_without_sidecars(pattern, tmp_path):
    write_frames(tmp_path / "shots", pattern)
    litter(tmp_path / "shots")
    assert len(list(open_source(str(tmp_path / "shots")).frames)) == 3


@pytest.mark.parametrize("file", ["clip.txt", "run-1/clip.txt", "clip/clip_001.txt"])
def test_results_are_read_without_sidecars(file, tmp_path):
    path = tmp_path / "tracker" / file
    path.parent.mkdir(parents=True)
    path.write_text(BOXES)
    litter(tmp_path / "tracker")
    results = read_results(tmp_path / "tracker", ["clip"])
    assert (results.unreadable, [len(run["clip"]) for run in results.runs]) == ({}, [3])


def test_weights_are_found_beside_sidecars(tmp_path):
    for name in ("a_backbone_sim.onnx", "a_head_sim.onnx", "vit.onnx", "0007", "0012"):
        (tmp_path / name).mkdir() if name.isdecimal() else (tmp_path / name).write_bytes(b"weights")
    litter(tmp_path)
    assert [path.name for path in TrackerSpec("nano", (tmp_path,))._weights_files()] == [
        "a_backbone_sim.onnx",
        "a_head_sim.onnx",
    ]
    assert maps._file(tmp_path, "backbone").name == "a_backbone_sim.onnx"
    assert [path.name for path in find_weights("vittrack", ["vit*.onnx"], [tmp_path])] == ["vit.onnx"]
    assert [path.name for path in numbered(tmp_path)] == ["0007", "0012"]


def test_a_folder_of_sidecars_alone_counts_as_empty(tmp_path):
    litter(tmp_path)
    assert list_folder(tmp_path) == []
    assert not is_used_for_something_else(tmp_path, "store.json")


def test_names_that_only_resemble_sidecars_are_listed(tmp_path):
    names = ["#1 car.txt", "clip.backup.txt", "thumbs.txt", "x~1.txt"]
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in list_folder(tmp_path)] == names
