"""The gallery on the page of a report."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest

from tracking_env import cli
from tracking_env.datasets import synthetic
from tracking_env.datasets.sequence import ArrayFrames
from tracking_env.errors import InputError
from tracking_env.evaluation.result_files import write_result
from tracking_env.evaluation.scoring import evaluate
from tracking_env.rendering import COLOURS

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from tracking_env.report import gallery, page_content  # noqa: E402
from tracking_env.report.gallery import SEEN, UNSEEN, Gallery, animate  # noqa: E402

RIGHT = np.array([1.0, 0, 0, 0])
TRUTH = np.tile([60.0, 40, 50, 30], (90, 1))


def opened(uri):
    assert uri.startswith("data:image/webp;base64,")
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def frames(image):
    pictures = []
    for at in range(image.n_frames):
        image.seek(at)
        pictures.append(np.asarray(image.convert("RGB"), int))
    return pictures


def near(pixel, colour):
    return np.abs(np.asarray(pixel) - colour).max() < 70  # colours are coarse in a WebP


@pytest.fixture(scope="module")
def animation():
    """An animation of 90 grey frames. The box of the agent moves to the right, that of the rival stays on the left."""
    grey = ArrayFrames(np.full((90, 240, 320, 3), 128, np.uint8))
    agent = TRUTH + np.arange(90)[:, None] * RIGHT * 2
    return animate("grey", grey, TRUTH, {"rival": TRUTH - RIGHT * 40, "agent": agent}, 30)


def test_an_animation_shows_the_first_to_the_last_frame_and_repeats(animation):
    image = opened(animation.moving)
    assert (image.n_frames, image.size, image.info["loop"]) == (gallery.PICTURES, (320, 252), 0)
    pictures = frames(image)
    agent = []
    for picture in pictures:
        red = (picture[:240] - COLOURS["agent"]).__abs__().max(axis=-1) < 60
        agent.append(np.flatnonzero(red.any(axis=0)).max())
    assert agent[0] == pytest.approx(59 + 50, abs=3) and agent[-1] == pytest.approx(59 + 50 + 2 * 89, abs=3)
    assert agent == sorted(agent)
    for role, left in (("truth", 59), ("rival", 19)):
        assert any(near(pixel, COLOURS[role]) for pixel in pictures[-1][55, left - 1 : left + 2]), role


def test_a_bar_on_every_picture_marks_the_seen_third(animation):
    pictures = frames(opened(animation.moving))
    for at, picture in enumerate(pictures):
        bar = picture[246]
        mark = [column for column in range(320) if near(bar[column], (255, 255, 255))]
        assert np.mean(mark) == pytest.approx(320 * (at / (len(pictures) - 1) * 89 + 0.5) / 90, abs=4)
        for column in (10, 95, 118, 310):
            if min(abs(column - other) for other in mark) > 8:
                assert near(bar[column], SEEN if column < 320 / 3 else UNSEEN)


def test_each_caption_names_the_part(monkeypatch):
    captions = []
    monkeypatch.setattr(
        gallery.film_strips, "draw_frame", lambda *args: captions.append(args[3]) or np.zeros((9, 320, 3), np.uint8)
    )
    animate("x", None, TRUTH[:6], {}, 2)
    assert captions == ["1 seen", "2 seen", "3 unseen", "4 unseen", "5 unseen", "6 unseen"]


def test_the_still_picture_is_the_middle_one(animation):
    still = opened(animation.still)
    assert getattr(still, "n_frames", 1) == 1
    middle = frames(opened(animation.moving))[gallery.PICTURES // 2]
    assert np.abs(np.asarray(still.convert("RGB"), int) - middle).mean() < 5


def reports(**shifts):
    truths = {f"video-{at}": TRUTH + at for at in range(5)}
    return {
        name: evaluate({video: truth + RIGHT * shift * (1 + int(video[-1])) for video, truth in truths.items()}, truths)
        for name, shift in shifts.items()
    }


def test_the_rival_is_the_best_other_tracker_that_is_no_baseline():
    made = reports(static=9, ours=5, weak=8, strong=3, late=1)
    assert Gallery().choose_trackers(made) == ("ours", "strong")
    assert Gallery(ours="strong").choose_trackers(made) == ("strong", "ours")
    assert Gallery(rival="ours").choose_trackers(made) == ("weak", "ours")
    assert Gallery(ours="late", rival="static").choose_trackers(made) == ("late", "static")
    assert Gallery().choose_trackers({name: made[name] for name in ("late", "ours")}) == ("ours", "late")
    assert Gallery().choose_trackers({"ours": made["ours"]}) == ("ours", None)


def test_the_best_and_the_worst_sequence_are_chosen_from_many():
    report = reports(ours=5)["ours"]
    names = list(report.sequences)
    assert Gallery(size=3).choose_sequences(report, names) == ["video-0", "video-2", "video-4"]
    assert Gallery(size=9).choose_sequences(report, names) == names
    assert Gallery(size=0).choose_sequences(report, names) == []


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch):
    """Replace the plots, which take longer than everything else."""
    monkeypatch.setattr(page_content.Page, "_plot", lambda *_: "")


def page(tmp_path, *flags, folders=("mine", "other")):
    sequences = synthetic.parse("synthetic:1-2")
    for name in folders:
        for sequence in sequences[: 1 if name == "half" else 2]:
            write_result(
                tmp_path / name / f"{sequence.name}.txt", sequence.boxes + RIGHT * (2 if name == "mine" else 5)
            )
    paths = [str(tmp_path / name) for name in folders]
    code = cli.main(["report", *paths, "--sequences", "synthetic:1-2", "--out", str(tmp_path / "page"), *flags])
    return code, (tmp_path / "page" / "index.html").read_text(encoding="utf-8")


def section(text):
    return re.search(r'<section id="gallery">.*?</section>', text, re.DOTALL)[0]


def test_the_page_shows_an_animation_of_each_sequence(tmp_path):
    code, text = page(tmp_path)
    assert code == 0
    shown = section(text)
    assert re.findall(r'<img src="data:image/webp;[^"]*" loading="lazy" alt="([^"]*)"', shown) == [
        f"Synthetic-{at:04d}: true box, mine, other" for at in (1, 2)
    ]
    assert shown.count('media="(prefers-reduced-motion: reduce)" srcset="data:image/webp;') == 2
    scores = re.findall(r"seen (\d\.\d\d) against (\d\.\d\d)", shown)
    assert len(scores) == 4 and all(ours > rival for ours, rival in scores)


def test_zero_animations_leave_the_gallery_out(tmp_path):
    _, text = page(tmp_path, "--gallery", "0")
    assert "#gallery" not in text and "image/webp" not in text


def test_the_page_states_the_number_of_animations(tmp_path):
    _, text = page(tmp_path, "--gallery", "1")
    assert section(text).count("<img") == 1 and "1 of 2 from the best to the worst of mine" in text


def test_a_rival_without_a_result_is_left_out_of_that_animation(tmp_path):
    code, text = page(tmp_path, folders=("mine", "half"))
    assert code == 1 and section(text).count("<img") == 2
    assert len(re.findall(r"against", section(text))) == 2


def test_annotations_alone_have_no_animations(tmp_path):
    truth = np.tile([60.0, 40, 50, 30], (140, 1))
    write_result(tmp_path / "truth" / "Couple.txt", truth)
    write_result(tmp_path / "mine" / "Couple.txt", truth)
    flags = ["--annotations", str(tmp_path / "truth"), "--sequences", "Couple", "--out", str(tmp_path / "page")]
    assert cli.main(["report", str(tmp_path / "mine"), *flags]) == 0
    shown = section((tmp_path / "page" / "index.html").read_text(encoding="utf-8"))
    assert "No animations: there are only annotations here, no frames; give --root" in shown and "<img" not in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": -1}, "--gallery is -1; give a number of sequences, 0 for none"),
        ({"ours": "a", "rival": "a"}, "--ours and --rival are both a"),
        ({"rival": "b"}, "--rival is 'b', on the page are a"),
    ],
)
def test_wrong_gallery_options_are_one_line_errors(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Gallery(**options).choose_trackers(reports(a=1))


@pytest.mark.otb
def test_a_page_of_thirteen_real_sequences_is_smaller_than_8_mb(otb_root: Path, tmp_path: Path) -> None:
    names = "Bird2,BlurBody,BlurCar2,CarScale,Couple,Dancer2,Diving,Human7,Jumping,Singer2,Skating1,Suv,Woman"
    real = ["--root", str(otb_root), "--sequences", names, "--out"]
    for tracker in ("static", "late"):
        assert cli.main(["evaluate", "--tracker", tracker, *real, str(tmp_path)]) == 0
    assert cli.main(["report", str(tmp_path / "late"), str(tmp_path / "static"), *real, str(tmp_path / "page")]) == 0
    assert 2e6 < (tmp_path / "page" / "index.html").stat().st_size < 8e6
