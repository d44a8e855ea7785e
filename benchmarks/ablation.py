"""Which option helps: one training run per variant, a table, a plot.

python benchmarks/ablation.py --study credit --out runs/credit --seeds 3 -- --preset small --root OTB --sequences drlt30
python benchmarks/ablation.py --vary "" "--episodes 20" "--sigma 0.03" --out runs/mine -- --preset demo --hidden 64
python benchmarks/ablation.py --study horizon --out runs/horizon -- --start runs/search --preset small --root OTB ...

Each variant is train/reinforce.py (of the studies `horizon` and `parts`, and with ``--script search``, train/search.py)
with the flags after ``--`` and then its own, in a folder of ``--out``; the empty variant has none of its own. The same
command goes on where it stopped, and finished variants are only read. Prints a Markdown table of the test sequences,
whole, seen and unseen, with deviations over the seeds, and of the closed loop how often targets were lost; writes it to
OUT/table.md, and OUT/auc.png and .svg beside it.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from tracking_env.errors import InputError
from tracking_env.evaluation.sequence_score import PARTS
from tracking_env.files import write_atomically
from tracking_env.report import plots
from train import config, search_config
from train.flags import RunFlags, differences

TRAIN = Path(__file__).resolve().parents[1] / "train" / "reinforce.py"
SEARCH = TRAIN.parent / "search.py"
STUDIES = {
    "T": ("--steps 5", "--steps 10", "--steps 20"),  # the paper's Figure 4
    "N": ("--episodes 2", "--episodes 5", "--episodes 20"),
    "sigma": ("--sigma 0.003", "--sigma 0.01", "--sigma 0.03", "--sigma 0.1 --sigma-end 0.01"),
    "reward": ("", "--l1-epochs {epochs} --iou-epochs 0", "--l1-epochs 0 --iou-epochs {epochs}", "--plateau 10"),
    "credit": tuple(
        f"--returns {returns} --baseline {baseline}"
        for returns in ("step", "to_go")
        for baseline in ("mean", "leave_one_out")
    ),
    "learner": ("", "--learner supervised", "--warm-epochs 50"),
    "beyond": ("", "--reuse 4", "--precision bf16"),
    "order": ("--order sequential", "--order shuffled", "--first-location video"),
}
"""Variants by question; ``{epochs}`` are all epochs of the common flags."""
LOOP_STUDIES = {
    # Equal budgets of frames: the common flags' updates are those of 20 steps.
    "horizon": (
        "--l1-updates 0 --iou-updates 0",
        "--learner supervised --steps 20",
        "--returns step --steps 20",
        "--steps 10 --iou-updates {double}",
        "--steps 20",
        "--steps 40 --iou-updates {half}",
    ),
    "parts": (
        "",
        "--no-memory",
        "--no-template",
        "--no-correlation",
        "--no-look",
        "--stretch 0.15",
        "--blind-share 0",
        "--pretended 3",
    ),
    "loop-reward": ("", "--l1-updates {all} --iou-updates 0", "--l1-updates 0 --iou-updates {all}"),
}
"""The same of train/search.py; ``{half}`` and ``{double}`` the IoU updates of the common flags, ``{all}`` all."""
Parse = Callable[[list[str]], RunFlags]
OWN = ("--study", "--vary", "--out", "--seeds", "--script", "--help")
"""Flags that are not a variant's."""
COLUMNS = (("AUC", "auc"), ("P@20", "precision20"))
DRIFT = {"failures_per_100_frames": "failures per 100 frames", "frames_to_failure": "frames to the first failure"}


def run(
    common: list[str], variant: str, folder: Path, script: Path = TRAIN, parse: Parse = config.parse
) -> dict[str, Any]:
    """The report of one variant: read where it is finished, else trained, from where it stopped.

    Args:
        common: flags of all variants.
        variant: its own.
        folder: where it is kept.
        script: that trains it.
        parse: the script's configuration from flags.

    Raises:
        InputError: the flags are refused, or the training did not come to its end.
    """
    flags = [*common, *shlex.split(variant), "--out", str(folder)]
    report = folder / "report.json"
    if report.exists():
        finished = json.loads(report.read_text())
        if not differences(parse(flags), finished["config"]):
            return finished
    if any(folder.glob("**/config.json")):
        flags.append("--resume")
    print(f"{variant or 'as given'}: {shlex.join(flags)}", file=sys.stderr)
    code = subprocess.run([sys.executable, str(script), *flags], stdout=subprocess.DEVNULL).returncode
    if code or not report.exists():
        raise InputError(f"{variant or 'the first variant'} did not come to its end; the same command goes on there")
    return json.loads(report.read_text())


def table(reports: dict[str, dict[str, Any]]) -> str:
    """Markdown: a row per variant."""
    losses = [one["drift"] for one in reports.values() if "drift" in one]
    lost = DRIFT if losses and len(losses) == len(reports) else {}
    head = ["variant", *(f"{title} {part}" for title, _ in COLUMNS for part in PARTS), *lost.values()]
    rows = [
        [f"`{name}`", *(cell(one, part, what) for _, what in COLUMNS for part in PARTS)]
        + [f"{one['drift'][what]:.3g}" for what in lost]
        for name, one in reports.items()
    ]
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def cell(report: dict[str, Any], part: str, what: str) -> str:
    mean, std = ((report[key] or {}).get(part) for key in ("mean", "std"))
    return "-" if not mean else f"{mean[what]:.3f}" + (f" ± {std[what]:.3f}" if std else "")


def plot(reports: dict[str, dict[str, Any]]) -> Figure:
    """AUC of each part: a point per variant, with its deviation."""
    figure = Figure(figsize=(7, 1.2 + 0.34 * len(reports)), layout="constrained")
    axes = figure.add_subplot()
    for offset, (part, style) in enumerate(plots.assign_styles(PARTS).items()):
        there = [(row, one) for row, one in enumerate(reports.values()) if one["mean"][part]]
        axes.errorbar(
            [one["mean"][part]["auc"] for _, one in there],
            [row + 0.15 * (offset - 1) for row, _ in there],
            xerr=[one["std"][part]["auc"] if one["std"] else 0.0 for _, one in there],
            fmt="o",
            color=style.colour,
            label=part if there else None,
        )
    axes.set_yticks(range(len(reports)), list(reports))
    axes.set(xlabel="AUC", ylim=(len(reports) - 0.5, -0.5))
    axes.grid(alpha=0.2)
    figure.legend(loc="outside upper right", ncols=3, frameon=False)
    return figure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--study", choices=[*STUDIES, *LOOP_STUDIES], help="variants that answer one question")
    what.add_argument("--vary", nargs="+", metavar="FLAGS", help="variants of your own, each one quoted argument")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and of the table")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each variant")
    parser.add_argument(
        "--script", choices=("reinforce", "search"), default="reinforce", help="what --vary trains with"
    )
    given = sys.argv[1:]
    cut = given.index("--") if "--" in given else len(given)
    # argparse takes a variant that is a single flag for a flag of its own, unless a blank stands before it.
    arguments = parser.parse_args(
        [one if one.split("=")[0] in OWN or one[:2] != "--" else f" {one}" for one in given[:cut]]
    )
    common = given[cut + 1 :] + (["--seeds", str(arguments.seeds)] if arguments.seeds > 1 else [])
    loop = arguments.script == "search" or arguments.study in LOOP_STUDIES
    wanted = (STUDIES | LOOP_STUDIES).get(arguments.study, arguments.vary)
    script: tuple[Path, Parse] = (SEARCH, search_config.parse) if loop else (TRAIN, config.parse)
    try:
        if loop:
            loop_config = search_config.parse(common).loop
            updates = loop_config.iou_updates
            numbers = {"half": updates // 2, "double": 2 * updates, "all": loop_config.updates}
        else:
            numbers = {"epochs": config.parse(common).schedule.epochs}
        variants = [one.strip().format(**numbers) for one in wanted]
        folders = [re.sub(r"[^\w.]+", "-", one).strip("-") or "as-given" for one in variants]
        reports = {
            variant or "as given": run(common, variant, arguments.out / folder, *script)
            for variant, folder in zip(variants, folders, strict=True)
        }
    except InputError as error:
        print(f"benchmarks/ablation.py: error: {error}", file=sys.stderr)
        return 2
    with write_atomically(arguments.out / "table.md") as partial:
        partial.write_text(table(reports) + "\n")
    plots.save_figure(plot(reports), arguments.out / "auc")
    print(table(reports))
    return 0


if __name__ == "__main__":
    sys.exit(main())
