import re
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from tracking_env.datasets import synthetic
from tracking_env.errors import InputError
from tracking_env.features.extractors import GridExtractor
from tracking_env.registry import TABLE, TrackerSpec
from tracking_env.trackers.base import PolicyTracker, run
from tracking_env.trackers.entry_point import resolve

SEQUENCE = synthetic.generate(1, length=6)


@pytest.fixture(autouse=True)
def _own_path(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module with a unique name into the working directory, which is not on the path."""
    monkeypatch.chdir(tmp_path)
    names = []

    def write(text):
        names.append(f"own_{tmp_path.name.replace('-', '_')}_{len(names)}")
        Path(f"{names[-1]}.py").write_text(textwrap.dedent(text))
        return names[-1]

    yield write
    for name in names:
        sys.modules.pop(name, None)


STILL = """
    class Still:
        def init(self, frame, box):
            self.box = box
        def update(self, frame):
            return self.box
"""


@pytest.mark.parametrize("name", [name for name, entry in TABLE.items() if entry.kind != "tracker"])
def test_baselines_have_runs_without_a_speed(name):
    trajectory = TrackerSpec(name).make().track(SEQUENCE)
    assert trajectory.boxes.shape == (6, 4)
    assert np.isnan(trajectory.seconds).all()


def test_every_entry_point_of_the_table_is_callable():
    assert all(callable(resolve(entry.entry_point)) for entry in TABLE.values())


def test_a_user_defined_tracker_runs_by_its_import_path(module):
    name = module(STILL)
    choice = TrackerSpec(f"{name}:Still")
    runner = choice.make()
    assert re.fullmatch(rf"{name}:Still [0-9a-f]{{8}}", runner.id) and choice.folder == f"{name}.Still"
    trajectory = runner.track(SEQUENCE)
    assert np.array_equal(trajectory.boxes, np.repeat(SEQUENCE.boxes[:1], 6, axis=0))
    assert (trajectory.seconds > 0).all()


def test_a_factory_gets_only_the_options_in_its_signature(module):
    name = module(
        STILL
        + """
    def seeded(seed, checkpoint, weights=()):
        tracker = Still()
        tracker.id = f"{seed} {checkpoint} {weights}"
        return tracker
    def anything(**options):
        tracker = Still()
        tracker.id = str(sorted(options))
        return tracker
    """
    )
    choice = TrackerSpec(f"{name}:seeded", (Path("a"), Path("b")), Path("c"))
    assert choice.make(7).id.startswith(f"{name}:seeded 7 c {[Path('a'), Path('b')]} ")
    assert (
        TrackerSpec(f"{name}:anything", (), Path("c")).make().id.startswith(f"{name}:anything ['checkpoint', 'seed'] ")
    )
    with pytest.raises(InputError, match="needs 'checkpoint' to be made; give `checkpoint`"):
        TrackerSpec(f"{name}:seeded").make()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("statik", "did you mean 'static'"),
        ("zzz", "unknown tracker 'zzz'; there are static, mean"),
        ("module:", "unknown tracker"),
        (":attribute", "unknown tracker"),
    ],
)
def test_unknown_tracker_names_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        TrackerSpec(name)


@pytest.mark.parametrize(
    ("entry_point", "message"),
    [
        ("no_such_module:A", "no module no_such_module; check the spelling"),
        ("tracking_env.trackers.opencv:nil", r"has no 'nil' \(did you mean 'mil'"),
        ("tracking_env:__version__", "is a str, wanted a class or a function"),
        ("json:JSONDecodeError", "needs 'msg' to be made; give it a default"),
        ("builtins:dict", "is no class or function of Python"),
        ("builtins:object", "makes object, wanted an object with the methods init"),
    ],
)
def test_entry_points_that_make_no_tracker_are_refused(entry_point, message):
    with pytest.raises(InputError, match=message) as caught:
        TrackerSpec(entry_point).make()
    assert "\n" not in str(caught.value)


def test_a_module_with_a_missing_dependency_is_refused(module):
    name = module("import no_such_package\n")
    with pytest.raises(InputError, match="needs no_such_package; type: pip install no_such_package"):
        TrackerSpec(f"{name}:A").make()


@pytest.mark.parametrize(
    "choice", [TrackerSpec("static", (Path("w"),)), TrackerSpec("mil", (Path("w"),))], ids=["baseline", "tracker"]
)
def test_options_a_tracker_does_not_take_are_refused(choice):
    with pytest.raises(InputError, match="takes no `weights`; leave it out"):
        choice.make()


def test_a_weights_folder_expands_to_its_files(tmp_path):
    with pytest.raises(InputError, match="needs a folder or 2 files; got weights="):
        TrackerSpec("nano", (tmp_path / "none",)).make()
    with pytest.raises(InputError, match=r"holds 0 files \*backbone\*.onnx, nano needs one"):
        TrackerSpec("nano", (tmp_path,)).make()
    for name in ("a_backbone.onnx", "a_head.onnx"):
        (tmp_path / name).write_bytes(b"no network")
    with pytest.raises(InputError, match=r"cannot read .*a_backbone.onnx and .*a_head.onnx"):
        TrackerSpec("nano", (tmp_path,)).make()


def test_a_weights_folder_may_hold_other_trackers_files(tmp_path):
    for name in ("nanotrackv2", "nanotrackv3"):
        for part in ("backbone", "head"):
            (tmp_path / f"{name}_{part}.onnx").write_bytes(b"no network")
    with pytest.raises(InputError, match=r"cannot read .*v2_backbone.onnx and .*v2_head.onnx"):
        TrackerSpec("nano", (tmp_path,)).make()
    with pytest.raises(InputError, match=r"nanotrackv2_backbone.onnx is no network"):
        TrackerSpec("proposals", (tmp_path,)).make()


@pytest.mark.otb
def test_the_tracker_id_contains_the_weights(otb_root):
    folder = otb_root.parent / "weights"
    files = tuple(folder / f"nanotrackv2_{part}.onnx" for part in ("backbone", "head"))
    assert TrackerSpec("nano", (folder,)).make().id == TrackerSpec("nano", files).make().id != "nano"


@pytest.fixture
def trained(tmp_path):
    """The folder of a run with two checkpoints of a small network on grid features, and the second network."""
    torch = pytest.importorskip("torch")
    from agents.checkpoints import drlt as checkpoint
    from agents.drlt import DRLT, DRLTConfig

    for epoch in (1, 2):
        torch.manual_seed(epoch)
        model = DRLT(GridExtractor.dim, DRLTConfig(observation=8, hidden=8))
        optimizer = torch.optim.Adam(model.parameters())
        sum(parameter.sum() for parameter in model.parameters()).backward()
        optimizer.step()
        data = {"data": {"features": "grid", "weights": None}}
        path = checkpoint.save(tmp_path / "run" / "checkpoints", model, optimizer, GridExtractor.id, epoch, data)
        checkpoint.export(path)
    return tmp_path / "run", model


def test_a_trained_agent_tracks_raw_frames(trained):
    folder, model = trained
    runner = TrackerSpec("drlt", checkpoint=folder).make()
    expected = run(PolicyTracker(model, GridExtractor()), SEQUENCE).boxes
    np.testing.assert_allclose(runner.track(SEQUENCE).boxes, expected, atol=1e-3)
    older = folder / "checkpoints" / "000001"
    assert np.abs(TrackerSpec("drlt", checkpoint=older).make().track(SEQUENCE).boxes - expected).max() > 0.1
    assert TrackerSpec("drlt", checkpoint=folder / "checkpoints" / "000002").make().id == runner.id
    assert TrackerSpec("drlt", checkpoint=older).make().id != runner.id
    assert runner.id.startswith("drlt 000002 ") and runner.id.endswith(GridExtractor.id)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(GridExtractor.id, "other-1"), "was trained on other-1, not on grid"),
        (lambda text: text.replace('"grid"', '"vgg"'), "unknown extractor 'vgg'"),
        (lambda text: text[:20], "holds no JSON object; it is damaged"),
    ],
)
def test_a_mismatched_checkpoint_is_refused(trained, change, message):
    config = trained[0] / "checkpoints" / "000002" / "config.json"
    config.write_text(change(config.read_text()))
    with pytest.raises(InputError, match=message) as caught:
        TrackerSpec("drlt", checkpoint=trained[0]).make()
    assert "\n" not in str(caught.value)


def test_a_trained_agent_needs_a_checkpoint(trained, tmp_path):
    with pytest.raises(InputError, match="give checkpoint='RUN'"):
        TrackerSpec("drlt").make()
    with pytest.raises(InputError, match="no checkpoint in"):
        TrackerSpec("drlt", checkpoint=tmp_path / "nowhere").make()
    with pytest.raises(InputError, match="got 2 weights files"):
        TrackerSpec("drlt", (Path("a"), Path("b")), trained[0]).make()
