"""Which sequences and trackers a page shows, and its pictures."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest

from tracking_env import cli
from tracking_env.datasets.sequence import ArrayFrames
from tracking_env.errors import InputError
from tracking_env.evaluation.scoring import evaluate

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from tracking_env.report.gallery import Gallery, picture_frames  # noqa: E402
from tracking_env.report.summary import summarise  # noqa: E402

RIGHT = np.array([1.0, 0, 0, 0])
TRUTH = np.tile([60.0, 40, 50, 30], (90, 1))


def summaries(**shifts):
    truths = {f"video-{at}": TRUTH + at for at in range(5)}
    made = {}
    for name, shift in shifts.items():
        boxes = {video: truth + RIGHT * shift * (1 + int(video[-1])) for video, truth in truths.items()}
        made[name] = summarise(evaluate(boxes, truths))
    return made


def test_pictures_are_the_frames_320_pixels_wide():
    shades = np.array([0, 120, 240], np.uint8)[:, None, None, None]
    frames = ArrayFrames(np.broadcast_to(shades, (3, 48, 96, 3)))
    pictures = [base64.b64decode(uri.removeprefix("data:image/webp;base64,")) for uri in picture_frames(frames, [2, 0])]
    images = [Image.open(io.BytesIO(data)) for data in pictures]
    assert [image.size for image in images] == [(320, 160)] * 2
    assert [np.asarray(image).mean() for image in images] == pytest.approx([240, 0], abs=2)


def test_the_rival_is_the_best_other_tracker_that_is_no_baseline():
    made = summaries(static=9, ours=5, weak=8, strong=3, late=1)
    assert Gallery().choose_trackers(made) == ("ours", "strong")
    assert Gallery(ours="strong").choose_trackers(made) == ("strong", "ours")
    assert Gallery(rival="ours").choose_trackers(made) == ("weak", "ours")
    assert Gallery(ours="late", rival="static").choose_trackers(made) == ("late", "static")
    assert Gallery().choose_trackers({name: made[name] for name in ("late", "ours")}) == ("ours", "late")
    assert Gallery().choose_trackers({"ours": made["ours"]}) == ("ours", None)


def test_the_best_and_the_worst_sequence_are_chosen_from_many():
    summary = summaries(ours=5)["ours"]
    names = list(summary.sequences)
    assert Gallery(size=3).choose_sequences(summary, names) == ["video-0", "video-2", "video-4"]
    assert Gallery(size=9).choose_sequences(summary, names) == names
    assert Gallery(size=2).choose_sequences(summary, [*names, "not scored"]) == ["video-0", "not scored"]
    assert Gallery(size=0).choose_sequences(summary, names) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": -1}, "`gallery` is of -1 sequences; give a number from 0 on"),
        ({"ours": "a", "rival": "a"}, "`ours` and `rival` are both a"),
        ({"rival": "b"}, "`rival` is 'b', on the page are a"),
    ],
)
def test_wrong_gallery_options_are_one_line_errors(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Gallery(**options).choose_trackers(summaries(a=1))


@pytest.mark.otb
def test_a_page_of_thirteen_real_sequences_is_smaller_than_8_mb(otb_root: Path, tmp_path: Path) -> None:
    names = "Bird2,BlurBody,BlurCar2,CarScale,Couple,Dancer2,Diving,Human7,Jumping,Singer2,Skating1,Suv,Woman"
    real = ["--root", str(otb_root), "--sequences", names, "--out"]
    for tracker in ("static", "late"):
        assert cli.main(["evaluate", "--tracker", tracker, *real, str(tmp_path)]) == 0
    assert cli.main(["report", str(tmp_path / "late"), str(tmp_path / "static"), *real, str(tmp_path / "page")]) == 0
    assert 2e6 < (tmp_path / "page" / "index.html").stat().st_size < 8e6
