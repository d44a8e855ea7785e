import inspect
import json
import re
import shlex
import shutil
import sys
import types
from dataclasses import asdict
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="needs the extra hub")
torch = pytest.importorskip("torch")
load_file = pytest.importorskip("safetensors.torch").load_file

from agents.checkpoints import drlt as checkpoint  # noqa: E402
from agents.drlt import DRLT, DRLTConfig  # noqa: E402
from tracking_env import cli  # noqa: E402
from tracking_env.clients import hub, model_card  # noqa: E402
from tracking_env.datasets import synthetic  # noqa: E402
from tracking_env.errors import InputError  # noqa: E402
from tracking_env.features.extractors import make_extractor  # noqa: E402
from tracking_env.rendering import write_video  # noqa: E402
from tracking_env.trackers.checkpoint import find  # noqa: E402
from train.config import parse  # noqa: E402
from train.run.flags import flatten  # noqa: E402

GRID = make_extractor("grid", None)
RUN = {
    "preset": "small",
    "learner": "reinforce",
    "data": {
        "root": "/home/me/OTB",
        "sequences": "drlt30",
        "test_sequences": None,
        "augment": 4,
        "features": "grid",
        "weights": "/home/me/weights",
        "store": "/home/me/store",
    },
    "schedule": {"lr": 1e-4, "clip_norm": None},
    "out": "/home/me/runs/small",
    "resume": False,
    "seed": 3,
}
MEAN = {part: {"auc": auc, "precision20": 0.5, "mean_iou": 0.4} for part, auc in (("whole", 0.51), ("unseen", 0.345))}
REPORT = {
    "mean": MEAN | {"seen": {"auc": 0.858, "precision20": None, "mean_iou": 0.7}},
    "lines": {"replay-and-freeze": MEAN | {"seen": None}},
    "protocol": "one-pass evaluation",
    "dataset": {
        "name": "otb",
        "training": ["Deer"],
        "training_frames": 23,
        "testing": ["Deer", "Suv"],
        "testing_frames": 1016,
    },
    "fps": {"online": 94.4},
    "device": "cpu",
    "epochs": 7,
    "extractor": GRID.id,
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The folder of a training run of 7 epochs, in the working directory."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = DRLT(GRID.dim, DRLTConfig(observation=7, hidden=6))
    optimizer = torch.optim.Adam(model.parameters())
    checkpoint.export(checkpoint.save(tmp_path / "run" / "checkpoints", model, optimizer, GRID.id, 7, RUN))
    (tmp_path / "run" / "report.json").write_text(json.dumps(REPORT))
    return tmp_path / "run"


@pytest.fixture
def library(monkeypatch):
    """Stands in for huggingface_hub: repositories are folders beside the run. Returns the calls."""
    calls = []

    class Api:
        def create_repo(self, repository, **options):
            calls.append((repository, options))

        def upload_folder(self, repo_id, folder_path, commit_message):
            shutil.copytree(folder_path, Path("repositories") / repo_id)
            calls.append((repo_id, commit_message))

    def download(repository, filename, revision=None, dry_run=False):
        path = Path("repositories") / repository / filename
        if not path.parent.is_dir():
            raise OSError("404 Client Error\n\nmore")
        if dry_run:
            calls.append((repository, filename, revision))
            return types.SimpleNamespace(file_size=path.stat().st_size)
        assert calls[-1] == (repository, filename, revision), "it is looked at first"
        return str(path)

    module = types.ModuleType("huggingface_hub")
    module.HfApi, module.hf_hub_download = Api, download
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return calls


DRLT_KIND, SEARCH_KIND, SB3_KIND, EXPERTS_KIND = model_card.KINDS.values()


def weights(folder):
    return load_file(find(folder) / "model.safetensors")


def test_a_published_folder_is_a_checkpoint(run, capsys):
    assert cli.main(["push", "run", "published", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out) == {"checkpoint": "run/checkpoints/000007", "pushed": "published"}
    files = sorted(path.name for path in Path("published").iterdir())
    assert files == ["README.md", "config.json", "model.safetensors", "policy.onnx"]
    ours, theirs = weights(run), weights(Path("published"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_published_files_contain_no_local_path(run):
    hub.push(find(run), "published")
    for name in ("README.md", "config.json"):
        assert "/home/me" not in Path("published", name).read_text()
    assert json.loads(Path("published/config.json").read_text())["run"]["schedule"] == RUN["schedule"]


def test_random_weights_stay_in_the_configuration(run):
    config = run / "checkpoints" / "000007" / "config.json"
    config.write_text(config.read_text().replace("/home/me/weights", "random"))
    hub.push(config.parent, "published")
    assert json.loads(Path("published/config.json").read_text())["run"]["data"]["weights"] == "random"
    assert "--weights random" in Path("published/README.md").read_text()


def test_a_published_agent_tracks(run, library, capsys):
    config = run / "checkpoints" / "000007" / "config.json"
    config.write_text(config.read_text().replace('"/home/me/weights"', "null"))  # this extractor has no weights
    assert cli.main(["push", "run", "hf://me/drlt", "--private"]) == 0
    assert capsys.readouterr().out == "https://huggingface.co/me/drlt\n"
    assert library == [("me/drlt", {"private": True, "exist_ok": True}), ("me/drlt", "checkpoint 000007")]
    sequence = synthetic.generate(1, length=3)
    write_video(Path("video.mp4"), (sequence.frames[index] for index in range(3)))
    for name in ("run", "hf://me/drlt@v1"):
        assert (
            cli.main(["track", "--video", "video.mp4", "--box", "9,9,30,30", "--checkpoint", name, "--out", "o"]) == 0
        )
        Path("o/drlt/video.txt").rename(f"{name.partition(':')[0]}.txt")
    files = ("config.json", "model.safetensors", "policy.onnx")
    assert library[-3:] == list(zip(["me/drlt"] * 3, files, ["v1", "drlt", "drlt"], strict=True))
    assert Path("run.txt").read_bytes() == Path("hf.txt").read_bytes()
    Path("video.txt").write_text("9,9,30,30\n")  # no frame but the first has a box, so there are no scores
    evaluate = ["evaluate", "--tracker", "drlt", "--checkpoint", "hf://me/drlt"]
    assert cli.main([*evaluate, "--root", "video.mp4", "--out", "e"]) == 1
    assert library[-3] == ("me/drlt", "config.json", None)
    assert "its first frame has a true box" in capsys.readouterr().err


def test_a_checkpoint_of_another_extractor_is_a_one_line_error(run, capsys):
    config = run / "checkpoints" / "000007" / "config.json"
    config.write_text(config.read_text().replace('"/home/me/weights"', "null").replace(GRID.id, "grid-of-old"))
    write_video(Path("video.mp4"), (synthetic.generate(1, length=2).frames[index] for index in range(2)))
    assert cli.main(["track", "--video", "video.mp4", "--box", "9,9,30,30", "--checkpoint", "run"]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and captured.out == ""
    assert f"was trained on grid-of-old, not on {GRID.id}; give the weights" in captured.err


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


def write_run(kind, folder):
    """Write the folder of a run of train/search.py or train/sb3.py of 40 updates or steps, with its report."""
    torch.manual_seed(0)
    data = RUN["data"] | {"weights": None, "extra": None}
    report = REPORT | {kind.report_key: 40}
    if kind is SEARCH_KIND:
        from agents.checkpoints import region_agent as region_agent_checkpoint
        from agents.region_agent import RegionAgent, RegionAgentConfig
        from tracking_env.features.maps import make_maps
        from train.search_config import parse as parse_search

        maps = make_maps("cells")
        model = RegionAgent(maps.channels, RegionAgentConfig(width=4))
        run = asdict(parse_search(["--width", "4", "--no-memory"]))
        run |= {"data": data | {"features": "cells"}, "start": "/home/me/runs/warm", "out": "/home/me/x"}
        moments = torch.optim.Adam(model.parameters())
        path = region_agent_checkpoint.save_newest(folder / "checkpoints", model, maps.id, 40, run, moments)
        region_agent_checkpoint.export(path)
        report |= {"extractor": maps.id}
    else:
        pytest.importorskip("sb3_contrib")
        from agents.checkpoints import sb3 as sb3_checkpoint
        from agents.sb3 import new_policy

        policy = new_policy("ppo", GRID.dim, 8, sigma=0.01)
        model = types.SimpleNamespace(policy=policy, num_timesteps=40, _n_updates=1, _episode_num=4)
        facts = {"algorithm": "ppo", "features": GRID.dim, "hidden": 8, "extractor": GRID.id, "best": None}
        facts |= {"run": {"algo": "ppo", "data": data, "out": "/home/me/x"}}
        path = sb3_checkpoint.save(folder / "checkpoints", model, facts, training=False)
        sb3_checkpoint.export(path)
        (folder / "checkpoints" / "000000040" / "training.safetensors").write_bytes(b"only for training")
    (folder / "report.json").write_text(json.dumps(report))


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
def test_an_agent_of_the_other_scripts_is_published_and_tracks(kind, tmp_path, monkeypatch, library, capsys):
    monkeypatch.chdir(tmp_path)
    write_run(kind, Path("run"))
    assert cli.main(["push", "run", "published"]) == 0 and cli.main(["push", "run", "hf://me/agent"]) == 0
    files = sorted(path.name for path in Path("published").iterdir())
    assert files == ["README.md", "config.json", "model.safetensors", "policy.onnx"]
    card, config = (Path("published", name).read_text() for name in ("README.md", "config.json"))
    assert "/home/me" not in card + config
    sequence = synthetic.generate(1, length=3)
    write_video(Path("video.mp4"), (sequence.frames[index] for index in range(3)))
    boxes = []
    for address in ("run", "published", "hf://me/agent"):
        flags = ["--tracker", kind.tracker, "--checkpoint", address, "--box", "9,9,30,30"]
        assert cli.main(["track", "--video", "video.mp4", *flags, "--out", f"o{len(boxes)}"]) == 0
        boxes.append(Path(f"o{len(boxes)}", kind.tracker, "video.txt").read_bytes())
    assert boxes[0] == boxes[1] == boxes[2]
    assert library[-3:] == [
        ("me/agent", name, at) for name, at in zip(files[1:], (None, "agent", "agent"), strict=True)
    ]


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


def change_config(run, change):
    """Change a checkpoint's configuration by keys such as ``run.data``."""
    path = run / "checkpoints" / "000007" / "config.json"
    config = json.loads(path.read_text())
    for key, value in change.items():
        *parents, name = key.split(".")
        tree = config
        for parent in parents:
            tree = tree[parent]
        tree[name] = value
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    "change",
    [
        {"run": [1]},
        {"run": "x"},
        {"run": None},
        {"run.data": [1]},
        {"run.data": None},
        {"run.loop": "x"},
        {"network": None},
        {"network": {"hidden": "6", "observation": 7}},
        {"network.hidden": 1e300},
        {"features": True},
        {"epoch": "7"},
        {"extractor": ["x"]},
    ],
)
def test_a_configuration_of_other_types_is_refused_in_one_line(run, change, capsys):
    change_config(run, change)
    assert cli.main(["push", "run", "published"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("tracking-env: error: ") and error.count("\n") == 1 and "damaged" in error
    assert not Path("published").exists()


@pytest.mark.parametrize("text", ["[1]", "5", "null", "[" * 100_000, '{"a":' * 3000 + "1" + "}" * 3000, "\xff", ""])
def test_a_configuration_that_is_no_object_is_refused_in_one_line(run, text, capsys):
    (run / "checkpoints" / "000007" / "config.json").write_bytes(text.encode("latin-1"))
    assert cli.main(["push", "run", "published"]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not Path("published").exists()


@pytest.mark.parametrize("depth", [90, 900, 1100, 5000])
def test_a_deeply_nested_run_is_published_or_refused_in_one_line(run, depth, capsys):
    path = run / "checkpoints" / "000007" / "config.json"
    path.write_text(
        path.read_text().replace('"run": {', '"run": {"deep": ' + '{"x": ' * depth + "1" + "}" * depth + ",", 1)
    )
    code = cli.main(["push", "run", "published"])
    assert code in (0, 2) and capsys.readouterr().err.count("\n") == code // 2
    assert Path("published").exists() == (code == 0)


def test_a_policy_that_does_not_run_is_not_published(run):
    (run / "checkpoints" / "000007" / "policy.onnx").write_bytes(b"no network")
    with pytest.raises(InputError, match=r"cannot use .*policy\.onnx: it is no ONNX file"):
        hub.push(find(run), "published")
    assert not Path("published").exists()


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "run"], "run exists; give a folder that does not, or hf://USER/REPO"),
        (["nowhere", "published"], "no checkpoint in nowhere"),
    ],
)
def test_a_failed_push_is_a_one_line_error(run, arguments, message, capsys):
    assert cli.main(["push", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("tracking-env: error: ") and captured.err.count("\n") == 1
    assert message in captured.err
    assert not Path("published").exists()


def test_a_checkpoint_of_an_unknown_script_is_a_one_line_error(run):
    (run / "checkpoints" / "000007" / "config.json").write_text('{"algorithm": "ppo"}')
    with pytest.raises(InputError, match=r"is damaged or of another version: its config\.json names no agent"):
        hub.push(find(run), "published")
    assert not Path("published").exists()


def test_a_damaged_configuration_publishes_nothing(run):
    (run / "checkpoints" / "000007" / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json holds no JSON object"):
        hub.push(find(run), "published")
    assert not Path("published").exists()


def test_an_unreachable_repository_is_an_error(run, library, capsys):
    box = ["--video", "video.mp4", "--box", "1,1,9,9"]
    write_video(Path("video.mp4"), (synthetic.generate(1, length=2).frames[index] for index in range(2)))
    assert cli.main(["track", *box, "--checkpoint", "hf://me/none"]) == 2
    message = "cannot fetch hf://me/none: 404 Client Error; check the name and the network\n"
    assert capsys.readouterr().err == f"tracking-env: error: {message}"
    Path("repositories/me/drlt").mkdir(parents=True)  # the stand-in cannot copy into an existing folder
    assert cli.main(["push", "run", "hf://me/drlt"]) == 2
    assert "cannot push to hf://me/drlt: " in capsys.readouterr().err


@pytest.mark.parametrize("size", [None, (16 << 20) + 1])
def test_a_file_of_unknown_size_or_too_large_is_not_fetched(library, monkeypatch, size):
    def look(*_, dry_run=False, **__):
        assert dry_run, "it is downloaded"
        return types.SimpleNamespace(file_size=size)

    monkeypatch.setattr(sys.modules["huggingface_hub"], "hf_hub_download", look)
    with pytest.raises(InputError, match=r"config.json of hf://me/drlt has .* bytes, the most are 16777216"):
        hub.local("hf://me/drlt")


def test_without_the_extra_the_error_names_what_to_install(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    message = r"hf:// needs huggingface_hub; type: pip install 'huggingface-hub>="
    with pytest.raises(InputError, match=message):
        hub.local("hf://me/drlt")
    with pytest.raises(InputError, match=message):
        hub.push(find(run), "hf://me/drlt")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(InputError, match="the model card needs jinja2"):
        hub.push(find(run), "published")


def test_the_real_library_has_the_functions_that_are_called():
    real = pytest.importorskip("huggingface_hub", reason="needs the extra hub")
    parameters = inspect.signature(real.hf_hub_download).parameters.keys()
    assert {"repo_id", "filename", "revision", "dry_run"} <= parameters
    assert {"repo_id", "private", "exist_ok"} <= inspect.signature(real.HfApi.create_repo).parameters.keys()
    keywords = {"repo_id", "folder_path", "commit_message"}
    assert keywords <= inspect.signature(real.HfApi.upload_folder).parameters.keys()


def test_a_local_path_is_returned_unchanged():
    assert (hub.local("runs/small"), hub.local(None)) == (Path("runs/small"), None)
