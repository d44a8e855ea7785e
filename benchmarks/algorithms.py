"""Compare algorithms at equal numbers of environment steps: a row for each algorithm and budget, on any data.

python benchmarks/algorithms.py --out runs/algorithms -- --root OTB --sequences drlt30 --augment 4
python benchmarks/algorithms.py --out runs/algorithms --only ppo a2c --budgets 20000 --seeds 1 -- --augment 4

It trains SB3's five algorithms with train/sb3.py, and REINFORCE and its supervised control with train/reinforce.py, all
with the flags after ``--`` (data, store, device). It prints a Markdown table with means and deviations over the seeds,
also in OUT/table.md, and draws how the scores rise, in OUT/curves.png. Each run has a folder of its own: the same
command continues where it stopped, and finished runs are only read. ``--finished`` trains nothing.

An environment step is an action with its reward. REINFORCE samples N boxes for each frame, so its number of epochs is
chosen to give the same number of boxes, with L1 and IoU in the paper's proportion. The control samples no boxes; it
visits the same frames as often. Layer sizes are the same for all (``--hidden``).
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from benchmarks.ablation import COLUMNS, TRAIN, Parse, run
from tracking_env.errors import InputError
from tracking_env.evaluation.sequence_score import PARTS
from tracking_env.files import write_atomically
from tracking_env.report import plots
from train import config, sb3_config
from train.run import data

SB3 = TRAIN.parent / "sb3.py"
L1_SHARE = 0.6  # 300 of 500 epochs
CONTROLS = ("reinforce", "supervised")
OFF_POLICY = tuple(name for name, preset in sb3_config.PRESETS.items() if preset.learn.buffer is not None)
EVALUATIONS = 10  # of each run: the points of its curve
ROWS = (*sb3_config.PRESETS, *CONTROLS)
LINES = ("best constant box", "untrained agent")
"""Rows of the runs' reports that learn nothing."""


class Run(NamedTuple):
    """One training run."""

    algorithm: str
    budget: int
    folder: Path
    common: list[str]
    """flags of the algorithm's script in all runs"""
    variant: str
    """flags of this run alone"""
    boxes: int
    """number of boxes in one unit of its log: a step, or an epoch of REINFORCE"""


def epochs(env_steps: int, frames: int, episodes: int) -> tuple[int, int]:
    """Epochs on L1 and on IoU in which REINFORCE samples as many boxes; at least one epoch each.

    Args:
        env_steps: the budget.
        frames: number of training frames.
        episodes: N, boxes per frame.
    """
    total = max(2, round(env_steps / (frames * episodes)))
    l1 = min(total - 1, max(1, round(L1_SHARE * total)))
    return l1, total - l1


def plan(arguments: argparse.Namespace, common: list[str]) -> list[Run]:
    """The runs of all algorithms, budgets and seeds; the first seed of everything comes first.

    Args:
        arguments: flags of this script.
        common: flags of all runs.

    Raises:
        InputError: a flag is refused.
    """
    hidden = str(arguments.hidden)
    drlt = [*common, "--preset", arguments.preset, "--observation", hidden, "--hidden", hidden]
    parsed = config.parse(drlt)
    # The number of copies of clips may be the preset's.
    sb3 = [*common, "--hidden", hidden, "--augment", str(parsed.data.augment)]
    frames = sum(len(part) for _, part in data.load_data(parsed.data).clips)
    runs = []
    for seed in range(arguments.seeds):
        for algorithm in arguments.only:
            for budget in arguments.off_policy_budgets if algorithm in OFF_POLICY else arguments.budgets:
                folder = arguments.out / algorithm / str(budget) / f"seed-{seed}"
                if algorithm in CONTROLS:
                    l1, iou = epochs(budget, frames, parsed.reinforce.episodes)
                    variant = f"--learner {algorithm} --l1-epochs {l1} --iou-epochs {iou}"
                    flags, length, boxes = drlt, l1 + iou, frames * parsed.reinforce.episodes
                else:
                    variant = f"--algo {algorithm} --env-steps {budget}"
                    flags, length, boxes = sb3, budget, 1
                variant += f" --evaluate-every {max(1, length // EVALUATIONS)} --seed {seed}"
                runs.append(Run(algorithm, budget, folder, flags, variant, boxes))
    for planned in runs:
        parser_of(planned.algorithm)([*planned.common, *planned.variant.split()])  # refuse bad flags before hours
    return runs


def parser_of(algorithm: str) -> Parse:
    """The parser of the flags of an algorithm's script."""
    return config.parse if algorithm in CONTROLS else sb3_config.parse


def train(planned: Run) -> None:
    """Train a run to its end, unless it is finished; see `ablation.run`."""
    script = TRAIN if planned.algorithm in CONTROLS else SB3
    run(planned.common, planned.variant, planned.folder, script, parser_of(planned.algorithm))


def finished(runs: list[Run]) -> Iterator[Run]:
    """Those of the runs that have a report."""
    return (planned for planned in runs if (planned.folder / "report.json").exists())


def table(runs: list[Run]) -> str:
    """A Markdown table: a row for each algorithm and budget, after rows of what learns nothing."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for planned in runs:
        report = json.loads((planned.folder / "report.json").read_text())
        groups.setdefault((planned.algorithm, planned.budget), []).append(report)
    lines = next(iter(groups.values()))[0]["lines"]  # the untrained agent is that of the first algorithm
    head = ["algorithm", "boxes", "seeds", *(f"{title} {part}" for title, _ in COLUMNS for part in PARTS)]
    rows = [[name, "0", "-", *cells([lines[name]])] for name in LINES if name in lines]
    for (algorithm, budget), reports in groups.items():
        scores = cells([report["mean"] for report in reports])
        rows.append([f"`{algorithm}`", f"{budget:,}", str(len(reports)), *scores])
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def cells(means: list[dict[str, Any]]) -> Iterator[str]:
    """Each score's mean over runs, with its deviation if there are several; "-" for a part without frames."""
    for _, metric in COLUMNS:
        for part in PARTS:
            values = [mean[part][metric] for mean in means if mean[part]]
            if not values:
                yield "-"
            else:
                deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
                yield f"{np.mean(values):.3f}{deviation}"


def curve(planned: Run) -> tuple[list[int], list[float]]:
    """Numbers of boxes and the AUC on whole test sequences after them, at each evaluation of a run."""
    entries = [json.loads(line) for line in (planned.folder / "metrics.jsonl").read_text().splitlines()]
    evaluated = [entry for entry in entries if "eval/auc_whole" in entry]
    unit = "epoch" if planned.algorithm in CONTROLS else "step"
    boxes = [entry[unit] * planned.boxes for entry in evaluated]
    return boxes, [entry["eval/auc_whole"] for entry in evaluated]


def draw(runs: list[Run]) -> Figure:
    """Every algorithm's curves at its largest budget, one for each seed, and the best constant box."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    styles = plots.assign_styles([*ROWS, LINES[0]])
    for algorithm in ROWS:
        largest = max((planned.budget for planned in runs if planned.algorithm == algorithm), default=0)
        chosen = [planned for planned in runs if (planned.algorithm, planned.budget) == (algorithm, largest)]
        for number, planned in enumerate(chosen):
            label = None if number else f"{algorithm}, {largest:,} boxes"
            axes.plot(*curve(planned), linewidth=1.5, label=label, **styles[algorithm].line)
    if runs:
        best = json.loads((runs[0].folder / "report.json").read_text())["lines"][LINES[0]]["whole"]["auc"]
        axes.axhline(best, linewidth=1, label=LINES[0], **styles[LINES[0]].line)
    axes.set(xscale="log", xlabel="boxes", ylabel="AUC, whole sequences", ylim=(0, None))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(alpha=0.2)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs, of the table and of the curves")
    parser.add_argument(
        "--budgets", type=int, nargs="+", default=[20_000, 100_000, 1_000_000], help="environment steps of a run"
    )
    parser.add_argument(
        "--off-policy-budgets", type=int, nargs="+", default=[100_000], help="those of sac and td3, which take longer"
    )
    parser.add_argument("--seeds", type=int, default=3, help="runs of each algorithm and budget")
    parser.add_argument("--hidden", type=int, default=256, help="neurons of the layer on the features, and of the next")
    parser.add_argument("--preset", default="demo", help="preset of train/reinforce.py, for rates and batch")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=ROWS, metavar="ALGORITHM", help=", ".join(ROWS))
    parser.add_argument(
        "--finished", action="store_true", help="train nothing: the table of the runs that are finished"
    )
    args = sys.argv[1:]
    cut = args.index("--") if "--" in args else len(args)
    arguments = parser.parse_args(args[:cut])
    try:
        runs = plan(arguments, args[cut + 1 :])
        if not arguments.finished:
            for planned in runs:
                train(planned)
        runs = list(finished(runs))
        if not runs:
            raise InputError(f"no run in {arguments.out} is finished; leave --finished out")
    except InputError as error:
        print(f"benchmarks/algorithms.py: error: {error}", file=sys.stderr)
        return 2
    text = table(runs)
    with write_atomically(arguments.out / "table.md") as partial:
        partial.write_text(text + "\n")
    plots.save_figure(draw(runs), arguments.out / "curves")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
