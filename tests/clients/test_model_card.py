"""What the model card of a published agent says."""

import json
import re
import shlex
from dataclasses import asdict
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="needs the extra hub")
pytest.importorskip("torch")

from tests.helpers.published_runs import (
    DRLT_KIND,
    EXPERTS_KIND,
    GRID,
    MEAN,
    REPORT,
    RUN,
    SB3_KIND,
    SEARCH_KIND,
    change_config,
    write_run,
)
from tracking_env.clients import hub, model_card
from tracking_env.trackers.checkpoint import find
from train.config import parse
from train.run.flags import flatten


def test_the_card_contains_the_scores(run):
    hub.push(find(run), "published")
    card = Path("published/README.md").read_text()
    assert card.startswith("---\nlibrary_name: tracking-env\n") and card.endswith("```\n")
    assert "| this checkpoint | 0.510 | 0.858 | **0.345** | 0.500 | - | 0.500 | 0.400 |" in card
    assert "| replay-and-freeze | 0.510 | - | **0.345** | 0.500 | - | 0.500 | 0.400 |" in card
    for text in ("1 sequences (23 frames) of `otb`", "Deer, Suv", "one-pass evaluation", GRID.id, "4 augmented copies"):
        assert text in card
    assert "Only the *unseen* columns measure generalisation" in card
    assert "94 frames per second on cpu" in card


@pytest.mark.parametrize("change", [{"epochs": 9}, {"extractor": "another"}, None])
def test_a_report_of_another_epoch_or_extractor_is_ignored(run, change):
    path = run / "report.json"
    path.write_text(json.dumps(REPORT | change) if change else "broken")
    hub.push(find(run), "published")
    card = Path("published/README.md").read_text()
    assert "There is no report of this checkpoint." in card and "0.345" not in card
    assert "Trained on `drlt30`" in card


def test_the_training_command_reproduces_the_configuration():
    flags = ["--preset", "small", "--root", "/home/me/OTB", "--sequences", "Deer", "--clip-norm", "None"]
    flags += ["--lr", "3e-05", "--weights", "/home/me/weights", "--first-location", "video"]
    config = parse(flags)
    words = shlex.split(model_card.training_command(DRLT_KIND, asdict(config)))
    assert words[:2] == ["python", "train/reinforce.py"]
    parsed, original = flatten(parse(words[2:])), flatten(config)
    assert {name for name in original if original[name] != parsed[name]} == {"root", "weights"}
    assert (parsed["root"], parsed["weights"]) == ("OTB", "FILE")


def test_the_card_of_an_arbiter_names_its_experts(tmp_path):
    from agents.arbiter import Arbiter, ArbiterConfig
    from agents.checkpoints import arbiter as arbiter_checkpoint

    path = tmp_path / "run" / "checkpoints" / "000040"
    run = {"data": RUN["data"] | {"features": "grey,colour"}, "loop": {"updates": 5}}
    arbiter_checkpoint.save(path, Arbiter(44, 2, ArbiterConfig(4, 3)), ["grey v1", "colour v1"], 40, run)
    arbiter_checkpoint.export(path)
    hub.push(find(tmp_path / "run"), str(tmp_path / "published"))
    card = (tmp_path / "published" / "README.md").read_text()
    for text in ("trained with REINFORCE", "The trackers are grey v1, colour v1.", "3 recurrent units and reads 44"):
        assert text in card
    assert EXPERTS_KIND.script in card and "--tracker experts --checkpoint FOLDER" in card


@pytest.mark.parametrize("kind", [SEARCH_KIND, SB3_KIND], ids=lambda kind: kind.tracker)
def test_the_card_of_the_other_scripts_describes_the_agent(kind, tmp_path):
    write_run(kind, tmp_path / "run")
    hub.push(find(tmp_path / "run"), str(tmp_path / "published"))
    card = (tmp_path / "published" / "README.md").read_text()
    about = {
        "search": ("trained with REINFORCE", "4 channels wide", "`cells-v1`", "40 updates", "OTBTrackSearch-v0"),
        "sb3": (
            "trained with PPO",
            "Layers of\n8 neurons read the",
            GRID.id,
            "40 steps of",
            "The policy has no memory",
        ),
    }[kind.tracker]
    for text in (*about, f"evaluate --tracker {kind.tracker} --checkpoint FOLDER --root OTB", kind.script):
        assert text in card
    assert "| this checkpoint | 0.510 | 0.858 | **0.345** |" in card
    report = tmp_path / "run" / "report.json"
    report.write_text(json.dumps(json.loads(report.read_text()) | {kind.report_key: 41}))
    hub.push(find(tmp_path / "run"), str(tmp_path / "again"))
    assert "There is no report of this checkpoint." in (tmp_path / "again" / "README.md").read_text()


def test_the_card_of_a_search_agent_names_its_required_weights():
    config = {"network": {"width": 4}, "channels": 48, "maps": "nanotrack", "done": 3}
    run = {
        "data": {"features": "nanotrack", "weights": "/home/me/weights"},
        "loop": {"l1_updates": 0, "iou_updates": 0},
    }
    card = model_card.ModelCard("search", config | {"run": run}).render(None, "hf://me/agent")
    assert "--tracker search --checkpoint hf://me/agent --weights FOLDER" in card and "/home/me" not in card
    assert "trained with a supervised warm start" in card


def test_training_commands_of_the_other_scripts_reproduce_the_configuration():
    from train.search_config import parse as parse_search

    flags = ["--preset", "small", "--no-memory", "--gamma", "0.5", "--start", "runs/x", "--tune", "all"]
    config = parse_search([*flags, "--out", "o"])
    words = shlex.split(model_card.training_command(SEARCH_KIND, asdict(config)))
    older = asdict(config) | {"glance": True, "entropy": 0.0, "normalise": False}  # options that no longer exist
    assert model_card.training_command(SEARCH_KIND, older) == shlex.join(words)
    parsed, original = flatten(parse_search(words[2:])), flatten(config)
    assert {name for name in original if original[name] != parsed[name]} == {"out", "start"}
    pytest.importorskip("sb3_contrib")
    from train.sb3_config import parse as parse_sb3

    for algo in ("a2c", "sac"):
        config = parse_sb3(["--algo", algo, "--lr", "3e-05", "--out", f"runs/{algo}"])
        words = shlex.split(model_card.training_command(SB3_KIND, asdict(config)))
        assert flatten(parse_sb3(words[2:])) == flatten(config)


@pytest.mark.parametrize(
    "change",
    [
        {"mean": None},
        {"mean": {"whole": {"auc": "x"}, "unseen": [1]}, "lines": {"a": None, "b": {"whole": 3}}},
        {"lines": []},
        {"dataset": None},
        {"dataset": REPORT["dataset"] | {"training": 3}},
        {"fps": None},
        {"fps": {"online": "fast"}, "device": None},
        {"protocol": 3},
    ],
)
def test_a_damaged_report_is_left_out_in_whole_or_in_part(run, change):
    (run / "report.json").write_text(json.dumps(REPORT | change))
    hub.push(find(run), "published")
    card = Path("published/README.md").read_text()
    assert "There is no report" in card or "| this checkpoint |" in card


@pytest.mark.parametrize("text", ["[]", "[" * 100_000, "\0"])
def test_a_report_that_is_no_object_is_left_out(run, text):
    (run / "report.json").write_text(text)
    hub.push(find(run), "published")
    assert "There is no report" in Path("published/README.md").read_text()


HOSTILE = (
    "x`\n---\nlicense: evil\n---\n\r<script>alert(1)</script> [a](http://b) ![c](d)|\x1b[31m\u202e\n"
    "```bash\nrm -rf ~\n```"
)
PLACES = ("learner", "data.sequences", "data.test_sequences", "data.augment", "schedule.lr", "preset")


def test_texts_of_a_stranger_are_plain_text_in_the_card(run):
    change_config(run, {"extractor": HOSTILE} | {f"run.{key}": HOSTILE for key in PLACES})
    hub.push(find(run), "without")
    hostile = {"extractor": HOSTILE, "protocol": HOSTILE, "lines": {HOSTILE: MEAN | {"seen": None}}, "device": HOSTILE}
    hostile["dataset"] = REPORT["dataset"] | {"name": HOSTILE, "testing": [HOSTILE]}
    (run / "report.json").write_text(json.dumps(REPORT | hostile))
    hub.push(find(run), "published")
    for folder in ("without", "published"):
        card = Path(folder, "README.md").read_text(encoding="utf-8")
        lines = card.splitlines()
        assert card.isascii() or all(character.isprintable() for line in lines for character in line)
        assert [line for line in lines if line.startswith("---")] == ["---", "---"]
        assert len([line for line in lines if line.startswith("```")]) == 4
        outside = re.sub(r"(?<!\\)`[^`\n]*`", "", re.sub(r"```.*?```", "", card, flags=re.DOTALL))
        for markup in ("<script", "](http://b)", "![", " |x"):
            assert not re.search(r"(?<!\\)" + re.escape(markup), outside)
        assert "trained with x\\` --- license" in outside, "it is readable"
