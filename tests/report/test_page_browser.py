"""The page of a report in a browser: every interaction, both widths, light, dark and printed."""

import base64
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.browsing import chromium, resize
from tracking_env.datasets import synthetic
from tracking_env.evaluation.ground_truth import GroundTruth
from tracking_env.evaluation.result_files import Results

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")
from tracking_env.report.page import write_page
from tracking_env.report.page_content import Page

LONG = "a-tracker-with-a-very-long-name_of-its-authors-choice_checkpoint-000123"
NAMES = ["ours", "rival", LONG, "half_&1%"]
RIGHT = np.array([1.0, 0, 0, 0])


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Four trackers on three drawn sequences; the last tracker lacks one."""
    folder = tmp_path_factory.mktemp("report")
    sequences = [
        GroundTruth(sequence.name, sequence.boxes, tags, sequence.frames)
        for sequence, tags in zip(synthetic.parse("synthetic:1-3"), [("OCC", "SV"), ("SV", "FM"), ()], strict=True)
    ]
    results = {}
    for at, name in enumerate(NAMES):
        boxes = {sequence.name: sequence.boxes + RIGHT * (3 + 4 * at) for sequence in sequences[: 2 if at == 3 else 3]}
        boxes["Synthetic-0003"] = sequences[2].boxes + RIGHT * (9 - 2 * at)  # here the order is the other way round
        if at == 3:
            del boxes["Synthetic-0003"]
        speeds = dict.fromkeys(boxes, 20.0 * (at + 1)) if at < 3 else {}
        trained_on = frozenset(["Synthetic-0001"] if at == 0 else [])
        results[name] = Results((boxes,), speeds, trained_on=trained_on)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Page, "save_plots", lambda *_: None)  # takes longer than everything else
        write_page(folder, sequences, results)
    yield folder / "index.html"


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture
def browser(driver: Any, page: Path) -> Any:
    """The page, loaded anew in a wide window."""
    return show(driver, page, 1280)


def show(driver: Any, page: Path, width: int, scheme: str = "light") -> Any:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    resize(driver, width)
    driver.get(page.as_uri())
    return driver


def texts(browser: Any, selector: str) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].map(node => node.textContent.trim())"
    return browser.execute_script(script, selector)


def click(browser: Any, selector: str) -> None:
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


def data(browser: Any) -> dict[str, Any]:
    return browser.execute_script("return data")


def wait(browser: Any, milliseconds: int = 50) -> None:
    browser.execute_async_script("const [time, done] = arguments; setTimeout(done, time)", milliseconds)


def send(browser: Any, selector: str, x: float, y: float, kind: str) -> None:
    """Send an event of the mouse at a place of an element, given in shares of its size."""
    place = """
        const node = document.querySelector(arguments[0]);
        node.scrollIntoView({block: "center"});
        const box = node.getBoundingClientRect();
        return [box.left + box.width * arguments[1], box.top + box.height * arguments[2]]"""
    left, top = browser.execute_script(place, selector, x, y)
    button = "none" if kind == "mouseMoved" else "left"
    event = {"type": kind, "x": left, "y": top, "button": button, "clickCount": int(button == "left")}
    browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)


def move_to(browser: Any, selector: str, x: float, y: float) -> None:
    send(browser, selector, x, y, "mouseMoved")
    wait(browser)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_the_window_and_logs_no_errors(driver, page, width, scheme):
    browser = show(driver, page, width, scheme)
    browser.execute_script("for (const details of document.querySelectorAll('details')) details.open = true")
    widths = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1] == width
    assert browser.get_log("browser") == []
    loaded = "performance.getEntriesByType('resource').filter(entry => !/^(data|blob):/.test(entry.name)).length"
    assert browser.execute_script(f"return {loaded}") == 0
    broken = "return [...document.images].filter(image => image.complete && !image.naturalWidth).length"
    assert browser.execute_script(broken) == 0
    colours = browser.execute_script(
        "return [document.body, document.querySelector('h1')].map(node => "
        "getComputedStyle(node)).map(style => [style.backgroundColor, style.color])"
    )
    light = [sum(map(int, colour[4:-1].split(","))) for colour in (colours[0][0], colours[1][1])]
    assert (light[0] > light[1]) == (scheme == "light")


def test_a_tracker_is_switched_off_and_on_everywhere(browser):
    def shown() -> dict[str, bool]:
        """Per place of the page, whether the tracker `rival` is in it."""
        series = "[...curves.map(curve => curve.plot), overlapPlot].map(plot => plot.series[2].show)"
        return {
            "scores": any("rival" in text for text in texts(browser, "#scores-table tbody th")),
            "sequences": any("rival" in text for text in texts(browser, "#sequences-table thead th")),
            "attributes": "rival" in texts(browser, "#attribute-chart .name"),
            "speed": "rival" in texts(browser, "#speed-chart text"),
            "strip": browser.execute_script("return !document.querySelector('details[data-tracker=\"1\"]').hidden"),
            **{f"plot {at}": on for at, on in enumerate(browser.execute_script(f"return {series}"))},
        }

    assert all(shown().values()) and len(shown()) == 9
    click(browser, '.chip[data-tracker="1"]')
    assert not any(shown().values())
    click(browser, '.legend button[data-tracker="1"]')  # a legend does the same
    assert all(shown().values())
    click(browser, "#show-none")
    assert texts(browser, "#scores-table tbody th") == []
    click(browser, "#show-all")
    assert all(shown().values())
    event = "document.querySelector('.chip[data-tracker=\"1\"]').dispatchEvent(new MouseEvent('dblclick'))"
    browser.execute_script(event)
    assert texts(browser, "#scores-table tbody th") == ["rival"]


def test_best_and_second_best_are_of_the_trackers_shown(browser):
    assert texts(browser, "#scores-table tbody tr:first-child th") == ["ours†"]
    assert "best" in browser.find_element("css selector", "#scores-table td span").get_attribute("class")
    click(browser, '.chip[data-tracker="0"]')
    assert texts(browser, "#scores-table tbody tr:first-child th") == ["rival"]
    assert texts(browser, "#scores-table tr:first-child .best") == [
        f"{data(browser)['means']['whole']['auc'][1]:.3f}",
        *texts(browser, "#scores-table tr:first-child .best")[1:],
    ]


def test_a_click_on_a_title_sorts_both_ways(browser):
    def click_title(table: str, column: int) -> tuple[list[str], str]:
        click(browser, f"#{table} thead th:nth-child({column + 1}) button")
        cell = f"#{table} tbody tr > :nth-child({column + 1})"
        order = f"return document.querySelector('#{table} thead th:nth-child({column + 1})').ariaSort"
        return texts(browser, cell), browser.execute_script(order)

    falling, order = click_title("sequences-table", 1)
    assert (falling, order) == (sorted(falling, reverse=True), "descending") and len(set(falling)) == 3
    assert click_title("sequences-table", 1) == (falling[::-1], "ascending")
    names, _ = click_title("sequences-table", 0)
    assert names == [f"Synthetic-000{at}" for at in (1, 2, 3)]
    assert click_title("sequences-table", 0)[0] == names[::-1]
    for _ in range(2):  # a missing number stays last in both directions
        assert click_title("sequences-table", 4)[0][-1] == "–"
    for expected in (["60.0", "40.0", "20.0", "–"], ["20.0", "40.0", "60.0", "–"]):
        assert click_title("scores-table", 4)[0] == expected


def test_sequences_are_filtered_by_name_and_attribute(browser):
    field = browser.find_element("css selector", "#filter")
    for words, expected in (("sv", [1, 2]), ("sv 0002", [2]), ("nothing", []), ("", [1, 2, 3])):
        field.clear()
        field.send_keys(words or " ")
        assert texts(browser, "#sequences-table tbody th") == [f"Synthetic-000{at}" for at in expected], words
    click(browser, "#sequence-filter .choice button:nth-child(2)")
    scores = data(browser)["scores"]["whole"]["precision20"]
    assert texts(browser, "#sequences-table tbody td")[:2] == [f"{scores[at][0]:.3f}" for at in (0, 1)]


def test_the_part_is_chosen_for_the_whole_page(browser):
    numbers = data(browser)
    assert texts(browser, "#chips .choice button") == ["whole video", "first third", "rest"]
    click(browser, "#chips .choice button:nth-child(3)")
    assert texts(browser, "#scores-table tbody tr:first-child td")[0] == f"{numbers['means']['unseen']['auc'][0]:.3f}"
    assert texts(browser, "#curve-plots h3")[0] == "Success, rest [AUC]"
    assert browser.execute_script("return curves[0].plot.data[1]") == numbers["curves"][0]["rates"]["unseen"][0]
    assert texts(browser, "#change .verdict")[0].startswith("Mean AUC, rest: ")


def test_pointing_at_a_curve_shows_its_values(browser):
    assert browser.execute_script("return [...document.querySelectorAll('.readout')].every(box => box.hidden)")
    move_to(browser, '[data-curve="success"] .u-over', 0.5, 0.3)
    lines = [text for text in texts(browser, '[data-curve="success"] .readout > div') if text]
    rates = data(browser)["curves"][0]["rates"]["whole"]
    ranked = sorted(range(4), key=lambda at: -rates[at][10])
    assert lines == ["overlap threshold: 0.5", *(f"{rates[at][10]:.3f}{NAMES[at]}" for at in ranked)]


def test_a_drag_zooms_and_a_double_click_goes_back(browser):
    scale = "const {min, max} = curves[0].plot.scales.x; return [min, max]"
    assert browser.execute_script(scale) == [0, 1]
    plot = '[data-curve="success"] .u-over'
    for x, kind in ((0.25, "mousePressed"), (0.5, "mouseMoved"), (0.75, "mouseReleased")):
        move_to(browser, plot, x, 0.5)
        send(browser, plot, x, 0.5, kind)
    assert browser.execute_script(scale) == pytest.approx([0.25, 0.75], abs=0.02)
    browser.execute_script("curves[0].plot.over.dispatchEvent(new MouseEvent('dblclick', {bubbles: true}))")
    wait(browser)
    assert browser.execute_script(scale) == [0, 1]


def test_two_trackers_are_compared_and_swapped(browser):
    numbers = data(browser)
    ours, rival = (numbers["scores"]["whole"]["auc"][at] for at in (0, 1))
    low, high = numbers["changes"]["whole"][1][0]
    difference = np.mean(ours) - np.mean(rival)
    sign = "−" if difference < 0 else "+"
    verdict = texts(browser, "#change .verdict")[0]
    assert f"{np.mean(rival):.3f} → {np.mean(ours):.3f}, {sign}{abs(difference):.3f}" in verdict
    assert f"[{'−' if low < 0 else '+'}{abs(low):.3f}, +{high:.3f}]" in verdict
    assert texts(browser, "#change .move button")[-1] == "Synthetic-0003", "the largest loss comes last"
    assert "2 better, 0 equal (within 0.005), 1 worse" in texts(browser, "#change .note")[0]
    click(browser, "#swap")
    assert f"{np.mean(ours):.3f} → {np.mean(rival):.3f}" in texts(browser, "#change .verdict")[0]
    assert texts(browser, "#change .move button")[0] == "Synthetic-0003"
    click(browser, "#change .move button")
    assert browser.execute_script("return [state.sequence, state.ours, state.rival]") == [2, 1, 0]
    pair = browser.find_elements("css selector", "#pair select")
    pair[0].find_elements("css selector", "option")[1].click()
    assert texts(browser, "#change") == ["Choose two trackers."]


def test_the_scrubber_shows_picture_boxes_and_overlaps_of_a_frame(browser):
    numbers = data(browser)
    click(browser, "#sequences-table tbody button")
    sequence = numbers["sequences"][0]
    assert browser.execute_script("return document.querySelector('#frame').max") == "39"
    move = (
        "const slider = document.querySelector('#frame'); slider.value = 20; slider.dispatchEvent(new Event('input'))"
    )
    browser.execute_script(move)
    assert browser.execute_script("return document.querySelector('#screen img').src") == sequence["pictures"][20]
    frame = sequence["frames"][20]
    assert texts(browser, "#frame-number") == [f"{frame + 1} / {sequence['length']}"]
    shown = browser.execute_script(
        "return [...document.querySelectorAll('#screen rect:nth-of-type(2n)')].map(rect => "
        "['x', 'y', 'width', 'height'].map(name => Number(rect.getAttribute(name))))"
    )
    stored = [sequence["truth"], sequence["boxes"][1], sequence["boxes"][0]]  # ours on top
    assert shown == [np.frombuffer(base64.b64decode(text), "<i2").reshape(-1, 4)[20].tolist() for text in stored]
    overlaps = [base64.b64decode(sequence["overlaps"][at])[frame] / 250 for at in (0, 1)]
    assert texts(browser, "#values strong") == [f"{overlap:.2f}" for overlap in overlaps]


def test_the_overlap_under_the_cursor_is_shown_and_a_click_goes_to_its_frame(browser):
    move_to(browser, "#overlap-plot .u-over", 0.75, 0.4)
    lines = [text for text in texts(browser, "#overlap-plot .readout > div") if text]
    index = browser.execute_script("return overlapPlot.cursor.idx")
    overlaps = [base64.b64decode(text)[index] / 250 for text in data(browser)["sequences"][0]["overlaps"]]
    ranked = sorted(range(4), key=lambda at: -overlaps[at])
    assert lines[0] == f"frame {index + 1}"
    assert sorted(lines[1:]) == sorted(f"{overlaps[at]:.2f}{NAMES[at]}" for at in ranked)
    for kind in ("mousePressed", "mouseReleased"):
        send(browser, "#overlap-plot .u-over", 0.75, 0.4, kind)
    frames = data(browser)["sequences"][0]["frames"]
    nearest = min(range(40), key=lambda at: abs(frames[at] - index))
    assert browser.execute_script("return state.at") == pytest.approx(nearest, abs=1)


def test_play_runs_to_the_end_and_a_thumbnail_opens_its_sequence(browser):
    click(browser, '.thumb[data-sequence="1"]')
    assert browser.execute_script("return [state.sequence, state.at, timer !== null]") == [1, 0, True]
    click(browser, "#play")
    assert texts(browser, "#play") == ["Play"]
    browser.execute_script("goTo(38)")
    click(browser, "#play")
    wait(browser, 400)
    assert browser.execute_script("return [state.at, timer]") == [39, None]


def test_other_trackers_can_be_seen_frame_by_frame(browser):
    choices = browser.find_elements("css selector", "#frame-choice select")
    assert len(choices) == 3
    choices[1].find_elements("css selector", "option")[3].click()
    assert texts(browser, "#values .name") == ["half_&1%", "rival"]
    browser.find_elements("css selector", "#frame-choice select")[0].find_elements("css selector", "option")[2].click()
    assert texts(browser, "#values strong")[0] == "no result"


def test_attributes_are_bars_or_a_radar(browser):
    numbers = data(browser)["attributes"]
    assert numbers["counts"] == {"SV": 2, "OCC": 1, "FM": 1}
    bars = texts(browser, '[data-tag="SV"] .meter')
    assert bars[0] == f"ours{numbers['scores']['whole']['auc'][0][0]:.2f}"
    click(browser, "#attribute-choice .choice button:nth-child(2)")
    assert len(browser.find_elements("css selector", "#attribute-chart polygon")) == 4 + 4  # rings, trackers
    assert texts(browser, "#attribute-chart text")[-1] == "FM (1)"


def test_names_beside_the_dots_of_speed_do_not_cover_each_other(browser):
    script = """
        for (const tracker of [0, 1, 2]) {  // all at one place
          trackers[tracker].fps = 20 + tracker;
          data.means.whole[headline][tracker] = 0.5;
        }
        renderSpeed();
        const labels = [...document.querySelectorAll("#speed-chart .label")];
        return labels.map(node => node.getBoundingClientRect().toJSON())"""
    boxes = browser.execute_script(script)
    assert len(boxes) == 3
    for at, box in enumerate(boxes):
        for other in boxes[:at]:
            assert box["bottom"] <= other["top"] + 3 or other["bottom"] <= box["top"] + 3


def test_curves_beside_each_other_have_one_base_line(browser):
    # The longest title has two lines.
    script = "return [...document.querySelectorAll('#curve-plots canvas')].map(n => n.getBoundingClientRect().bottom)"
    assert len(set(map(round, browser.execute_script(script)))) == 1


def saved(browser: Any, kind: str) -> tuple[str, str]:
    """Name and content of the file that a button saves."""
    script = """
        const [selector, done] = arguments, create = URL.createObjectURL;
        URL.createObjectURL = blob => {
          blob.text().then(text => done([HTMLAnchorElement.saved, text]));
          return create(blob);
        };
        HTMLAnchorElement.prototype.click = function () { HTMLAnchorElement.saved = this.download; };
        document.querySelector(selector).click();"""
    return tuple(browser.execute_async_script(script, f"#save-{kind}"))


def test_the_numbers_are_saved_as_csv_json_and_latex(browser):
    numbers = data(browser)
    click(browser, '.chip[data-tracker="2"]')  # only the trackers shown are saved
    name, text = saved(browser, "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert name == "scores.csv" and {row["tracker"] for row in rows} == {NAMES[0], NAMES[1], NAMES[3]}
    assert len(rows) == 3 * 3 * 4 and rows[0]["sequence"] == "mean"
    row = next(row for row in rows if row["sequence"] == "Synthetic-0002" and row["part"] == "unseen")
    assert float(row["auc"]) == numbers["scores"]["unseen"]["auc"][0][1]
    name, text = saved(browser, "json")
    content = json.loads(text)
    assert name == "scores.json" and list(content) == [NAMES[0], NAMES[1], NAMES[3]]
    assert content["rival"]["mean"]["whole"]["auc"] == numbers["means"]["whole"]["auc"][1]
    assert content["half_&1%"]["sequences"]["Synthetic-0003"]["whole"]["auc"] is None
    name, text = saved(browser, "latex")
    assert name == "scores.tex" and r"half\_\&1\%" in text and text.count(r"\\") == 4
    assert rf"ours & \textbf{{{numbers['means']['whole']['auc'][0]:.3f}}} &" in text


def test_paper_is_white_also_after_a_dark_screen(driver, page):
    browser = show(driver, page, 1280, "dark")
    grey = """
        const canvas = document.querySelector("#curve-plots canvas"), { width, height } = canvas;
        const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data, values = [];
        for (let at = 0; at < pixels.length; at += 4) {
          if (pixels[at + 3] === 255 && pixels[at] === pixels[at + 1]) values.push(pixels[at]);
        }
        return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];"""

    def darkest_and_brightest() -> list[int]:
        wait(browser, 100)
        return browser.execute_script(grey)

    assert darkest_and_brightest()[1] == 230, "light letters on a dark screen"
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    darkest, brightest = darkest_and_brightest()
    assert darkest == 29 and brightest <= 220, "dark letters and grey lines on paper"
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert darkest_and_brightest()[1] == 230
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})
    hidden = "return ['.bar', '#downloads', '.scrubber'].map(name => document.querySelector(name).offsetHeight)"
    assert browser.execute_script(hidden) == [0, 0, 0]
    clipped = (
        "return [...document.querySelectorAll('.scroll')].filter(box => getComputedStyle(box).overflow != 'visible')"
    )
    assert browser.execute_script(clipped) == []
    document = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert base64.b64decode(document["data"])[:5] == b"%PDF-"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
