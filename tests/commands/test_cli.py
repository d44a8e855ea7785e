import inspect
import json
import re
import shlex
import shutil
import subprocess
import sys
import typing
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import tyro

from tracking_env import cli
from tracking_env.evaluation.result_files import write_result
from tracking_env.features.store import FeatureStore

FRAMES = {"Deer": 71, "Skiing": 81}


def command(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tracking_env.cli", *args], capture_output=True, text=True, timeout=60)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Perfect results, and annotations, of two sequences."""
    for name, frames in FRAMES.items():
        boxes = np.tile([10.0, 10, 30, 20], (frames, 1))
        for folder in ("results", "annotations"):
            write_result(tmp_path / folder / f"{name}.txt", boxes)
    return tmp_path / "results", tmp_path / "annotations"


def test_score_with_json_prints_only_json(folders):
    results, annotations = folders
    done = command("score", results, "--annotations", annotations, "--sequences", "Deer,Skiing", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    data = json.loads(done.stdout)
    assert data["mean"]["unseen"]["auc"] == pytest.approx(20 / 21)
    assert {name: score["frames"] for name, score in data["sequences"].items()} == FRAMES


def test_score_prints_a_table(folders, capsys):
    results, annotations = folders
    assert cli.main(["score", str(results), "--annotations", str(annotations), "--sequences", "Deer,Skiing"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["OTB", "sequence", "Deer", "Skiing", "mean"]


def test_an_unscored_sequence_gives_exit_code_1(folders):
    results, annotations = folders
    write_result(results / "Deer.txt", np.ones((3, 4)))
    done = command("score", results, "--annotations", annotations, "--sequences", "Deer,Skiing", "--json")
    assert done.returncode == 1
    reason = "3 rows for 71 frames; write one row per frame"
    assert json.loads(done.stdout)["failed"] == {"Deer": reason}
    assert done.stderr == f"tracking-env: not scored: Deer: {reason}\n"


PAIR = ("--sequences", "Deer,Skiing")


def score(capsys, *args: str | Path) -> str:
    assert cli.main(["score", *map(str, args)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_several_folders_are_several_trackers(folders, capsys):
    results, annotations = folders
    for run in (1, 2):
        for name in FRAMES:
            write_result(results.parent / "other" / f"run-{run}" / f"{name}.txt", np.ones((FRAMES[name], 4)) * run)
    both = (results, results.parent / "other", "--annotations", annotations, *PAIR)
    lines = score(capsys, *both).splitlines()
    assert [line.split()[0] for line in lines] == ["OTB", "tracker", "results", "other"]
    assert "±" in lines[3]
    data = json.loads(score(capsys, *both, "--json"))
    assert data.keys() == {"results", "other"}
    assert data["results"]["mean"]["whole"]["auc"] == pytest.approx(20 / 21)
    assert [data[name]["runs"] for name in data] == [1, 2]
    assert score(capsys, *both, "--markdown").splitlines()[3].startswith("| --- | ---: |")


def test_folders_with_equal_names_are_labelled_by_their_paths(folders, capsys):
    results, annotations = folders
    for name, frames in FRAMES.items():
        write_result(results.parent / "b" / "results" / f"{name}.txt", np.ones((frames, 4)))
    data = json.loads(
        score(capsys, results, results.parent / "b" / "results", "--annotations", annotations, *PAIR, "--json")
    )
    assert list(data) == [str(results), str(results.parent / "b" / "results")]


def test_attributes_are_scored_in_a_table(folders, capsys):
    results, annotations = folders
    args = ("--annotations", annotations, *PAIR, "--attributes")
    heading, *lines = score(capsys, results, *args).splitlines()
    assert heading.startswith("OTB")
    assert lines[0].split()[0] == "attribute"
    assert lines[1].split()[:2] == ["IV", "(1)"]
    assert lines[1].split()[2] == "0.952"
    text = score(capsys, results, annotations, *args)
    assert [part.splitlines()[0] for part in text.split("\n\n")[::2]] == ["results", "annotations"]


def test_score_supports_the_formula_of_the_paper(folders, capsys):
    results, annotations = folders
    args = (results, "--annotations", annotations, *PAIR, "--protocol", "drlt-paper")
    lines = score(capsys, *args).splitlines()
    assert lines[-1].split() == ["mean", "1.000", "1.000"]
    data = json.loads(score(capsys, *args, "--json"))
    assert data["mean"]["whole"]["precision20"] is None
    assert "compare with that table only" in data["protocol"]


def test_a_file_that_cannot_be_read_fails_only_its_sequence(folders, capsys):
    results, annotations = folders
    (results / "Deer.txt").write_text("1,2,3,4\n1,2,,4\n")
    assert cli.main(["score", str(results), str(annotations), "--annotations", str(annotations), *PAIR]) == 1
    captured = capsys.readouterr()
    reason = f"{results}/Deer.txt, line 2: got '1,2,,4', expected four numbers x,y,w,h"
    assert captured.err.startswith(f"tracking-env: not scored: results: Deer: {reason}")
    assert captured.err.count("\n") == 1
    assert [line.split()[0] for line in captured.out.splitlines()] == ["OTB", "tracker,", "results", "annotations"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["sequences", "--sequences", "Skiin"], "did you mean 'Skiing'"),
        (["sequences", "--root", "no-such-folder"], "no folder no-such-folder"),
        (["scor", "results"], "unknown command 'scor' (did you mean 'score'?); the commands are track, demo, evaluate"),
        (["no-such-command"], "unknown command 'no-such-command'; the commands are track"),
        (["score", "--root", "a"], "no folder to score; type tracking-env score DIR"),
        (["score", "results", "--annotations", ".", "--sequences", "Deer,Skiin"], "did you mean 'Skiing'"),
        (["score", "results"], "no folder results; give the folder that holds the results"),
        (["score", "results", "--root", "a", "--annotations", "b"], "either --root OTB or --annotations DIR"),
        (
            ["score", "results", "--annotations", "no-such-folder"],
            "no folder no-such-folder; give the folder that holds the annotations",
        ),
    ],
)
def test_input_errors_give_one_line_and_exit_code_2(args, message, capsys):
    assert cli.main(args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("tracking-env: error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


@pytest.mark.parametrize("args", [["score", "results", "--no-such-flag"], []])
def test_usage_errors_give_exit_code_2(args, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(args)
    assert exit_.value.code == 2
    assert capsys.readouterr().out == ""


def test_the_version_is_that_of_the_package(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"tracking-env {metadata.version('tracking-env')}\n"


def test_a_folder_with_two_targets_stands_for_both(capsys):
    assert cli.main(["sequences", "--sequences", "Jogging,Human4"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["Jogging-1", "Jogging-2", "Human4-2"]


def test_sequences_lists_the_benchmark(capsys):
    assert cli.main(["sequences"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 100
    assert lines[0].split() == ["Basketball", "725", "IV", "OCC", "DEF", "OPR", "BC"]


def test_the_library_does_not_import_torch():
    code = "import sys, tracking_env.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.otb
def test_score_reads_ground_truth_from_the_frames_folder(otb_root, reference, capsys):
    assert cli.main(["score", str(reference / "struck_ope"), "--root", str(otb_root), "--sequences", "Suv"]) == 0
    assert capsys.readouterr().out.splitlines()[2].split()[:2] == ["Suv", "0.513"]


@pytest.mark.otb
def test_score_gives_the_official_scores_of_struck(reference):
    args = (reference / "struck_ope", "--annotations", reference / "annotations", "--sequences", "drlt30", "--json")
    done = command("score", *args)
    mean = json.loads(done.stdout)["mean"]["whole"]
    assert [mean["auc"], mean["precision20"]] == pytest.approx([0.494741, 0.664437], abs=1e-6)


@pytest.mark.otb
def test_score_gives_struck_the_score_of_the_paper_with_its_formula(reference):
    args = (reference / "struck_ope", "--annotations", reference / "annotations", "--sequences", "drlt30", "--json")
    args += ("--protocol", "drlt-paper")
    mean = json.loads(command("score", *args).stdout)["mean"]["whole"]
    assert [mean["mean_iou"], mean["auc"]] == pytest.approx([0.4766, 0.4962], abs=5e-5)


def extract(*args: str | Path) -> int:
    return cli.main(["extract", "--sequences", "synthetic:0-1", *map(str, args)])


def test_extract_prints_a_summary_and_extracts_once(tmp_path, capsys):
    assert extract("--store", tmp_path / "store") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert re.fullmatch(
        r"grid-12x16-v2 in .*store: 2 sequences, 120 frames; extracted now: 2 sequences, 120 frames in .* s, .* "
        r"frames/s\n",
        captured.out,
    )
    assert extract("--store", tmp_path / "store", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts | {"seconds": 0} == {
        "extractor": "grid-12x16-v2",
        "dim": 1536,
        "store": str(tmp_path / "store"),
        "rank": 0,
        "world_size": 1,
        "sequences": 2,
        "frames": 120,
        "extracted_sequences": 0,
        "extracted_frames": 0,
        "seconds": 0,
        "fps": 0.0,
    }


def test_extract_without_a_store_fills_the_cache(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path))
    assert extract() == 0
    assert len(list((tmp_path / "features" / "grid-12x16-v2").glob("*.npy"))) == 2


def test_extract_under_torchrun_prints_its_process(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert extract("--store", tmp_path) == 0
    assert "1 sequences, 60 frames (process 2 of 3); extracted now: 1 sequences" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--features", "gird"), "unknown extractor 'gird'"),
        (("--jobs", "0"), "--jobs is 0; give a number of decoding threads >= 1"),
        (("--store", __file__), "cannot write .*store.json: .*; give another folder"),
    ],
)
def test_extract_with_bad_flags_gives_one_line_and_exit_code_2(tmp_path, capsys, args, message):
    assert extract("--store", tmp_path, *args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(rf"tracking-env: error: .*{message}.*\n", captured.err)


def test_extract_stopped_by_ctrl_c_prints_how_to_resume(tmp_path, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(FeatureStore, "build", interrupted)
    assert extract("--store", tmp_path) == 130
    folder = f"the features so far are in {tmp_path}"
    message = f"tracking-env: stopped; {folder}; type the same command to go on\n"
    assert capsys.readouterr().err == message


@pytest.mark.parametrize("name", list(cli.app._subcommands))
def test_every_command_shows_an_example(name, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main([name, "--help"])
    assert exit_.value.code == 0
    assert f"Example: tracking-env {name} " in capsys.readouterr().out


@pytest.mark.parametrize("name", list(cli.app._subcommands))
def test_the_example_of_each_command_parses(name, monkeypatch):
    """Replace a command by a function with its signature, which does not run it."""
    function = cli.app._subcommands[name].target
    (line,) = (line for line in function.__doc__.splitlines() if "Example: " in line)
    calls = []
    monkeypatch.setattr(cli, "app", tyro.extras.SubcommandApp())
    signature = inspect.signature(function)

    def stand_in(*args, **kwargs):
        calls.append(signature.bind(*args, **kwargs))
        return 0

    stand_in.__signature__, stand_in.__doc__ = signature, function.__doc__
    stand_in.__annotations__ = typing.get_type_hints(function, include_extras=True)
    cli.app.command(name=name)(stand_in)
    cli.app.command(name="other")(lambda: 1)
    words = shlex.split(line.partition("Example: tracking-env ")[2].partition(" > ")[0])
    assert cli.main(words) == 0
    assert len(calls) == 1


def complete(words):
    """The completions that bash offers for the last of ``words``."""
    script = f"""
        source completion
        COMP_WORDS=({shlex.join(words[:-1])} {words[-1] or "''"}); COMP_CWORD={len(words) - 1}
        COMP_LINE='{" ".join(words)}'; COMP_POINT=${{#COMP_LINE}}
        $(complete -p tracking-env | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    return done.stdout.split()


def test_bash_completes_commands_and_flags(tmp_path, monkeypatch, capsys):
    if not shutil.which("bash"):
        pytest.skip("no bash")
    with pytest.raises(SystemExit):
        cli.main(["completion", "bash"])
    monkeypatch.chdir(tmp_path)
    Path("completion").write_text(capsys.readouterr().out)
    assert complete(["tracking-env", "tra"]) == ["track", "trax"]
    assert complete(["tracking-env", "track", "--vi"]) == ["--video"]


@pytest.mark.parametrize(
    ("shell", "first"), [("zsh", "#compdef tracking-env"), ("fish", "function _tyro_tracking_env")]
)
def test_other_shells_get_a_completion_script(shell, first, capsys):
    with pytest.raises(SystemExit):
        cli.main(["completion", shell])
    assert first in capsys.readouterr().out


def test_lists_can_be_printed_as_json(capsys):
    assert cli.main(["sequences", "--sequences", "Deer,Skiing", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(entry["name"], entry["frames"]) for entry in listed] == list(FRAMES.items())
    assert listed[0]["attributes"][0] == "MB"
    assert cli.main(["download", "--json"]) == 0
    files = {entry["file"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert files["MobileNetV2-YOLOv3-Nano-voc.weights"]["extractor"] == "yolo-nano-voc"


def test_a_closed_output_pipe_is_no_error():
    command = f"{sys.executable} -m tracking_env.cli sequences | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (141, "")  # the exit code of a process that SIGPIPE ended
