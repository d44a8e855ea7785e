import copy
import json
import re
import shutil

import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

from agents.checkpoints import base as base_checkpoint  # noqa: E402
from agents.checkpoints import drlt as checkpoint  # noqa: E402
from agents.checkpoints.base import KEPT, restore  # noqa: E402
from agents.drlt import DRLT, DRLTConfig  # noqa: E402
from tracking_env.errors import InputError  # noqa: E402
from tracking_env.trackers.checkpoint import newest, read  # noqa: E402

RUN = {"seed": 3, "windows": {"steps": 10}, "features": "grid"}
PROGRESS = {"epoch": 3, "best": 0.1 + 0.2}
FILES = ["config.json", "model.safetensors", "optimizer.safetensors"]


@pytest.fixture
def trained():
    """A small network after three steps of Adam, and its optimiser."""
    torch.manual_seed(0)
    model = DRLT(5, DRLTConfig(observation=7, hidden=6))
    model.fit_normaliser(torch.randn(20, 5) + 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(3):
        train(model, optimizer, step)
    return model, optimizer


def train(model, optimizer, step):
    optimizer.zero_grad()
    (output(model, step) - 0.3).square().sum().backward()
    optimizer.step()


def output(model, seed=9):
    generator = torch.Generator().manual_seed(seed)
    return model(torch.randn(2, 4, 5, generator=generator), torch.rand(2, 4, 4, generator=generator))[0]


def save(folder, trained, epoch=12):
    return checkpoint.save(folder, *trained, "grid-v1", epoch, RUN, PROGRESS)


def test_a_loaded_checkpoint_equals_the_saved_one(tmp_path, trained):
    path = save(tmp_path, trained)
    assert sorted(p.name for p in path.iterdir()) == FILES
    loaded = checkpoint.load(path)
    assert (loaded.extractor, loaded.epoch, loaded.run, loaded.progress) == ("grid-v1", 12, RUN, PROGRESS)
    assert loaded.model.config == trained[0].config
    assert torch.equal(output(loaded.model), output(trained[0]))
    assert torch.equal(loaded.model.feature_mean, trained[0].feature_mean)


def test_resumed_training_gives_the_same_bits(tmp_path, trained):
    loaded = checkpoint.load(save(tmp_path, trained))
    optimizer = torch.optim.Adam(loaded.model.parameters(), lr=0.01)
    restore(optimizer, loaded.model, loaded.optimizer)
    for step in (3, 4):
        train(*trained, step)
        train(loaded.model, optimizer, step)
    for (name, expected), got in zip(trained[0].named_parameters(), loaded.model.parameters(), strict=True):
        assert torch.equal(expected, got), name


def test_weights_in_one_buffer_are_saved_and_resumed_as_others(tmp_path, trained):
    # On a GPU cuDNN keeps all weights of an LSTM in one buffer, and safetensors refuses tensors that overlap.
    model, optimizer = trained
    expected = output(model)
    weights = list(model.lstm.parameters())
    buffer = torch.cat([parameter.detach().flatten() for parameter in weights])
    parts = buffer.split([parameter.numel() for parameter in weights])
    for parameter, part in zip(weights, parts, strict=True):
        parameter.data = part.view_as(parameter)
    loaded = checkpoint.load(save(tmp_path, trained))
    assert torch.equal(output(model), expected) and torch.equal(output(loaded.model), expected)
    train(model, optimizer, 3)
    other = torch.optim.Adam(loaded.model.parameters(), lr=0.01)
    restore(other, loaded.model, loaded.optimizer)
    train(loaded.model, other, 3)
    assert torch.equal(output(model), output(loaded.model))


def test_training_without_the_state_of_adam_gives_other_weights(tmp_path, trained):
    loaded = checkpoint.load(save(tmp_path, trained))
    train(*trained, 3)
    train(loaded.model, torch.optim.Adam(loaded.model.parameters(), lr=0.01), 3)
    assert not torch.equal(output(trained[0]), output(loaded.model))


def test_an_optimiser_without_steps_is_saved(tmp_path):
    torch.manual_seed(0)
    model = DRLT(5, DRLTConfig(observation=7, hidden=6))
    loaded = checkpoint.load(checkpoint.save(tmp_path, model, torch.optim.Adam(model.parameters()), "x", 0, {}))
    assert loaded.optimizer == {}
    optimizer = torch.optim.Adam(loaded.model.parameters())
    restore(optimizer, loaded.model, loaded.optimizer)
    train(loaded.model, optimizer, 0)


def test_saving_changes_neither_network_nor_optimiser(tmp_path, trained):
    twin = copy.deepcopy(trained)
    save(tmp_path, trained)
    train(*trained, 3)
    train(*twin, 3)
    assert torch.equal(output(trained[0]), output(twin[0]))


def test_only_the_newest_are_kept(tmp_path, trained):
    assert KEPT == 2
    for epoch in (1, 9, 10, 100):
        path = save(tmp_path / "checkpoints", trained, epoch)
        assert newest(tmp_path / "checkpoints") == path
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["000010", "000100"]
    assert checkpoint.load(tmp_path / "checkpoints" / "000010").epoch == 10


def test_other_files_are_neither_the_newest_checkpoint_nor_deleted(tmp_path, trained):
    (tmp_path / "notes").mkdir()
    (tmp_path / "999999").write_text("a file")
    (tmp_path / "999998.77.partial").mkdir()
    for epoch in (1, 2, 3):
        save(tmp_path, trained, epoch)
    assert newest(tmp_path).name == "000003"
    assert (tmp_path / "notes").is_dir() and (tmp_path / "999999").is_file()


@pytest.mark.parametrize("folder", [".", "none"])
def test_a_folder_without_checkpoints_is_an_input_error(tmp_path, folder):
    with pytest.raises(InputError, match=r"no checkpoint in .*; train first"):
        newest(tmp_path / folder)


def assert_refused(path):
    with pytest.raises(InputError) as caught:
        checkpoint.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_an_input_error(tmp_path, trained, name):
    path = save(tmp_path, trained)
    (path / name).unlink()
    assert_refused(path)
    shutil.rmtree(path)
    assert_refused(path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("left", [0, 5, 0.5])
def test_a_truncated_file_is_an_input_error(tmp_path, trained, name, left):
    file = save(tmp_path, trained) / name
    data = file.read_bytes()
    file.write_bytes(data[: int(left * len(data)) if left < 1 else left])
    assert_refused(file.parent)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_format_is_an_input_error(tmp_path, trained, name):
    file = save(tmp_path, trained) / name
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    assert_refused(file.parent)


@pytest.mark.parametrize(
    "change",
    [
        {"features": 6},
        {"features": "five"},
        {"features": -1},
        {"network": {"observation": 7, "hidden": 8}},
        {"network": {"observation": 7, "hidden": 6, "layers": 2}},
        {"network": None},
    ],
)
def test_a_config_of_another_network_is_an_input_error(tmp_path, trained, change):
    file = save(tmp_path, trained) / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert_refused(file.parent)


@pytest.mark.parametrize(
    "change",
    [
        lambda weights: {name: tensor.double() for name, tensor in weights.items()},
        lambda weights: {name: tensor.half() for name, tensor in weights.items()},
        lambda weights: weights | {"another": torch.zeros(3)},
        lambda weights: dict(list(weights.items())[1:]),
        lambda weights: {name: tensor.reshape(-1) for name, tensor in weights.items()},
    ],
)
def test_weights_of_other_types_names_or_shapes_are_refused(tmp_path, trained, change):
    path = save(tmp_path, trained)
    weights = safetensors.load_file(path / "model.safetensors")
    safetensors.save_file(change(weights), path / "model.safetensors")
    with pytest.raises(InputError, match="its weights are not those of the network that it names"):
        checkpoint.load(path)


@pytest.mark.parametrize("name", ["model.safetensors", "policy.onnx"])
def test_a_tracker_needs_the_weights_and_the_policy(tmp_path, trained, name):
    path = save(tmp_path / "checkpoints", trained)
    checkpoint.export(path)
    (path / name).unlink()
    with pytest.raises(InputError, match=f"has no {re.escape(name)}"):
        read(tmp_path).policy()


@pytest.mark.parametrize("text", ["[]", "{}", "null", "7"])
def test_json_of_another_structure_is_an_input_error(tmp_path, trained, text):
    file = save(tmp_path, trained) / "config.json"
    file.write_text(text)
    assert_refused(file.parent)


def test_weights_of_another_network_are_an_input_error(tmp_path, trained):
    path = save(tmp_path, trained)
    safetensors.save_file({"conv.weight": torch.zeros(3)}, path / "model.safetensors")
    assert_refused(path)


@pytest.mark.parametrize(
    "moments", [{"exp_avg.conv.weight": torch.zeros(3)}, {"exp_avg.fc.bias": torch.zeros(3)}], ids=["name", "shape"]
)
def test_an_optimiser_of_another_network_is_an_input_error(tmp_path, trained, moments):
    path = save(tmp_path, trained)
    safetensors.save_file(moments, path / "optimizer.safetensors")
    assert_refused(path)


def test_a_failure_while_writing_leaves_only_the_older_checkpoint(tmp_path, trained, monkeypatch):
    save(tmp_path, trained, 1)
    calls = []

    def failing(tensors, file):
        calls.append(file.name)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        safetensors.save_file(tensors, file)

    with monkeypatch.context() as patch:
        patch.setattr(base_checkpoint, "save_file", failing)
        with pytest.raises(InputError, match=r"cannot write the checkpoint .*No space left.*resume=True"):
            save(tmp_path, trained, 2)
    assert calls == FILES[1:]
    assert [p.name for p in tmp_path.iterdir()] == ["000001"]
    assert checkpoint.load(newest(tmp_path)).epoch == 1
    assert checkpoint.load(save(tmp_path, trained, 2)).epoch == 2
