import sys

import numpy as np
import pytest

from tests.helpers.paths import ROOT
from tracking_env import rendering
from tracking_env.datasets.video import VideoFrames

image = pytest.importorskip("PIL.Image", reason="pillow is not installed: pip install 'pillow>=10'")
pytest.importorskip("matplotlib")
pytest.importorskip("fcntl", reason="there are no pseudo terminals")
DOCS = ROOT / "docs"


@pytest.fixture
def session(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    yield __import__("make_session")
    for name in ("make_session", "make_gifs"):
        sys.modules.pop(name, None)


def test_the_terminal_handles_new_lines_carriage_returns_and_its_width(session):
    terminal = session.Terminal()
    terminal.write("50% half\r100%\nnext\x1b[1m\n" + "x" * (session.COLUMNS + 2))
    assert terminal.lines == ["100%half", "next", "x" * session.COLUMNS, "xx"]
    assert terminal.picture().size == session.Terminal().picture().size


def test_a_command_runs_in_a_terminal_with_timed_output(session, tmp_path):
    printed = session.run("test -t 1 && pwd && sleep 0.3 && echo done", tmp_path)
    assert "".join(text for _, text in printed).split() == [str(tmp_path), "done"]
    assert max(seconds for seconds, _ in printed) > 0.2
    with pytest.raises(SystemExit, match="false failed"):
        session.run("false", tmp_path)


def test_the_recording_is_a_gif_with_the_overlay_at_its_end(session, tmp_path):
    path = tmp_path / "video.mp4"
    colours = [rendering.COLOURS["truth"], rendering.COLOURS["agent"]]
    frames = [image.new("RGB", session.SIZE, colour) for colour in colours for _ in range(session.EVERY)]

    rendering.write_video(path, [np.asarray(frame) for frame in frames])
    terminal = session.Terminal()
    before = [(terminal.picture(), 0.5), (terminal.picture(), 0.01)]
    session.write(tmp_path / "session.gif", before + session.overlay(terminal.picture(), VideoFrames(path)))
    with image.open(tmp_path / "session.gif") as recording:
        recording.seek(recording.n_frames - 1)
        assert recording.info["duration"] == 2000 and recording.info["loop"] == 0
        corner = recording.convert("RGB").getpixel((recording.width - 40, recording.height - 40))
    assert corner == pytest.approx(rendering.COLOURS["agent"], abs=12)


def test_the_published_recording_is_small():
    with image.open(DOCS / "images/session.gif") as shown:
        assert shown.n_frames > 30
    assert (DOCS / "images/session.gif").stat().st_size < 1_000_000
