"""The archives that the servers of GOT-10k and TrackingNet take."""

from zipfile import ZipFile

import cv2
import numpy as np
import pytest

from tracking_env import cli
from tracking_env.errors import InputError
from tracking_env.evaluation.result_files import Results
from tracking_env.evaluation.submission import write_submission

BOX = [1.0, 2, 30, 20]
FRAMES = {"a": 3, "b": 2}
RUN = {"a": np.tile([1.0, 2, 3.00049, 4], (3, 1)), "b": np.tile(BOX, (2, 1))}


def members(path):
    with ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_got10ks_archive_has_a_file_a_run_and_the_seconds(tmp_path):
    write_submission(tmp_path / "x.zip", Results((RUN, RUN), {"a": 40.0}), FRAMES, "got10k")
    files = members(tmp_path / "x.zip")
    assert list(files) == ["a/a_001.txt", "a/a_002.txt", "a/a_time.txt", "b/b_001.txt", "b/b_002.txt"]
    assert files["a/a_002.txt"] == "1.000,2.000,3.000,4.000\n" * 3
    assert files["a/a_time.txt"] == "0.02500000,0.02500000\n" * 3


def test_trackingnets_archive_has_a_file_a_sequence(tmp_path):
    write_submission(tmp_path / "x.zip", Results((RUN,), {"a": 40.0}), FRAMES, "trackingnet")
    assert members(tmp_path / "x.zip") == {
        "a.txt": "1.000,2.000,3.000,4.000\n" * 3,
        "b.txt": "1.000,2.000,30.000,20.000\n" * 2,
    }


def test_equal_results_give_equal_archives(tmp_path):
    for name in ("x.zip", "y.zip"):
        write_submission(tmp_path / name, Results((RUN,)), FRAMES, "got10k")
    assert (tmp_path / "x.zip").read_bytes() == (tmp_path / "y.zip").read_bytes()


@pytest.mark.parametrize(
    ("results", "protocol", "message"),
    [
        (Results((RUN,)), "lasot", "lasot has no server"),
        (Results((RUN,), protocol="tre"), "got10k", "these are results of TRE"),
        (Results(({"a": RUN["a"]},)), "got10k", "b, run 1: no rows for 2 frames"),
        (Results((RUN, {"a": RUN["a"]})), "got10k", "b, run 2: no rows for 2 frames"),
        (Results(({"a": RUN["b"], "b": RUN["b"]},)), "got10k", "a, run 1: 2 rows for 3 frames"),
        (Results(({"b": RUN["b"]},), unreadable={"a": "a.txt is no text"}), "got10k", "a.txt is no text"),
    ],
)
def test_an_incomplete_archive_is_not_written(tmp_path, results, protocol, message):
    with pytest.raises(InputError, match=message):
        write_submission(tmp_path / "x.zip", results, FRAMES, protocol)
    assert not list(tmp_path.iterdir())


def test_the_test_set_of_got10k_goes_from_frames_to_the_archive(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "GOT-10k" / "test" / "GOT-10k_Test_000001"
    folder.mkdir(parents=True)
    for frame in range(1, 4):
        cv2.imwrite(str(folder / f"{frame:08}.jpg"), np.zeros((48, 64, 3), np.uint8))
    (folder / "groundtruth.txt").write_text("1,2,30,20\n")
    where = ["--root", "GOT-10k", "--sequences", "test"]
    # There is nothing to score, and evaluate says so; the results are there.
    assert cli.main(["evaluate", "--tracker", "static", "--out", "results", *where]) == 1
    capsys.readouterr()
    assert cli.main(["score", "results/static", "--submission", "static.zip", *where]) == 0
    assert capsys.readouterr().out == "static.zip\n"
    assert members("static.zip") == {
        "GOT-10k_Test_000001/GOT-10k_Test_000001_001.txt": "1.000,2.000,30.000,20.000\n" * 3
    }
    assert cli.main(["score", "results/static", "results/static", "--submission", "static.zip", *where]) == 2
    assert "--submission takes the results of one tracker" in capsys.readouterr().err
