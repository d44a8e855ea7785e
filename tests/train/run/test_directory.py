"""The run directory after a killed process, and with two processes at once."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("tensorboard")

import torch

from agents.checkpoints import drlt as checkpoint
from agents.drlt import DRLT, DRLTConfig
from tracking_env.errors import InputError
from tracking_env.files import PARTIAL
from train.config import RunConfig
from train.run.directory import RunDirectory
from train.run.schedule import Progress
from train.search_config import SearchConfig


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return RunConfig(out=str(tmp_path / "run"))


def save(config: RunConfig, epoch: int) -> Path:
    model = DRLT(3, DRLTConfig(observation=2, hidden=4))
    return checkpoint.save(
        Path(config.out or "", "checkpoints"), model, torch.optim.Adam(model.parameters()), "x", epoch, {}
    )


def begin(config: RunConfig, done: int = 0) -> RunDirectory:
    run = RunDirectory(config)
    run.start(done)
    return run


def test_a_run_killed_before_its_first_checkpoint_starts_again(config):
    run = begin(config)
    run.log(1, {"reward": 0.5})
    run.close()
    again = begin(replace(config, resume=True))
    assert again.newest is None
    assert not (again.path / "metrics.jsonl").exists()
    again.close()


def test_partial_files_of_a_killed_process_are_removed(config):
    path = Path(config.out or "")
    (path / f"{PARTIAL}1-config.json").mkdir(parents=True)
    (path / "checkpoints" / f"{PARTIAL}2-000003").mkdir(parents=True)
    (path / "checkpoints" / f"{PARTIAL}2-000003" / "model.safetensors").touch()
    with pytest.raises(InputError, match=r"exists and is not a run"):  # since the folder of checkpoints exists
        RunDirectory(config)
    (path / "config.json").write_text(json.dumps(asdict(config)))
    begin(replace(config, overwrite=True)).close()
    assert not list(path.rglob(f"{PARTIAL}*"))
    save(config, 2)
    (path / "results").mkdir()
    (path / "results" / f"{PARTIAL}3-Deer.txt").touch()
    begin(replace(config, resume=True), done=2).close()
    assert [left.name for left in path.rglob(f"{PARTIAL}*")] == []
    assert (path / "results").is_dir()


def test_incomplete_lines_of_metrics_are_dropped(config):
    begin(config).close()
    save(config, 2)
    metrics = Path(config.out or "", "metrics.jsonl")
    metrics.write_bytes(b'{"epoch": 1}\n{"epoch": 2}\n{"epoch": 3}\n{"epoch": 1e400}\n{"epo\xff')
    begin(replace(config, resume=True), done=2).close()
    assert metrics.read_text() == '{"epoch": 1}\n{"epoch": 2}\n'


def test_two_processes_cannot_train_in_the_same_folder(config):
    run = begin(config)
    other = RunDirectory(replace(config, resume=True))
    with pytest.raises(InputError, match=r"another process trains in .*run"):
        other.start()
    run.close()
    other.start()
    other.close()


def test_a_run_that_another_process_continued_meanwhile_is_not_changed(config):
    late = RunDirectory(config)
    begin(config).close()
    with pytest.raises(InputError, match=r"already holds a run"):
        late.start()
    late = RunDirectory(replace(config, resume=True))
    save(config, 1)
    with pytest.raises(InputError, match=r"has gone on in the meantime"):
        late.start()


def test_overwriting_removes_the_older_run(config):
    begin(config).close()
    save(config, 5)
    (Path(config.out or "") / "report.json").write_text("{}")
    run = begin(replace(config, overwrite=True, seed=7))
    run.close()
    assert json.loads((run.path / "config.json").read_text())["seed"] == 7
    assert not (run.path / "report.json").exists() and not run.checkpoints.exists()


def tree(folder: Path) -> dict[str, str]:
    """The content of each file, and where each link points."""
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_text(errors="replace")
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "content", [{"name": "my web app"}, asdict(SearchConfig()), {"data": {}, "out": "x", "seed": 0, "preset": "demo"}]
)
def test_a_folder_that_is_no_run_of_this_script_is_left_as_it_is(config, content, overwrite):
    path = Path(config.out or "")
    (path / "checkpoints" / "000001").mkdir(parents=True)
    (path / "checkpoints" / "000001" / "thesis.tex").write_text("precious")
    (path / "config.json").write_text(json.dumps(content))
    before = tree(path)
    with pytest.raises(InputError, match=r"is no run of this script: its config\.json has no"):
        begin(replace(config, overwrite=overwrite))
    assert tree(path) == before


def test_overwriting_deletes_nothing_that_a_run_does_not_make(config):
    begin(config).close()
    save(config, 5)
    path = Path(config.out or "")
    precious = ("notes.txt", "checkpoints/notes.txt", "best/README", "results/plot.pdf", "data/metrics.jsonl")
    precious += (f"data/{PARTIAL}x", "results/old/Deer.txt", "warm.txt")
    for name in precious:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(name)
    for name in ("report.json", "results/Deer.txt", "best/000001/config.json", "warm/config.json", "overlay.mp4"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("old")
    begin(replace(config, overwrite=True)).close()
    left = {name for name, text in tree(path).items() if text == name}
    assert left == {*precious} and "old" not in tree(path).values()
    assert not list(path.glob("checkpoints/0*"))


@pytest.mark.parametrize("link", ["checkpoints", "best", "results", "warm", "metrics.jsonl", "checkpoints/000007"])
def test_overwriting_removes_links_and_not_what_they_point_to(config, tmp_path, link):
    begin(config).close()
    save(config, 5)
    path, elsewhere = Path(config.out or ""), tmp_path / "elsewhere"
    for name in ("000001/config.json", f"{PARTIAL}1-000002", "Deer.txt"):
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / name).write_text("precious")
    target = elsewhere / "Deer.txt" if "." in link else elsewhere
    before = tree(elsewhere)
    if (path / link).exists():
        (path / link).rename(tmp_path / "moved")
    (path / link).symlink_to(target)
    for _ in range(2):
        begin(replace(config, overwrite=True)).close()
        assert tree(elsewhere) == before
        assert not (path / link).is_symlink()
    begin(replace(config, resume=True)).close()


def test_a_run_whose_checkpoints_are_linked_resumes(config, tmp_path):
    begin(config).close()
    save(config, 5)
    checkpoints = Path(config.out or "", "checkpoints")
    checkpoints.rename(tmp_path / "big-disk")
    checkpoints.symlink_to(tmp_path / "big-disk")
    run = begin(replace(config, resume=True), done=5)
    assert run.newest == checkpoints / "000005"
    run.close()


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '"x"', "[" * 2000])
def test_a_damaged_configuration_is_a_one_line_error(config, text):
    begin(config).close()
    path = Path(config.out or "", "config.json")
    path.write_text(text)
    with pytest.raises(InputError, match=r"config\.json holds no JSON object"):
        RunDirectory(replace(config, resume=True))


@pytest.mark.parametrize("saved", [{"epoch": "x"}, {"epoch": -1}, {"other": 1}, {"best": "x"}, {"phase": None}])
def test_damaged_progress_is_a_one_line_error(saved):
    with pytest.raises(InputError, match=r"the checkpoint's (progress|best reward) is"):
        Progress.read(saved)
