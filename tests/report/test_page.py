import base64
import html
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import tracking_env
from tests.helpers.browsing import chromium, resize
from tracking_env import cli
from tracking_env.datasets import otb, synthetic
from tracking_env.datasets.sequence import Sequence
from tracking_env.evaluation.ground_truth import GroundTruth, read_ground_truth
from tracking_env.evaluation.result_files import Results, read_results, write_result
from tracking_env.evaluation.scoring import evaluate
from tracking_env.evaluation.sequence_score import PARTS, score_boxes
from tracking_env.report import film_strips, published

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")
from tracking_env.report import page_content, plots
from tracking_env.report.page import write_page

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
    return [
        write_tracker(root / "static", static, fps=500),
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


@pytest.fixture(scope="module")
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def section(text: str, name: str) -> str:
    return re.search(rf'<section id="{name}">.*?</section>', text, re.DOTALL)[0]


def rows(table: str) -> dict[str, list[float | None]]:
    """Values by the row's name."""
    values_by_name = {}
    for row in re.findall(r"<tr><th scope=\"row\">.*?</tr>", table, re.DOTALL):
        name = re.sub(r"<[^>]*>", "", re.search(r"<th.*?</th>", row, re.DOTALL)[0]).strip()
        values = re.findall(r'data-value="([^"]*)"', row)
        values_by_name[html.unescape(name)] = [float(value) if value else None for value in values]
    return values_by_name


def test_the_page_shows_the_scores_of_the_evaluation(text, folders):
    truths = {sequence.name: sequence.boxes for sequence in drawn()}
    table = rows(section(text, "scores"))
    for folder in folders:
        mean = evaluate(read_results(folder, truths), truths).mean
        expected = [getattr(mean[part], metric) for metric in ("auc", "precision20") for part in PARTS]
        assert table[folder.name][:6] == pytest.approx(expected)
    assert table["static"][6] == pytest.approx(500)
    assert table[STRANGE][6:] == [None, 2]
    unseen = [values[2] for values in table.values()]
    assert unseen == sorted(unseen, reverse=True)


def test_the_sequence_table_shows_every_score(text, folders):
    truths = {sequence.name: sequence.boxes for sequence in drawn()}
    report = evaluate(read_results(folders[0], truths), truths)
    tables = section(text, "sequences").split('<div class="panel">')[1:]
    for part, table in zip(("unseen", "whole", "seen"), tables, strict=True):
        by_name = rows(table)
        assert list(by_name) == [*truths, "Mean"]
        assert {name: by_name[name][0] for name in truths} == pytest.approx(
            {name: report.sequences[name][part].auc for name in truths}
        )
        assert by_name["Mean"][0] == pytest.approx(report.mean[part].auc)
        assert by_name["Synthetic-0002"][2] is None


def test_the_legends_are_sorted_by_score(text):
    for figure in re.findall(r"<figure>.*?</figure>", section(text, "curves"), re.DOTALL):
        scores = [float(score) for score in re.findall(r"\[(\d\.\d{3})\]", figure)]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)


def test_the_curves_give_the_scores(folders, tmp_path, monkeypatch):
    truths = [GroundTruth(sequence.name, sequence.boxes) for sequence in drawn()]
    results = {folder.name: read_results(folder, [truth.name for truth in truths]) for folder in folders}
    page, draw, curves = page_content.Page(truths, results, tmp_path), plots.draw_curves, []
    monkeypatch.setattr(plots, "draw_curves", lambda *args: curves.append(args[3]) or draw(*args))
    for part in PARTS:
        page.curves("success", part)
        page.curves("precision", part)
        success, precision = curves[-2:]
        for name, report in page.reports.items():
            score = report.mean[part]
            assert [np.mean(success[name][0]), success[name][1]] == pytest.approx([score.auc] * 2)
            assert [precision[name][0][20], precision[name][1]] == pytest.approx([score.precision20] * 2)


def test_the_best_and_second_best_scores_are_marked(text):
    row = re.search(r"<tr>[^\n]*Synthetic-0001.*?</tr>", section(text, "sequences"), re.DOTALL)[0]
    assert row.count('class="best"') == 1
    assert row.count('class="second"') == 1


def test_the_page_loads_no_other_files(text):
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text)
    assert not re.search(r"""src\s*=\s*["'](?!data:)""", text)
    assert "@import" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    assert len(text) < 2_000_000


def test_names_are_escaped(text):
    assert "<b>" not in text
    assert html.escape(STRANGE) in text
    assert section(text, "failed").count(f"<li>{html.escape(STRANGE)}, Synthetic-0002: no result</li>") == 1


def test_plots_are_saved_beside_the_page(page):
    names = {path.name for path in (page.parent / "plots").iterdir()}
    stems = {f"{kind}-{part}" for kind in ("success", "precision", "attributes") for part in PARTS}
    stems |= {"speed"} | {f"overlap-{sequence.name}" for sequence in drawn()}
    assert names == {f"{stem}.{suffix}" for stem in stems for suffix in ("png", "svg")}
    assert cv2.imread(str(page.parent / "plots" / "success-whole.png")) is not None


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


def test_the_page_compares_with_the_tables_of_the_paper(monkeypatch, tmp_path):
    truths = {name: paper_truths()[name] for name in ("Couple", "Dancer2")}
    sequences = [GroundTruth(name, truth) for name, truth in truths.items()]
    first, second = page_content.Page(sequences, {"same": Results((truths,))}, tmp_path).paper()
    assert [cell.value for cell in second.rows["Couple"]] == [1, *published.TABLE_2["Couple"].values()]
    assert second.rows["Couple"][1 + published.TRACKERS.index("TLD")].mark == "second"
    assert second.foot["Mean of these 2"][1].value == pytest.approx((0.493 + 0.825) / 2)
    assert [cell.text for cell in first.rows["DRLT, paper"]] == ["0.543", "0.635", "45.0"]
    assert first.rows["same"][1].value == 1
    everything = [GroundTruth(name, truth) for name, truth in paper_truths().items()]
    _, second = page_content.Page(everything, {"none": Results(({},))}, tmp_path).paper()
    averages = [f"{average:.3f}" for average in published.AVERAGE.values()]
    assert [cell.text for cell in second.foot["As printed"]] == ["–", *averages]


def test_several_runs_are_shown_by_mean_and_deviation(tmp_path):
    sequence = drawn()[0]
    runs = tuple({sequence.name: sequence.boxes + RIGHT * step} for step in (1, 6))
    truths = [GroundTruth(sequence.name, sequence.boxes)]
    reports = write_page(tmp_path, truths, {"two": Results(runs)})
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    report = reports["two"]
    assert f"{report.mean['whole'].auc:.3f} ± {report.std['whole'].auc:.3f}" in section(text, "scores")
    assert "deviation over runs" in text
    assert f"[{report.mean['unseen'].auc:.3f}] two" in section(text, "curves")
    assert 'id="film"' not in text  # no frames


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
    for name in ("page", "page_content", "plots"):
        monkeypatch.delitem(sys.modules, f"tracking_env.report.{name}", raising=False)
        monkeypatch.delattr(tracking_env.report, name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    assert cli.main(["report", ".", "--sequences", "synthetic:0"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"tracking-env: error: report needs {module}; type: pip install ")
    assert error.count("\n") == 1 and "tracking-env[" not in error


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


def show(browser: Any, page: Path, width: int) -> None:
    resize(browser, width)
    browser.get(page.as_uri())


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_the_window_and_logs_no_errors(browser, page, width):
    show(browser, page, width)
    browser.execute_script("for (const details of document.querySelectorAll('details')) details.open = true")
    widths = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1] == width
    assert browser.get_log("browser") == []
    assert (
        browser.execute_script(
            "return performance.getEntriesByType('resource').filter(entry => !entry.name.startsWith('data:')).length"
        )
        == 0
    )
    broken = "return [...document.images].filter(image => image.complete && !image.naturalWidth).length"
    assert browser.execute_script(broken) == 0


def test_a_click_on_a_title_sorts_the_table_both_ways(browser, page):
    show(browser, page, 1280)
    table = "document.querySelector('#sequences .panel table')"

    def click(column: int) -> tuple[list[str], str]:
        browser.find_elements("css selector", "#sequences .panel:nth-of-type(1) thead button")[column].click()
        column_text = f"[...{table}.tBodies[0].rows].map(row => row.cells[{column}].textContent)"
        return browser.execute_script(f"return [{column_text}, {table}.tHead.rows[0].cells[{column}].ariaSort]")

    falling, order = click(1)
    assert (falling, order) == (sorted(falling, reverse=True), "descending")
    rising, order = click(1)
    assert (rising, order) == (falling[::-1], "ascending")
    assert rising != falling
    names, _ = click(0)
    assert names == ["Synthetic-0001", "Synthetic-0002", "Synthetic-0003"]
    assert click(0)[0] == names[::-1]
    missing = [click(3)[0][-1] for _ in range(2)]  # stays last in both directions
    assert missing == ["–", "–"]
    assert browser.execute_script(f"return {table}.tFoot.rows[0].cells[0].textContent") == "Mean"


def test_a_table_with_two_rows_of_titles_sorts_by_the_lower(browser, page):
    show(browser, page, 1280)
    for expected in (["500.0", "40.0", "–"], ["40.0", "500.0", "–"]):  # missing numbers stay last
        browser.find_elements("css selector", "#scores thead button")[7].click()
        cells = browser.find_elements("css selector", "#scores tbody td:nth-child(8)")
        assert [cell.text for cell in cells] == expected


def test_the_parts_are_tabs_and_a_name_opens_its_plot(browser, page):
    show(browser, page, 1280)
    shown = "return [...document.querySelectorAll('#sequences .panel')].map(panel => panel.offsetHeight > 0)"
    assert browser.execute_script(shown) == [True, False, False]
    browser.execute_script("document.querySelector('#sequences-whole').click()")
    assert browser.execute_script(shown) == [False, True, False]
    browser.execute_script("document.querySelector('#sequences .panel:nth-of-type(2) tbody a').click()")
    assert browser.execute_script("return document.querySelector('#overlap details').open")
