import inspect
import json
import sys
import types
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="needs the extra hub")
torch = pytest.importorskip("torch")
load_file = pytest.importorskip("safetensors.torch").load_file

from tests.helpers.published_runs import (  # noqa: E402
    GRID,
    RUN,
    SB3_KIND,
    SEARCH_KIND,
    change_config,
    write_run,
)
from tracking_env import cli  # noqa: E402
from tracking_env.clients import hub  # noqa: E402
from tracking_env.datasets import synthetic  # noqa: E402
from tracking_env.errors import InputError  # noqa: E402
from tracking_env.rendering import write_video  # noqa: E402
from tracking_env.trackers.checkpoint import find  # noqa: E402


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
