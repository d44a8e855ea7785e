import base64
import html
import itertools
import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

import tracking_env
from tracking_env import boxes as bx
from tracking_env import cli
from tracking_env.datasets import otb, synthetic
from tracking_env.datasets.sequence import Sequence
from tracking_env.evaluation.ground_truth import GroundTruth, read_ground_truth
from tracking_env.evaluation.result_files import Results, read_results, write_result
from tracking_env.evaluation.scoring import evaluate
from tracking_env.evaluation.sequence_score import PARTS, score_boxes
from tracking_env.report import comparison, film_strips, published, summary

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")
from tracking_env.report import page_data, plots
from tracking_env.report.page import write_page
from tracking_env.report.page_content import Page

SEQUENCES = "synthetic:3,1-2"  # not sorted by name
RIGHT = np.array([1.0, 0, 0, 0])
STRANGE = "<b>& $x$"


def drawn() -> list[Sequence]:
    return synthetic.parse(SEQUENCES)


def write_tracker(folder: Path, predictions: dict[str, np.ndarray], fps: float | None = None) -> Path:
    for name, boxes in predictions.items():
        write_result(folder / f"{name}.txt", boxes)
        if fps:
            (folder / f"{name}_time.txt").write_text(f"{1 / fps}\n" * len(boxes))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Results of three trackers: the first box, the truth one frame late, and the shifted truth of all but one."""
    root, truths = tmp_path_factory.mktemp("results"), {sequence.name: sequence.boxes for sequence in drawn()}
    static = {name: np.tile(boxes[:1], (len(boxes), 1)) for name, boxes in truths.items()}
    late = {name: np.concatenate([boxes[:1], boxes[:-1]]) for name, boxes in truths.items()}
    moved = {name: boxes + RIGHT * 4 for name, boxes in list(truths.items())[:2]}
    write_tracker(root / "static", static, fps=500)
    (root / "static" / "trained-on.txt").write_text("Synthetic-0001\n")
    return [
        root / "static",
        write_tracker(root / "late", late, fps=40),
        write_tracker(root / STRANGE, moved),
    ]


@pytest.fixture(scope="module")
def page(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of three trackers on three drawn sequences, made by the command."""
    out = tmp_path_factory.mktemp("report")
    args = ["report", *map(str, folders), "--sequences", SEQUENCES, "--out", str(out)]
    assert cli.main(args) == 1  # one result is missing
    return out / "index.html"


@pytest.mark.skipif(sys.platform == "win32", reason="names of bytes that are no UTF-8")
def test_names_that_are_no_text_are_shown_all_the_same(tmp_path):
    odd = "clip \x1b[31m\udcff"
    boxes = np.tile([10.0, 20, 30, 40], (6, 1))
    for tracker in (f"tracker {odd}", "other"):
        write_tracker(tmp_path / tracker, {odd: boxes + 1})
    write_tracker(tmp_path / "truths", {odd: boxes})
    folders = [str(tmp_path / name) for name in (f"tracker {odd}", "other", "truths")]
    flags = ["--annotations", folders.pop(), "--sequences", odd, "--out", str(tmp_path / "page")]
    assert cli.main(["report", *folders, *flags]) == 0
    assert "tracker clip" in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    for path in (tmp_path / "page").rglob("*.svg"):
        ElementTree.parse(path)


@pytest.fixture(scope="module")
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def data(text: str) -> dict[str, Any]:
    """The numbers and pictures in the page."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def section(text: str, name: str) -> str:
    return re.search(rf'<section id="{name}">.*?</section>', text, re.DOTALL)[0]


def test_the_page_has_the_scores_of_the_evaluation(data, folders):
    truths = {sequence.name: sequence.boxes for sequence in drawn()}
    assert [tracker["name"] for tracker in data["trackers"]] == ["static", "late", STRANGE]
    assert data["metrics"] == {"auc": "AUC", "precision20": "P@20", "norm_precision20": "norm. P@.20"}
    assert list(data["parts"]) == list(PARTS)
    for at, folder in enumerate(folders):
        # One tracker lacks the last sequence, so all means are over the others.
        report = evaluate(read_results(folder, truths), truths)
        means = report.select(list(truths)[:-1]).mean
        for part, metric in itertools.product(PARTS, data["metrics"]):
            assert data["means"][part][metric][at] == pytest.approx(getattr(means[part], metric), abs=1e-7)
            expected = [getattr(report.sequences.get(name, {}).get(part), metric, None) for name in truths]
            assert data["scores"][part][metric][at] == pytest.approx(expected, abs=1e-7)
        for curve, metric in zip(data["curves"], data["metrics"], strict=True):
            assert curve["means"]["whole"][at] == data["means"]["whole"][metric][at]
        success, precision, _ = (curve["rates"]["whole"][at] for curve in data["curves"])
        assert np.mean(success) == pytest.approx(means["whole"].auc, abs=1e-4)
        assert precision[20] == pytest.approx(means["whole"].precision20, abs=1e-4)
    assert [tracker["fps"] for tracker in data["trackers"]] == [pytest.approx(500), pytest.approx(40), None]
    assert [(tracker["scored"], tracker["failed"]) for tracker in data["trackers"]] == [(3, 0), (3, 0), (2, 1)]


def test_the_page_has_boxes_overlaps_and_pictures_of_each_sequence(data, folders):
    for sequence, shown in zip(drawn(), data["sequences"], strict=True):
        frames = shown["frames"]
        assert (shown["name"], shown["length"], shown["size"]) == (sequence.name, len(sequence), list(sequence.size))
        assert (len(frames), frames[0], frames[-1]) == (40, 0, len(sequence) - 1)
        boxes = read_boxes(shown["truth"])
        np.testing.assert_allclose(boxes, sequence.boxes[frames] - [1, 1, 0, 0], atol=0.51)
        late = np.concatenate([sequence.boxes[:1], sequence.boxes[:-1]])
        np.testing.assert_allclose(read_boxes(shown["boxes"][1]), late[frames] - [1, 1, 0, 0], atol=0.51)
        overlaps = np.frombuffer(base64.b64decode(shown["overlaps"][1]), np.uint8) / 250
        np.testing.assert_allclose(overlaps, bx.iou(late, sequence.boxes), atol=0.0021)
        assert len(shown["pictures"]) == 40
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(shown["pictures"][5].partition(",")[2]), np.uint8), 1)
        frame = cv2.resize(sequence.frames[frames[5]], picture.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(picture[..., ::-1].astype(int) - frame).mean() < 9
    assert data["sequences"][2]["boxes"][2] is None and data["sequences"][2]["overlaps"][2] is None


def read_boxes(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<i2").reshape(-1, 4)


def test_the_page_has_the_interval_of_each_pair(data, folders):
    truths = {sequence.name: sequence.boxes for sequence in drawn()}
    static, late = (evaluate(read_results(folder, truths), truths).sequences for folder in folders[:2])
    expected = comparison.compare(static, late, "unseen").interval
    assert data["changes"]["unseen"][0][1] == pytest.approx(expected, abs=1e-4)
    assert data["changes"]["unseen"][1][0] == pytest.approx([-bound for bound in reversed(expected)], abs=1e-4)


def test_the_parts_are_shown_only_if_a_tracker_was_trained_on_them(folders, tmp_path):
    truths = [GroundTruth(sequence.name, sequence.boxes) for sequence in drawn()]
    results = {folder.name: read_results(folder, [truth.name for truth in truths]) for folder in folders}
    assert Page(truths, results).parts == list(PARTS)
    assert Page(truths, {"late": results["late"]}).parts == ["whole"]


def test_the_plots_for_papers_lie_beside_the_page(page):
    names = {path.name for path in (page.parent / "plots").iterdir()}
    kinds = ("success", "precision", "normalised_precision", "attributes")
    stems = {f"{kind}-{part}" for kind in kinds for part in PARTS} | {"speed"}
    assert names == {f"{stem}.{suffix}" for stem in stems for suffix in ("png", "svg")}
    assert cv2.imread(str(page.parent / "plots" / "success-whole.png")) is not None
    legend = re.findall(r"\[(\d\.\d{3})\]", (page.parent / "plots" / "success-whole.svg").read_text())
    assert len(legend) == 3 and legend == sorted(legend, reverse=True)


def test_the_page_loads_no_other_files(text):
    assert not re.search(r"""\ssrc\s*=\s*["'](?!data:)""", text) and "<link" not in text
    assert "@import" not in text and "url(" not in text
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|import)\s*\(", text)
    assert len(text) < 2_000_000


def test_names_are_escaped(text):
    assert "<b>" not in text
    assert html.escape(STRANGE) in text
    assert section(text, "failed").count(f"<li>{html.escape(STRANGE)}, Synthetic-0002: no result</li>") == 1


def test_without_sequences_of_the_paper_its_table_is_left_out(text):
    assert 'id="paper"' not in text


def test_film_strips_show_frames(text):
    strips = section(text, "film")
    pictures = re.findall(r"data:image/jpeg;base64,([^\"]*)", strips)
    assert len(pictures) == 2 * (3 + 3 + 2)
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(pictures[0]), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (240, 320, 3)


def test_equal_input_gives_equal_bytes(page, text, folders, tmp_path):
    truths = read_ground_truth(None, None, SEQUENCES)
    results = {folder.name: read_results(folder, [truth.name for truth in truths]) for folder in folders}
    write_page(tmp_path, truths, results)
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == text


def paper_truths() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.uniform(20, 60, (otb.TABLE[name].frames, 4)) for name in otb.LISTS["drlt30"]}


def test_the_page_compares_with_the_tables_of_the_paper():
    truths = {name: paper_truths()[name] for name in ("Couple", "Dancer2")}
    sequences = [GroundTruth(name, truth) for name, truth in truths.items()]
    first, second = Page(sequences, {"same": Results((truths,))}).paper()
    assert [cell.value for cell in second.rows["Couple"]] == [1, *published.TABLE_2["Couple"].values()]
    assert second.rows["Couple"][1 + published.TRACKERS.index("TLD")].mark == "second"
    assert second.foot["Mean of these 2"][1].value == pytest.approx((0.493 + 0.825) / 2)
    assert [cell.text for cell in first.rows["DRLT, paper"]] == ["0.543", "0.635", "45.0"]
    assert first.rows["same"][1].value == 1
    everything = [GroundTruth(name, truth) for name, truth in paper_truths().items()]
    _, second = Page(everything, {"none": Results(({},))}).paper()
    averages = [f"{average:.3f}" for average in published.AVERAGE.values()]
    assert [cell.text for cell in second.foot["As printed"]] == ["–", *averages]


def test_several_runs_are_shown_by_mean_and_deviation(tmp_path):
    sequence = drawn()[0]
    runs = tuple({sequence.name: sequence.boxes + RIGHT * step} for step in (1, 6))
    truths = [GroundTruth(sequence.name, sequence.boxes)]
    two = write_page(tmp_path, truths, {"two": Results(runs)})["two"]
    page = page_data.to_json(Page(truths, {"two": Results(runs)}))
    assert page["deviations"]["whole"]["auc"] == [pytest.approx(two.std["whole"].auc, abs=1e-4)]
    assert page["means"]["whole"]["auc"] == [pytest.approx(two.mean["whole"].auc, abs=1e-4)]
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "deviation over runs" in text
    assert 'id="film"' not in text and 'id="changes"' not in text  # no frames, and no second tracker


def test_overlaps_of_a_long_video_are_means_of_neighbours_that_have_a_true_box():
    overlaps = np.tile([0.4, 0.8, -1.0], 500)  # 1500 frames: groups of three
    encoded = np.frombuffer(summary.encode_overlaps(overlaps), np.uint8)
    assert summary.group_size(1500) == 3 and encoded.tolist() == [150] * 500
    assert list(summary.encode_overlaps(np.array([0.0, 1.0, -1.0]))) == [0, 250, 255]
    assert summary.choose_frames(3) == [0, 1, 2] and len(summary.choose_frames(5000)) == summary.PICTURES


def test_a_script_element_ends_only_where_it_should():
    script = str(page_data.to_script({"name": "</script><b>é"}))
    assert "<" not in script and json.loads(script) == {"name": "</script><b>é"}


def test_another_benchmark_has_its_own_scores(tmp_path):
    sequence = drawn()[0]
    truths = [GroundTruth(sequence.name, sequence.boxes, frames=sequence.frames, dataset="got10k")]
    write_page(tmp_path, truths, {"late": Results(({sequence.name: sequence.boxes + RIGHT},))})
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "GOT-10k (Huang" in text and '"metrics":{"mean_iou":"AO","success50":"SR.50","success75":"SR.75"}' in text


def test_the_best_and_worst_frames_are_shown():
    truth = np.tile([10.0, 10, 20, 20], (6, 1))
    lost = truth.copy()
    lost[4:, 0] += 50
    shifted = truth + RIGHT * 5
    shifted[3, 0] += 5
    runs = {"lost": lost, "shifted": shifted}
    best, worst = film_strips.find_best_and_worst({name: score_boxes(run, truth, seen=2) for name, run in runs.items()})
    assert best == [film_strips.Moment("lost", 2, 1.0), film_strips.Moment("shifted", 2, 0.6)]
    assert [(moment.sequence, moment.index) for moment in worst] == [("lost", 4), ("shifted", 3)]
    gone = np.zeros((6, 4))  # no valid truth, no moment
    assert film_strips.find_best_and_worst({"gone": score_boxes(truth, gone)}) == ([], [])


def test_thinned_curves_keep_means_and_gaps():
    values = np.tile([1.0, 0.0], 480)
    values[:4] = -1
    x, y = plots._thin(values)
    assert (len(x), x[0], x[-1]) == (240, 2.5, 958.5)
    assert np.isnan(y[0])
    assert y[1:] == pytest.approx(0.5)


def test_an_inline_plot_is_named_light_and_unique():
    svg = f'<?xml?><svg id="a"><g id="b"/><use href="#c"/><path id="c" d="M 1.25 2.875" fill="{plots.INK}"/></svg>'
    start, rest = plots.inline_svg(svg, 'x"<').split("><g", 1)
    assert start == '<svg role="img" aria-label="x&quot;&lt;"'
    assert rest == '/><use href="#c"/><path id="c" d="M 1.2 2.8" fill="currentColor"/></svg>'


def test_the_first_30_styles_differ():
    assert len(set(plots.assign_styles(map(str, range(30))).values())) == 30


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["no-such-folder", "--sequences", "synthetic:0"], "no folder no-such-folder"),
        (["."], ". has folders (empty, good, spread-tre) but no results; give the trackers' folders: ./*"),
        ([".", "--root", "a", "--annotations", "b"], "either --root OTB or --annotations DIR"),
        (["--sequences", "synthetic:0"], "no folder to report on; type tracking-env report DIR"),
        (["empty", "--sequences", "synthetic:0"], "no sequence could be scored (empty, Synthetic-0000: no result)"),
        (["good", "--sequences", "synthetic:0", "--out", "file"], "cannot make the folder file"),
        (["spread-tre", "--sequences", "synthetic:0"], "spread-tre holds TRE results"),
    ],
)
def test_input_errors_have_one_line(args, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    boxes = synthetic.generate(0).boxes
    write_tracker(tmp_path / "good", {"Synthetic-0000": boxes})
    for at, start in enumerate((0, 30), 1):
        write_tracker(tmp_path / "spread-tre" / f"start-{at:02d}", {"Synthetic-0000": boxes[start:]})
    (tmp_path / "spread-tre" / "starts.json").write_text('{"Synthetic-0000": [0, 30]}')
    assert cli.main(["report", *args]) == 2
    error = capsys.readouterr().err
    assert error.startswith("tracking-env: error: ")
    assert error.count("\n") == 1
    assert message in error


@pytest.mark.parametrize("module", ["jinja2", "matplotlib"])
def test_the_error_names_a_missing_package(module, monkeypatch, capsys):
    for name in ("page", "page_content", "page_data", "plots"):
        monkeypatch.delitem(sys.modules, f"tracking_env.report.{name}", raising=False)
        monkeypatch.delattr(tracking_env.report, name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    assert cli.main(["report", ".", "--sequences", "synthetic:0"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"tracking-env: error: report needs {module}; type: pip install ")
    assert error.count("\n") == 1 and "tracking-env[" not in error
