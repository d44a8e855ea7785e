"""--config repeats a run, and --wandb mirrors its curves."""

import json
import sys
from dataclasses import asdict, replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("tensorboard")

from tracking_env.errors import InputError
from train import config, experts_config, sb3_config, search_config
from train.run.directory import RunDirectory

SCRIPTS = {
    config.parse: ["--preset", "small", "--episodes", "7", "--features", "grid", "--clip-norm", "3"],
    search_config.parse: ["--preset", "demo", "--lr", "0.5"],
    experts_config.parse: ["--preset", "demo", "--cost", "0.01"],
    sb3_config.parse: ["--env", "OTBTrackSearch-v0", "--algo", "a2c", "--sigma", "0.25", "--clip-norm", "2"],
}


def save(configuration, path):
    path.write_text(json.dumps(asdict(configuration)))
    return str(path)


@pytest.mark.parametrize("parse", SCRIPTS, ids=lambda parse: parse.__module__)
def test_the_configuration_of_a_run_is_read_back_with_all_values(parse, tmp_path):
    first = parse([*SCRIPTS[parse], "--seed", "5", "--out", "there"])
    file = save(first, tmp_path / "config.json")
    again = parse(["--config", file, "--out", "here"])
    assert again == replace(first, out="here", config=file)
    assert parse(["--config", file, "--seed", "6"]).seed == 6, "flags change its values"
    assert parse(["--config", file]).out != "there", "a run is not repeated in its own folder"


def test_the_configuration_of_another_script_or_a_second_preset_is_refused(tmp_path):
    file = save(search_config.parse([]), tmp_path / "config.json")
    with pytest.raises(InputError, match="is no configuration of this script"):
        config.parse(["--config", file])
    with pytest.raises(InputError, match="--config and --preset exclude each other"):
        search_config.parse(["--config", file, "--preset", "demo"])
    with pytest.raises(InputError, match="nowhere"):
        config.parse(["--config", "nowhere/config.json"])


def log_two_lines(tmp_path):
    run = RunDirectory(config.RunConfig(out=str(tmp_path / "run"), wandb=True))
    run.start()
    run.log(1, {"reward/iou": 0.25})
    run.log(2, {"reward/iou": 0.5}, {"time/fps": 100.0})
    run.close()
    return run


def test_a_run_is_mirrored_offline(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="wandb is not installed: pip install -e '.[wandb]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    logged, init = [], wandb.init

    def spy(**options):
        run = init(**options)
        log = run.log
        monkeypatch.setattr(run, "log", lambda values, step: (logged.append((step, values)), log(values, step=step)))
        return run

    monkeypatch.setattr(wandb, "init", spy)
    run = log_two_lines(tmp_path)
    assert logged == [(1, {"reward/iou": 0.25}), (2, {"reward/iou": 0.5, "time/fps": 100.0})]
    (folder,) = (run.path / "wandb").glob("offline-run-*")
    assert list(folder.glob("*.wandb"))


def test_without_the_package_the_error_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError, match="--wandb needs wandb; type: pip install"):
        log_two_lines(tmp_path)
