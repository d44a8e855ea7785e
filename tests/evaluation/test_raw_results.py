"""The boxes that come with the package are whole, have the scores of docs/results.md, and can be compared with."""

import json
import re
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.helpers.paths import ROOT
from tracking_env import cli
from tracking_env.datasets import loading, otb
from tracking_env.errors import InputError
from tracking_env.evaluation import raw_results
from tracking_env.evaluation.result_files import Results, read_results, write_result
from tracking_env.evaluation.scoring import evaluate

SEQUENCES = raw_results.list_sequences("static")
TABLE = "## All trackers, from their boxes"
"""Title of the section of docs/results.md with the scores of these boxes."""


def read_table():
    """The numbers of each tracker on the page of results, as they are printed: AUC and P@20 on either list."""
    section = (ROOT / "docs" / "results.md").read_text(encoding="utf-8").split(TABLE)[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([\w-]+)` \|[^|]*\| (.*) \|$", section, re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


def test_the_page_of_results_has_a_row_for_each_tracker():
    assert sorted(read_table()) == sorted(raw_results.NAMES)


@pytest.mark.parametrize("name", raw_results.NAMES)
def test_each_tracker_has_a_box_for_each_frame_and_the_commands_that_made_them(name):
    results = raw_results.read(name)
    assert len(SEQUENCES) == 23 and raw_results.list_sequences(name) == SEQUENCES
    for run in results.runs:
        assert sorted(run) == SEQUENCES
        for sequence, boxes in run.items():
            assert boxes.shape == (otb.TABLE[sequence].frames, 4)
            assert np.isfinite(boxes).all() and (boxes[:, 2:] > 0).all()
    lines = raw_results.read_command(name).splitlines()
    assert any(line.startswith("tracking-env evaluate --tracker ") for line in lines)
    assert "/work" not in "".join(lines) and "/tmp" not in "".join(lines)


def test_all_of_them_take_a_few_hundred_kilobytes():
    folder = Path(raw_results.__file__).parent
    assert sum(path.stat().st_size for path in folder.glob("*.zip")) < 800_000


@pytest.mark.otb
def test_their_scores_are_those_of_the_page_of_results(otb_root):
    truths = {sequence.name: sequence.boxes for sequence in loading.load(otb_root, ",".join(SEQUENCES))}
    table = read_table()
    for name in raw_results.NAMES:
        results, cells = raw_results.read(name), []
        for is_papers in (True, False):
            names = [sequence for sequence in SEQUENCES if ("drlt30" in otb.TABLE[sequence].lists) == is_papers]
            report = evaluate(results, {sequence: truths[sequence] for sequence in names})
            assert not report.failed
            for metric in ("auc", "precision20"):
                mean, std = getattr(report.mean["whole"], metric), getattr(report.std["whole"], metric, None)
                cells.append(f"{mean:.3f}" if std is None else f"{mean:.3f} ± {std:.3f}")
        assert [cell.strip("()") for cell in table[name]] == cells, name


def test_an_archive_keeps_runs_boxes_command_and_training_videos(tmp_path, monkeypatch):
    boxes = np.array([[1.25, 2, 3.004, 4], [-5.5, 0, 100, 7.77]])
    runs = tuple({"Suv": boxes + run, "Deer": boxes} for run in range(11))
    path = raw_results.write("mine", Results(runs, trained_on=frozenset({"Suv"})), "type this\n", tmp_path)
    again = raw_results.write("again", Results(runs, trained_on=frozenset({"Suv"})), "type this\n", tmp_path)
    assert path.read_bytes() == again.read_bytes()
    monkeypatch.setattr(raw_results.archive, "NAMES", ("mine",))
    monkeypatch.setattr(raw_results.archive, "_FOLDER", tmp_path)
    results = raw_results.read("mine")
    assert len(results.runs) == 11 and results.trained_on == {"Suv"}
    assert_allclose(results.runs[10]["Suv"], boxes + 10, atol=0.005)
    assert_array_equal(results.runs[0]["Deer"], boxes.round(2))
    assert raw_results.read_command("mine") == "type this\n"
    # Unpacked, it is a folder of results like any other.
    with ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
    unpacked = read_results(tmp_path / "unpacked", ["Suv", "Deer"])
    assert unpacked.trained_on == {"Suv"}
    assert_array_equal([run["Suv"] for run in unpacked.runs], [run["Suv"] for run in results.runs])


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """True boxes of three sequences, those of `nano` itself, and results of a tracker that finds two of them."""
    monkeypatch.chdir(tmp_path)
    boxes = raw_results.read("nano").runs[0]
    for name in ("Deer", "Suv"):
        write_result(tmp_path / "truth" / f"{name}.txt", boxes[name])
        write_result(tmp_path / "nano" / f"{name}.txt", boxes[name] + [1000, 0, 0, 0])
    write_result(tmp_path / "truth" / "Dog.txt", np.ones((otb.TABLE["Dog"].frames, 4)))
    write_result(tmp_path / "nano" / "Dog.txt", np.ones((otb.TABLE["Dog"].frames, 4)))
    return tmp_path


def test_score_puts_them_beside_ones_own_results(folders, capsys, caplog):
    assert cli.main(["score", "nano", "--against", "nano", "static", "--annotations", "truth"]) == 0
    out, err = capsys.readouterr()
    rows = {line[:14].strip(): line[14:].split() for line in out.splitlines()[2:]}
    # Of one's own tracker the first frame alone is right, as in OTB's protocol.
    assert list(rows) == ["nano", "nano (package)", "static"]
    # Some of its boxes begin left of the image, and so are no true boxes to OTB.
    assert float(rows["nano"][0]) < 0.02 and float(rows["nano (package)"][0]) > 0.9
    assert 0 < float(rows["static"][0]) < 0.9
    assert "ran on 2 of the 3 sequences" in err + caplog.text


def test_score_takes_them_alone_too(folders, capsys):
    flags = ["--annotations", "truth", "--sequences", "Deer"]
    assert cli.main(["score", "--against", "nano", *flags, "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["sequences"]) == ["Deer"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--against", "nanno"], "no results of 'nanno' come with the package (did you mean 'nano'?); there are "),
        (
            ["--against", "nano", "--sequences", "Dog"],
            "ran on 23 targets of OTB, of which none is here; give --root OTB with some of Bird2, BlurBody",
        ),
        (["--against", "nano", "--submission", "a.zip"], "--submission takes the results of one tracker, not of 0"),
    ],
)
def test_what_they_cannot_be_compared_with_is_said_in_one_line(args, message, folders, capsys):
    assert cli.main(["score", "--annotations", "truth", *args]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error
    with pytest.raises(InputError, match="there are "):
        raw_results.read_command("nanno")


def test_report_puts_them_beside_ones_own_results(folders, capsys):
    pytest.importorskip("jinja2")
    args = ["report", "nano", "--against", "static", "--annotations", "truth", "--sequences", "Deer", "--json"]
    assert cli.main(args) == 0
    assert list(json.loads(capsys.readouterr().out)["trackers"]) == ["nano", "static"]
