import shutil

import numpy as np
import pytest

from tracking_env.errors import InputError
from tracking_env.features.model_zoo import TRACKERS
from tracking_env.features.protobuf import Message
from tracking_env.search.experts import EXPERTS, make_expert
from tracking_env.search.experts.networks import find_weights, open_network

V3 = ("*backbone*.onnx", "*head*.onnx")


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


def test_downloaded_files_are_found(cache):
    cache.mkdir(parents=True)
    touch(cache, "nanotrackv3_backbone.onnx", "nanotrackv3_head.onnx")
    assert [path.name for path in find_weights("nanotrack-v3", V3)] == [file.name for file in TRACKERS["nanotrack-v3"]]


@pytest.mark.parametrize("name", EXPERTS)
def test_without_files_one_line_says_how_to_get_them(cache, name):
    with pytest.raises(
        InputError, match=rf"^{name} needs .*; type: tracking-env download {name}, or give .*`weights`$"
    ):
        make_expert(name)


def test_files_of_a_folder_are_found_by_name(tmp_path):
    folder = touch(tmp_path / "a", "nanotrack_backbone.onnx", "nanotrack_head_sim.onnx", "vitTracker.onnx")
    assert [path.name for path in find_weights("nanotrack-v3", V3, [folder])] == [
        "nanotrack_backbone.onnx",
        "nanotrack_head_sim.onnx",
    ]
    touch(folder, "nanotrackv3_backbone.onnx", "nanotrackv3_head.onnx")  # published names come first
    assert find_weights("nanotrack-v3", V3, [folder])[0].name == "nanotrackv3_backbone.onnx"
    (folder / "nanotrackv3_head.onnx").unlink()
    touch(folder, "second_head.onnx")
    with pytest.raises(InputError, match=r"holds 2 files \*head\*\.onnx, nanotrack-v3 needs one; type: tracking-env"):
        find_weights("nanotrack-v3", V3, [folder])


def test_fears_files_under_their_authors_names(tmp_path):
    folder = touch(tmp_path / "a", "TrackerInit.mlmodel", "Tracker.mlmodel")
    with pytest.raises(InputError, match=r"TrackerInit\.mlmodel is no network, or damaged: it holds no CoreML network"):
        make_expert("fear-xs", [folder])


def test_a_number_of_files_that_does_not_fit(tmp_path):
    with pytest.raises(
        InputError, match=r"needs nanotrackv3_backbone\.onnx and nanotrackv3_head\.onnx, or their folder"
    ):
        find_weights("nanotrack-v3", V3, [tmp_path / "a.onnx"])


def test_an_unknown_expert():
    with pytest.raises(
        InputError, match=r"unknown expert 'fear' \(did you mean 'fear-xs'\?\); there are nanotrack-v3, fear"
    ):
        make_expert("fear")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.onnx", None, r"cannot read .*a\.onnx: No such file"),
        ("a.onnx", b"", r"a\.onnx is no network, or damaged: it holds no graph; fetch it again"),
        ("a.onnx", b"<html>moved</html>", r"a\.onnx is no network, or damaged: .*; fetch it again"),
        ("a.mlmodel", b"no model", r"a\.mlmodel is no network, or damaged: .*; fetch it again"),
        ("a.onnx", Message().add(7, Message().add(1, b"").add(11, b"")).write(), r"cannot read .*a\.onnx: .*fetch it"),
    ],
)
def test_damaged_files_are_refused_in_one_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        open_network(tmp_path / name, "cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.otb
def test_files_that_broke_off_are_refused(expert_files, tmp_path):
    for file in (file for name in EXPERTS for file in TRACKERS[name]):
        content = (expert_files / file.name).read_bytes()
        for part in (0.01, 0.5, 0.999):
            (tmp_path / file.name).write_bytes(content[: int(part * len(content))])
            with pytest.raises(InputError, match="fetch it again"):
                open_network(tmp_path / file.name, "cpu")


@pytest.mark.otb
@pytest.mark.parametrize("name", EXPERTS)
def test_another_networks_files_are_refused_in_one_line(expert_files, nanotrack, name):
    others = {
        "nanotrack-v3": [*sorted(nanotrack.glob("*.onnx"))],
        "fear-xs": [expert_files / "fear_xs_tracker.mlmodel", expert_files / "vittrack_2023jul.onnx"],
        "vittrack": [expert_files / "nanotrackv3_head.onnx"],
    }
    for files in (others[name], others[name][::-1]):
        with pytest.raises(
            InputError, match=rf"cannot run as {name}: .* type: tracking-env download {name}$"
        ) as caught:
            make_expert(name, files)
        assert "\n" not in str(caught.value)


@pytest.mark.otb
def test_ids_tell_files_apart(expert_files, tmp_path):
    (name,) = (file.name for file in TRACKERS["vittrack"])
    shutil.copy(expert_files / name, tmp_path / "vittrack_mine.onnx")
    first, second = make_expert("vittrack", [expert_files]), make_expert("vittrack", [tmp_path])
    assert first.id == second.id == TRACKERS["vittrack"][0].sha256[:8]
    changed = bytearray((expert_files / name).read_bytes())
    position = changed.index(np.float32(0.9998999834060669).tobytes())
    changed[position : position + 4] = np.float32(0.9).tobytes()
    (tmp_path / "vittrack_mine.onnx").write_bytes(changed)
    assert make_expert("vittrack", [tmp_path]).id != first.id
