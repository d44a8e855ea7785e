"""Score, draw and tabulate what benchmarks/gpu.py brought back.

python benchmarks/device/score.py FOLDER --carried .gpu [--into docs/results.md]

It prints the tables as Markdown, and writes them to FOLDER/table.md, curves and bars to FOLDER/*.png and .svg, and the
boxes in OTB's format to FOLDER/drlt-paper-preset/, for `tracking-env score` and `report`. With `--into` the tables
replace the text between the two marks of that page.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/device/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.device.carried import Carried
from tracking_env.errors import InputError
from tracking_env.evaluation.result_files import write_result
from tracking_env.evaluation.scoring import evaluate
from tracking_env.files import read_json, write_atomically
from tracking_env.report import plots, published
from tracking_env.report.text_tables import format_trackers

MARKS = "<!-- gpu: begin -->", "<!-- gpu: end -->"
LABEL = "DRLT, `paper` preset"
SECTIONS = ("An update", "Training", "Each sequence", "Frames per second", "Three runs of one seed", "What failed")


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def cell(value: float | None, form: str) -> str:
    """A number as text, or a dash."""
    return "-" if value is None else format(value, form)


def update_table(results: dict[str, Any]) -> str:
    """Each variant's time, its ratio to the bound, its memory and the error of its gradient."""
    rows = []
    for row in results.get("update", []) + results.get("compile", []):
        if "ms" in row and row["variant"] not in [other[0] for other in rows]:
            numbers = (row["ms"], ".2f"), (row["seconds_per_epoch"], ".2f"), (row["times_the_floor"], ".2f")
            numbers += (row["peak_gb"], ".1f"), (row["difference"], ".1e")
            rows.append([row["variant"], *(cell(value, form) for value, form in numbers)])
    head = ["variant", "ms an update", "s an epoch", "times the floor", "peak memory, GB", "error of the gradient"]
    if not rows:
        return ""
    facts = next(row["machine"] for row in results["update"] if "machine" in row)
    note = (
        f"{facts['device']}, torch {facts['torch']}, CUDA {facts['cuda']}, cuDNN {facts['cudnn']}; a copy moves "
        f"{facts['copy_gb_per_s']:.0f} GB/s, so the floor is {facts['floor_ms']:.2f} ms for "
        f"{facts['parameters'] / 1e6:.0f} M parameters in float32; {facts['updates']} updates an epoch."
    )
    return f"{note}\n\n{markdown(head, rows)}"


def training_tables(results: dict[str, Any], boxes: dict[str, np.ndarray], carried: Carried) -> tuple[str, str]:
    """The run's plan and scores by OTB's protocol; and each sequence by the paper's formula beside its Table 2."""
    plans = [row["plan"] for row in results.get("training", []) if "plan" in row]
    ends = [row for row in results.get("training", []) if "epoch" in row]
    if not plans or not ends or not boxes:
        return "", ""
    plan, end = plans[-1], ends[-1]
    truths = {sequence.name: sequence.boxes for sequence in carried.sequences}
    seen = {sequence.name: sequence.seen for sequence in carried.sequences}
    report = evaluate(boxes, truths, seen)
    schedule = plan["schedule"]
    note = (
        f"{end['epoch']} of {plan['epochs']} epochs ({schedule['l1_epochs']} + {schedule['iou_epochs']}; the paper: "
        f"300 + 200), variant *{plan['variant']}*, features `{plan['extractor']}`, {end['seconds']:.0f} s in all."
    )
    overlaps = {
        name: row["whole"] for name, row in evaluate(boxes, truths, seen, protocol="drlt-paper").sequences.items()
    }
    rows, above = [], 0
    for name, score in overlaps.items():
        printed = published.TABLE_2.get(name, {}).get("DRLT")
        above += printed is not None and score.mean_iou > printed
        rows.append([name, cell(score.mean_iou, ".3f"), cell(printed, ".3f")])
    compared = [row for row in rows if row[2] != "-"]
    means = [np.mean([float(row[at]) for row in compared]) if compared else None for at in (1, 2)]
    rows.append([f"mean of {len(compared)}", *(cell(mean, ".3f") for mean in means)])
    head = ["sequence", "mean overlap", "as the paper prints it"]
    beside = f"By the paper's formula; above the paper's DRLT on {above} of {len(compared)}."
    return f"{note}\n\n{format_trackers({LABEL: report}, markdown=True)}", f"{beside}\n\n{markdown(head, rows)}"


def speed_table(results: dict[str, Any]) -> str:
    """Frames per second of tracking, extraction and the environments."""
    rows = []
    for row in results.get("online", []):
        if "fps" in row:
            rows.append([f"DRLT alone, features computed before, {row['drlt']}", cell(row["step_alone_fps"], ".0f")])
            rows.append([f"decoding, `{row['features']}`, DRLT ({row['drlt']})", cell(row["fps"], ".0f")])
    for row in results.get("extraction", []):
        if "end_to_end_fps" in row:
            rows.append([f"extraction with decoding, `{row['features']}`", cell(row["end_to_end_fps"], ".0f")])
            rows.append(["the network alone", cell(row["extractor_fps"], ".0f")])
        elif "vector_steps_per_second" in row:
            rows.append(
                [f"steps of {row['num_envs']} environments at once", cell(row["vector_steps_per_second"], ".0f")]
            )
    if not rows:
        return ""
    paper = {row.tracker: row.fps for row in published.TABLE_1}
    note = f"The paper, on a GTX 1080: {paper['DRLT-LSTM']} alone, {paper['DRLT']} with the YOLO network."
    return f"{note}\n\n{markdown(['measured', 'per second'], rows)}"


def repeat_table(results: dict[str, Any]) -> str:
    """How far three runs of one seed are apart."""
    rows = []
    for row in results.get("repeat", []):
        if "weights" in row:
            name = f"{row['variant']}, deterministic" if row["deterministic"] else row["variant"]
            rows.append([name, str(row["updates"]), cell(row["weights"], ".1e"), cell(row["pixels"], ".2f")])
    return markdown(["variant", "updates", "largest difference of a weight", "of a box, pixels"], rows) if rows else ""


def failures(results: dict[str, Any]) -> str:
    """What has no numbers, and why."""
    lines = []
    for part, rows in results.items():
        for row in rows if isinstance(rows, list) else []:
            if "error" in row:
                lines.append(f"* {part}{', ' + row['variant'] if 'variant' in row else ''}: {row['error']}")
    return "\n".join(lines)


def draw_updates(results: dict[str, Any]) -> Figure | None:
    """A bar for each variant, and the bound of the memory's bandwidth."""
    rows = [row for row in results.get("update", []) if "ms" in row]
    facts = [row["machine"] for row in results.get("update", []) if "machine" in row]
    if not rows:
        return None
    figure = Figure(figsize=(7, 1 + 0.32 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.barh([row["variant"] for row in rows], [row["ms"] for row in rows])
    axes.axvline(facts[0]["floor_ms"], color="black", linestyle="--", label="bandwidth bound, float32")
    axes.set(xlabel="ms an update", title=facts[0]["device"])
    axes.invert_yaxis()
    axes.legend()
    return figure


def draw_training(metrics: Path) -> Figure | None:
    """Mean rewards of each epoch, and the AUC of each evaluation."""
    if not metrics.exists():
        return None
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    axes = figure.add_subplot()
    for name, label in (("reward/iou", "IoU of the samples"), ("copy_first_box/iou", "IoU of the first box")):
        points = [(row["epoch"], row[name]) for row in rows if name in row]
        if points:
            axes.plot(*zip(*points, strict=True), label=label)
    for part in ("whole", "seen", "unseen"):
        points = [(row["epoch"], row[f"eval/auc_{part}"]) for row in rows if f"eval/auc_{part}" in row]
        axes.plot(*zip(*points, strict=True), marker="o", label=f"AUC {part}")
    axes.set(xlabel="epoch", ylim=(0, 1), title=LABEL.replace("`", ""))
    axes.legend(loc="upper left", fontsize=8)
    return figure


def insert(page: Path, text: str) -> None:
    """Put the text between the marks of a page.

    Raises:
        InputError: the page has no marks.
    """
    content = page.read_text(encoding="utf-8")
    before, begin, rest = content.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not (begin and end):
        raise InputError(f"{page} has no place for the tables; put {MARKS[0]} and {MARKS[1]} there, each on its line")
    with write_atomically(page) as partial:
        partial.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what benchmarks/gpu.py wrote")
    parser.add_argument("--carried", type=Path, required=True, help="the folder that travelled")
    parser.add_argument("--out", type=Path, help="where to write, if not into FOLDER")
    parser.add_argument("--into", type=Path, help="page whose tables are replaced")
    arguments = parser.parse_args()
    try:
        print(score(arguments.folder, arguments.carried, arguments.out or arguments.folder, arguments.into))
    except InputError as error:
        print(f"benchmarks/device/score.py: error: {error}", file=sys.stderr)
        return 2
    return 0


def score(folder: Path, carried_folder: Path, out: Path, page: Path | None) -> str:
    """Write tables, boxes and pictures; returns the tables."""
    results, carried = read_json(folder / "results.json"), Carried(carried_folder)
    boxes: dict[str, np.ndarray] = {}
    if (folder / "boxes.npz").exists():
        with np.load(folder / "boxes.npz") as archive:
            boxes = {name: np.asarray(archive[name], np.float64) for name in archive}
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in boxes.items():
        write_result(out / "drlt-paper-preset" / f"{name}.txt", rows)
    training, sequences = training_tables(results, boxes, carried)
    tables = update_table(results), training, sequences, speed_table(results), repeat_table(results), failures(results)
    sections = [f"### {title}\n\n{table}" for title, table in zip(SECTIONS, tables, strict=True) if table]
    text = "\n\n".join(sections)
    with write_atomically(out / "table.md") as partial:
        partial.write_text(text + "\n", encoding="utf-8")
    for stem, figure in (("updates", draw_updates(results)), ("training", draw_training(folder / "run/metrics.jsonl"))):
        if figure:
            plots.save_figure(figure, out / stem)
    if page:
        insert(page, text)
    return text


if __name__ == "__main__":
    sys.exit(main())
