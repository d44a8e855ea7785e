import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracking_env import cli
from tracking_env.datasets import image_header, otb
from tracking_env.datasets.images import read_image
from tracking_env.datasets.validation.folder import check
from tracking_env.errors import InputError

RED = np.full((8, 12, 3), (0, 0, 255), np.uint8)
ROWS = [f"{at},2,5,6" for at in range(1, 7)]


def encoded(picture: np.ndarray = RED, suffix: str = ".jpg") -> bytes:
    return cv2.imencode(suffix, picture)[1].tobytes()


def cmyk() -> bytes:
    """A JPEG with four components in its header, which the check takes for CMYK."""
    data = bytearray(encoded())
    frame = data.index(b"\xff\xc0")
    data[frame + 9] = 4
    data[frame + 10 : frame + 10] = bytes(data[frame + 10 : frame + 13])
    data[frame + 3] += 3
    scan = data.index(b"\xff\xda")
    data[scan + 4] = 4
    data[scan + 5 : scan + 5] = bytes(data[scan + 5 : scan + 7])
    data[scan + 3] += 2
    return bytes(data)


def with_thumbnail(data: bytes) -> bytes:
    """A JPEG with another one in its header, as cameras write them."""
    inner = b"Exif\0\0" + encoded()
    return data[:2] + b"\xff\xe1" + (len(inner) + 2).to_bytes(2, "big") + inner + data[2:]


def make(folder: Path, rows: list[str] = ROWS, frames: range = range(1, 7)) -> Path:
    (folder / "img").mkdir(parents=True)
    for number in frames:
        (folder / "img" / f"{number:04d}.jpg").write_bytes(encoded())
    (folder / "groundtruth_rect.txt").write_text("\n".join(rows) + "\n")
    return folder


def truth(data: bytes | str):
    def damage(folder: Path) -> None:
        (folder / "groundtruth_rect.txt").write_bytes(data.encode() if isinstance(data, str) else data)

    return damage


def row(at: int, text: str):
    return truth("\n".join([*ROWS[: at - 1], text, *ROWS[at:]]) + "\n")


def frame(name: str, data: bytes):
    return lambda folder: (folder / "img" / name).write_bytes(data)


def moved(name: str, to: str):
    return lambda folder: (folder / name).rename(folder / to)


def one_too_deep(folder: Path) -> None:
    (folder / folder.name).mkdir()
    for name in ("img", "groundtruth_rect.txt"):
        (folder / name).rename(folder / folder.name / name)


def without(pattern: str):
    def damage(folder: Path) -> None:
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def frames_beside(folder: Path) -> None:
    for path in (folder / "img").iterdir():
        path.rename(folder / path.name)
    (folder / "img").rmdir()


FAULTS = {
    "missing": (without("img/000[34].jpg"), "frames are missing: 3-4"),
    "twice": (frame("2.png", encoded(suffix=".png")), r"frames are there twice: 2 \(0002.jpg and 2.png\); keep one"),
    "truncated": (frame("0002.jpg", encoded()[:-20]), "frames are truncated: 2; fetch"),
    "truncated-exif": (frame("0002.jpg", with_thumbnail(encoded())[:-20]), "frames are truncated: 2"),
    "empty": (frame("0001.jpg", b""), "no images that can be read: 1"),
    "page": (frame("0005.jpg", b"<html>moved</html>"), "no images that can be read: 5"),
    "grey": (frame("0006.jpg", encoded(RED[..., 0])), "grey among coloured ones: 6"),
    "cmyk": (frame("0004.jpg", cmyk()), "frames are CMYK: 4; save them as RGB"),
    "alpha": (frame("0003.jpg", encoded(np.dstack([RED, RED[..., 0]]), ".png")), "frames are transparent: 3"),
    "size": (frame("0004.jpg", encoded(RED[:4])), "frames have 12x4 pixels, the first has 12x8: 4"),
    "no-images": (without("img/*"), "holds no images"),
    "no-img": (without("img"), "has no folder img"),
    "beside": (frames_beside, "has no folder img for its frames; move them there"),
    "upper-img": (moved("img", "IMG"), "should be named img; rename it"),
    "too-deep": (one_too_deep, "lies one folder too deep; move what is in it up"),
    "upper-truth": (moved("groundtruth_rect.txt", "GroundTruth_Rect.TXT"), "should be named groundtruth_rect.txt"),
    "no-truth": (without("groundtruth_rect.txt"), "groundtruth_rect.txt: is not there; fetch"),
    "other-truth": (moved("groundtruth_rect.txt", "groundtruth.txt"), "is not there; if groundtruth.txt is meant"),
    "no-boxes": (truth("\n\n"), "has no boxes; write x,y,w,h"),
    "too-many": (truth("\n".join([*ROWS, *ROWS])), "frames are missing: 7-12"),
    "outside": (row(3, "13,2,5,6"), "outside of the 12x8 pixels: 3; write x,y,w,h in pixels"),
    "corners": (truth("8,4,11,7\n" * 6), "reach beyond the 12x8 pixels: 1-6; write w,h as third and fourth"),
    "nan": (row(2, "1,NaN,5,6"), "1 boxes are not finite, the first in line 2; write 0,0,0,0"),
    "infinite": (row(6, "1,2,inf,6"), "not finite, the first in line 6"),
    "negative": (row(5, "1,2,-3,4"), "a side below 0: 5"),
    "no-first": (row(1, "0,0,0,0"), "the first frame has no box"),
    "separator": (row(4, "1|2|3|4"), "line 4 is .1.2.3.4.; separate the numbers by commas"),
    "comma": (row(4, "1,5 2,5 3,0 4,0"), "line 4 is .*; write decimals with a point"),
    "decimal-comma": (row(4, "1,5;2,5;3,0;4,0"), "line 4 is .*; write decimals with a point"),
    "three": (truth("1,2,3\n" * 6), "line 1 is '1,2,3', and 5 more such lines; write four numbers"),
    "binary": (truth(encoded()), "is no text"),
    "folder": (lambda at: (without("groundtruth_rect.txt")(at), (at / "groundtruth_rect.txt").mkdir()), "cannot be"),
}
NOTES = {
    "windows": (truth("\r\n".join(ROWS)), "Windows line ends; read all the same"),
    "mark": (truth("\ufeff" + "\n".join(ROWS)), "begins with a byte order mark"),
    "utf-16": (truth("\n".join(ROWS).encode("utf-16")), "is UTF-16 text; read all the same; save it as UTF-8"),
    "blank": (truth("\n\n".join(ROWS)), "has 5 blank lines; they are skipped"),
    "extra": (frame("0008.jpg", b""), "has 1 images beyond the 6 that count: 8; they are not read"),
    "others": (frame("cover.jpg", b""), "has 1 other files: cover.jpg"),
    "upper-suffix": (moved("img/0002.jpg", "img/0002.JPG"), "names in .JPG; read all the same; rename them to .jpg"),
    "all-grey": (lambda at: [frame(f"000{n}.jpg", encoded(RED[..., 0]))(at) for n in range(1, 7)], "are grey"),
    "unseen": (row(3, "0,0,0,0"), "no box in 1 frames: 3; they are not scored"),
    "rim": (row(3, "9,2,5,6"), "reach beyond the 12x8 pixels: 3; targets at the border"),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A folder with one sequence per kind of damage, and an undamaged one."""
    folder = tmp_path_factory.mktemp("otb")
    make(folder / "good")
    for name, (damage, _) in {**FAULTS, **NOTES}.items():
        damage(make(folder / name))
    return folder


def test_a_pass_reports_every_fault_and_no_others(root):
    checked = check(root)
    assert sorted(checked.sequences) == sorted(["good", *FAULTS, *NOTES])
    lines_of: dict[str, list[str]] = {}
    for finding in checked.findings:
        lines_of.setdefault(finding.sequence, []).append(str(finding))
    assert {name: len(lines) for name, lines in lines_of.items()} == dict.fromkeys([*FAULTS, *NOTES], 1)
    for kind, table in (("fault", FAULTS), ("note", NOTES)):
        for name, (_, message) in table.items():
            assert re.match(rf"{kind}  {name}.*{message}", lines_of[name][0]), (name, lines_of[name][0])
    assert checked.faults == len(FAULTS)


def test_faults_are_refused_by_the_library_and_notes_are_read(root):
    """The check and the loader agree. The exceptions are the faults that still load."""
    loads = {  # with wrong pixels or boxes
        *("twice", "grey", "cmyk", "alpha", "outside", "corners", "negative", "no-first"),
    }
    for name in ("good", *FAULTS, *NOTES):
        try:
            sequence = otb.load_sequence(root, name)
            for index in range(len(sequence)):
                sequence.frames[index]
            refused = False
        except InputError:
            refused = True
        assert refused == (name in FAULTS and name not in loads), name


def test_the_command_prints_faults_notes_and_a_summary(root, tmp_path, capsys):
    assert cli.main(["check", "--root", str(root)]) == 1
    out = capsys.readouterr().out.splitlines()
    faults, notes = len(FAULTS), len(NOTES)
    assert [line[:5] for line in out[:-1]] == ["fault"] * faults + ["note "] * notes
    assert out[-1].startswith(f"{faults + notes + 1} sequences, ")
    assert out[-1].endswith(f" frames decoded: {faults} faults, {notes} notes")
    assert cli.main(["check", "--root", str(root), "--sequences", "good,windows", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    (note,) = content["findings"]
    assert (content["sequences"], content["frames"], content["faults"]) == (["good", "windows"], 12, 0)
    assert (note["sequence"], note["path"], note["fault"]) == ("windows", "windows/groundtruth_rect.txt", False)
    assert cli.main(["check", "--root", str(tmp_path / "none")]) == 2
    assert "no folder" in capsys.readouterr().err


def test_official_sequences_are_compared_with_the_table(tmp_path):
    rows = ["1,2,5,6"] * 71
    make(tmp_path / "Deer", rows, range(1, 90))
    make(tmp_path / "DIVING", rows, range(1, 216))
    (extra, upper, count) = map(str, check(tmp_path).findings)
    assert extra == "note  Deer/img: has 18 images beyond the 71 that count: 72-89; they are not read"
    assert upper == "fault  DIVING: should be named Diving; rename it to Diving"
    assert count.startswith("fault  DIVING/groundtruth_rect.txt: has 71 boxes, OTB's Diving has 215; fetch")


def test_two_targets_share_their_frames(tmp_path):
    folder = make(tmp_path / "Jogging", ["1,2,5,6"] * 307, range(1, 308))
    (folder / "groundtruth_rect.txt").rename(folder / "groundtruth_rect.1.txt")
    checked = check(tmp_path)
    (fault,) = checked.findings
    assert (checked.sequences, checked.frames) == (("Jogging-1", "Jogging-2"), 307)
    assert (fault.sequence, fault.path, fault.problem) == (
        "Jogging-2",
        "Jogging/groundtruth_rect.2.txt",
        "is not there",
    )


def test_missing_requested_sequences_are_refused(tmp_path):
    make(tmp_path / "mine")
    (fault,) = check(tmp_path, "mine,Suv").findings
    assert (fault.sequence, str(fault)) == ("Suv", "fault  Suv: is not there; fetch the sequence, or leave it out")
    assert len(check(tmp_path, "otb100").findings) == 98  # folders
    with pytest.raises(InputError, match="did you mean 'Suv'"):
        check(tmp_path, "suv")


def test_folders_of_another_layout_are_refused(tmp_path):
    with pytest.raises(InputError, match="no OTB sequence in"):
        check(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "groundtruth.txt").write_text("1,2,3,4\n")
    with pytest.raises(InputError, match="is in the layout of got10k; check reads OTB's"):
        check(tmp_path)


def test_pixel_format_names_the_colour_space():
    assert image_header.pixel_format(encoded()) == image_header.pixel_format(encoded(suffix=".png")) == "RGB"
    assert (
        image_header.pixel_format(encoded(RED[..., 0]))
        == image_header.pixel_format(encoded(RED[..., 0], ".png"))
        == "grey"
    )
    assert image_header.pixel_format(with_thumbnail(cmyk())) == "CMYK"
    assert image_header.pixel_format(b"GIF89a") == image_header.pixel_format(b"") == ""
    assert all(image_header.pixel_format(data[:end]) in ("", "RGB") for data in [encoded()] for end in range(len(data)))


def test_a_thumbnail_in_the_header_does_not_hide_a_truncated_picture(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(with_thumbnail(encoded()) + b"\xff\xda behind the end")
    assert read_image(path).shape == RED.shape
    path.write_bytes(with_thumbnail(encoded())[:-2])
    with pytest.raises(InputError, match="truncated JPEG"):
        read_image(path)


@pytest.mark.otb
def test_the_real_folder_has_no_faults(otb_root):
    some = [name for name in ("BlurBody", "Couple", "Diving", "Football1") if (otb_root / name).is_dir()]
    checked = check(otb_root, ",".join(some))
    assert (checked.sequences, checked.faults, checked.frames) == (
        tuple(some),
        0,
        sum(otb.TABLE[name].frames for name in some),
    )
    beyond = {finding.sequence for finding in checked.findings if "images beyond" in finding.problem}
    assert beyond == {"Diving", "Football1"} & {*some}
