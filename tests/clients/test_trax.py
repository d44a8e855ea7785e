import configparser
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.helpers.paths import ROOT
from tracking_env import cli
from tracking_env.clients.trax import serve, trackers_ini
from tracking_env.errors import InputError

TRACKERS = """
class Right:
    def init(self, frame, box):
        assert frame[0, 0].tolist() == [200, 100, 50]  # RGB
        self.box = box.copy()
    def update(self, frame):
        self.box[0] += 1
        return self.box

class Fails(Right):
    def update(self, frame):
        raise ArithmeticError("lost it")
"""

CLIENT = """
import json, os, shlex, subprocess, sys
import trax
from trax.client import Client

pipe = subprocess.PIPE
server = subprocess.Popen(shlex.split(sys.argv[1]), stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
client = Client(stream=(server.stdin.fileno(), server.stdout.fileno()), log=lambda text: None)
answer = {"name": client.tracker_name, "regions": client.region_formats, "boxes": []}
image = {"color": trax.FileImage.create(sys.argv[2])}

def note_box(reply):
    ((region, _),), _ = reply
    answer["boxes"].append(region.bounds())

try:
    for _ in range(2):
        note_box(client.initialize(image, [(trax.Rectangle.create(0, 4, 10.5, 8), {})], {}))
        for _ in range(2):
            note_box(client.frame(image, {}, []))
    client.quit()
except trax.TraxException as error:
    answer["refused"] = str(error)
answer |= {"code": server.wait(60), "errors": server.stderr.read().decode()}
print(json.dumps(answer), flush=True)
os._exit(0)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a module of trackers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("own_of_trax.py").write_text(TRACKERS)
    yield tmp_path
    sys.modules.pop("own_of_trax", None)


def write_ini(*args, tracker="own_of_trax:Right"):
    """Write a trackers.ini; returns its section's name and options, as the toolkit reads them."""
    assert cli.main(["trax", "--tracker", tracker, "--ini", "trackers.ini", *args]) == 0
    config = configparser.ConfigParser()
    assert config.read("trackers.ini")
    (section,) = config.sections()
    return section, dict(config[section])


@pytest.fixture
def converse(folder):
    """Start the command of a trackers.ini as the toolkit does; returns its boxes, exit code and errors.

    The client runs in a separate process: its library is written in C, and a crash must not end the tests.
    """
    pytest.importorskip("trax", reason="needs the extra vot")
    cv2.imwrite("frame.png", np.full((30, 40, 3), (50, 100, 200), np.uint8))
    (folder / "empty").mkdir()

    def start(tracker):
        _, options = write_ini(tracker=tracker)
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, options["command"], str(folder / "frame.png")],
            cwd=folder / "empty",
            env=os.environ | {"TRAX": "1", "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return start


def test_a_client_gets_zero_based_boxes(converse):
    answer = converse("own_of_trax:Right")
    assert (answer["name"], answer["regions"]) == ("own_of_trax.Right", ["rectangle"])
    boxes = [[0, 4, 10.5, 8], [1, 4, 10.5, 8], [2, 4, 10.5, 8]]
    assert answer["boxes"] == boxes * 2  # the client starts the tracker twice
    assert (answer["code"], answer["errors"]) == (0, "")


def test_the_client_is_told_of_a_failed_tracker(converse):
    answer = converse("own_of_trax:Fails")
    assert answer["boxes"] == [[0, 4, 10.5, 8]]
    assert "ArithmeticError: lost it" in answer["refused"]
    assert answer["code"] == 2
    message = "tracking-env: error: own_of_trax.Fails failed: ArithmeticError: lost it (own_of_trax.py"
    assert answer["errors"].startswith(message) and answer["errors"].count("\n") == 1


def test_the_ini_has_the_options_of_the_toolkit_and_absolute_paths(folder):
    pytest.importorskip("torch")  # of the package `agents`
    Path("100% mine").mkdir()
    section, options = write_ini("--folder", "100% mine")
    assert section == "own_of_trax_Right"
    assert options.keys() == {"label", "protocol", "command"}
    assert (options["label"], options["protocol"]) == ("own_of_trax.Right", "trax")
    words = shlex.split(options["command"])
    assert words[:4] == [sys.executable, "-m", "tracking_env.cli", "trax"]
    assert words[words.index("--folder") + 1] == str(folder / "100% mine")


def test_the_path_of_a_checkpoint_is_absolute(folder, monkeypatch):
    from tracking_env.registry import TrackerSpec

    monkeypatch.setattr(TrackerSpec, "make", lambda self: type("Made", (), {"live": lambda self: None})())
    _, options = write_ini("--checkpoint", "runs/small", "--weights", "a.onnx", "b.onnx", tracker="drlt")
    words = shlex.split(options["command"])
    assert words[words.index("--checkpoint") + 1] == str(folder / "runs/small")
    assert words[words.index("--weights") + 1 :] == [str(folder / "a.onnx"), str(folder / "b.onnx")]


def test_other_characters_in_a_name_become_underscores():
    assert trackers_ini("my.tracker é", ["x"]).splitlines()[0] == "[my_tracker__]"


def test_without_the_extra_the_error_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "trax", None)
    with pytest.raises(InputError, match=r"trax needs trax; type: pip install 'vot-trax>="):
        serve(None, "x")


def test_an_ini_that_cannot_be_written_is_an_error(folder, capsys):
    assert cli.main(["trax", "--tracker", "own_of_trax:Right", "--ini", "own_of_trax.py/trackers.ini"]) == 2
    assert "cannot write own_of_trax.py/trackers.ini" in capsys.readouterr().err
