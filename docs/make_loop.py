r"""Draw docs/images/loop-*.png: how agents learn in the closed loop, and where one fails.

python docs/make_loop.py --root OTB --run runs/search \
  --results results/nano results/proposals results/search-warm results/search

python docs/make_loop.py --sb3 runs/loop

``--sb3`` is a run of train/sb3.py in a closed loop, ``--run`` one of train/search.py. ``--results`` are folders of
boxes, the last of them the agent's: its worst sequences are drawn.
"""

if not __package__:  # run as a file: sys.path[0] is docs/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from tracking_env.datasets import loading
from tracking_env.evaluation import result_files
from tracking_env.evaluation.scoring import evaluate
from tracking_env.report import plots

IMAGES = Path(__file__).resolve().parent / "images"
SMOOTH = 20
"""Number of updates that one point of the learning curves averages."""


def draw_learning(run: Path) -> None:
    """Draw the overlap during the warm start and in the loop, over updates."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    with matplotlib.rc_context({"font.size": 8}):
        figure = Figure(figsize=(7.2, 2.4), layout="constrained")
        stages = {
            "warm/generalised_iou": "warm start: generalised IoU, single crops",
            "reward/iou": "in the loop: IoU, sampled boxes",
        }
        for axes, (name, title) in zip(figure.subplots(1, 2), stages.items(), strict=True):
            points = np.array([(row["update"], row[name]) for row in rows if name in row])
            size = max(1, min(SMOOTH, len(points) // 10))
            mean = np.convolve(points[:, 1], np.ones(size) / size, "valid")
            axes.plot(points[:, 0], points[:, 1], linewidth=0.4, alpha=0.4)
            axes.plot(points[size - 1 :, 0], mean, linewidth=1.6, color="C0")
            axes.set(title=title, xlabel="update")
            axes.grid(alpha=0.2)
    save(figure, "loop-learning")


def draw_steps(run: Path) -> None:
    """Draw the overlap while exploring, and on training clips without exploring, over environment steps."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    curves = {"reward/iou": "sampled actions", "eval/training_iou": "mean actions, training clips"}
    with matplotlib.rc_context({"font.size": 8}):
        figure = Figure(figsize=(4.8, 2.4), layout="constrained")
        axes = figure.subplots()
        for name, label in curves.items():
            points = np.array([(row["step"], row[name]) for row in rows if name in row])
            axes.plot(points[:, 0], points[:, 1], marker="o" if len(points) < SMOOTH else "", label=label)
        axes.set(xlabel="environment steps", ylabel="mean IoU", ylim=(0, 1))
        axes.legend(frameon=False)
        axes.grid(alpha=0.2)
    save(figure, "loop-sb3")


def draw_failures(root: Path, folders: list[Path], number: int) -> None:
    """Draw the overlap over frames of the sequences where the last folder's boxes are worst, the seen third shaded."""
    sequences = loading.load(root, "drlt30")
    truths = {sequence.name: sequence.boxes for sequence in sequences}
    seen = {sequence.name: sequence.seen for sequence in sequences}
    read = {folder.name: result_files.read_results(folder, truths) for folder in folders}
    reports = {name: evaluate(results, truths, seen) for name, results in read.items()}
    report = reports[folders[-1].name]
    worst = sorted(report.sequences, key=lambda name: report.sequences[name]["unseen"].auc)[:number]
    styles = plots.assign_styles(read)
    columns = 2
    with matplotlib.rc_context({"font.size": 8}):
        figure = Figure(figsize=(7.2, 1.7 * -(-number // columns) + 0.3), layout="constrained")
        grid = figure.subplots(-(-number // columns), columns, sharey=True).flat
        for axes, name in zip(grid, worst, strict=False):
            axes.axvspan(0, seen[name], color="0.88", linewidth=0)
            for tracker, tracker_report in reports.items():
                overlap = tracker_report.scores[name][0].overlaps
                axes.plot(np.where(overlap < 0, np.nan, overlap), linewidth=1, label=tracker, **styles[tracker].line)
            axes.set(title=f"{name}: unseen {report.sequences[name]['unseen'].auc:.2f}", ylim=(0, 1), xlim=(0, None))
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(read), frameon=False)
    save(figure, "loop-worst")


def save(figure: Figure, name: str) -> None:
    """Write docs/images/NAME.png."""
    figure.savefig(IMAGES / f"{name}.png", dpi=130, facecolor="white")
    print(IMAGES / f"{name}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sb3", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--results", type=Path, nargs="+", default=[])
    parser.add_argument("--worst", type=int, default=4, help="number of sequences")
    arguments = parser.parse_args()
    if arguments.sb3:
        draw_steps(arguments.sb3)
    if arguments.run:
        draw_learning(arguments.run)
    if arguments.results:
        draw_failures(arguments.root, arguments.results, arguments.worst)
