"""Compare options of training: one run per variant, a table, a plot.

python benchmarks/ablation.py --study credit --out runs/credit --seeds 3 -- --preset small --root OTB --sequences drlt30
python benchmarks/ablation.py --vary "" "--episodes 20" "--sigma 0.03" --out runs/mine -- --preset demo --hidden 64
python benchmarks/ablation.py --study horizon --out runs/horizon -- --start runs/search --preset small --root OTB ...

Each variant runs train/reinforce.py with the flags after ``--`` and then its own, in a folder of ``--out``. The studies
`horizon`, `parts` and `loop-reward`, and ``--script search``, run train/search.py instead. The empty variant has no
flags of its own. The same command continues where it stopped, and finished variants are only read.

It prints a Markdown table of the scores on the test sequences, whole, seen and unseen, with deviations over the seeds;
for the closed loop also how often targets were lost. The table is in OUT/table.md, a plot in OUT/auc.png and .svg.
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
from train.run.flags import RunFlags, differences

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
"""Variants of train/reinforce.py by question; ``{epochs}`` is the number of epochs of the common flags."""
LOOP_STUDIES = {
    # Equal numbers of frames: the common flags' updates are for clips of 20 steps.
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
"""Variants of train/search.py; ``{half}``, ``{double}`` are of the common flags' IoU updates, ``{all}`` is of all."""
Parse = Callable[[list[str]], RunFlags]
OWN = ("--study", "--vary", "--out", "--seeds", "--script", "--help")
"""Flags of this script, which do not belong to a variant."""
COLUMNS = (("AUC", "auc"), ("P@20", "precision20"))
FAILURES = {"failures_per_100_frames": "failures per 100 frames", "frames_to_failure": "frames to the first failure"}


def run(
    common: list[str], variant: str, folder: Path, script: Path = TRAIN, parse: Parse = config.parse
) -> dict[str, Any]:
    """The report of one variant. A finished one is read, any other is trained or resumed.

    Args:
        common: flags of all variants.
        variant: its own flags.
        folder: its run directory.
        script: the training script.
        parse: the script's parser of flags.

    Raises:
        InputError: a flag is refused, or training did not finish.
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
    """A Markdown table with a row per variant."""
    failures = FAILURES if all("drift" in report for report in reports.values()) else {}
    head = ["variant", *(f"{title} {part}" for title, _ in COLUMNS for part in PARTS), *failures.values()]
    rows = []
    for name, report in reports.items():
        scores = [cell(report, part, metric) for _, metric in COLUMNS for part in PARTS]
        rows.append([f"`{name}`", *scores, *(f"{report['drift'][key]:.3g}" for key in failures)])
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def cell(report: dict[str, Any], part: str, metric: str) -> str:
    """A score with its deviation over the seeds; "-" if the part has no frames."""
    mean, std = ((report[key] or {}).get(part) for key in ("mean", "std"))
    return "-" if not mean else f"{mean[metric]:.3f}" + (f" ± {std[metric]:.3f}" if std else "")


def plot(reports: dict[str, dict[str, Any]]) -> Figure:
    """A plot of the AUC of each part: a point per variant, with its deviation."""
    figure = Figure(figsize=(7, 1.2 + 0.34 * len(reports)), layout="constrained")
    axes = figure.add_subplot()
    for offset, (part, style) in enumerate(plots.assign_styles(PARTS).items()):
        points = [(row, report) for row, report in enumerate(reports.values()) if report["mean"][part]]
        axes.errorbar(
            [report["mean"][part]["auc"] for _, report in points],
            [row + 0.15 * (offset - 1) for row, _ in points],
            xerr=[report["std"][part]["auc"] if report["std"] else 0.0 for _, report in points],
            fmt="o",
            color=style.colour,
            label=part if points else None,
        )
    axes.set_yticks(range(len(reports)), list(reports))
    axes.set(xlabel="AUC", ylim=(len(reports) - 0.5, -0.5))
    axes.grid(alpha=0.2)
    figure.legend(loc="outside upper right", ncols=3, frameon=False)
    return figure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--study", choices=[*STUDIES, *LOOP_STUDIES], help="variants that answer one question")
    group.add_argument("--vary", nargs="+", metavar="FLAGS", help="variants of your own, each one quoted argument")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and of the table")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each variant")
    parser.add_argument(
        "--script", choices=("reinforce", "search"), default="reinforce", help="training script of --vary"
    )
    args = sys.argv[1:]
    cut = args.index("--") if "--" in args else len(args)
    # argparse would read a variant of a single flag as a flag of this script; a blank before it prevents that.
    own_args = [arg if arg.split("=")[0] in OWN or arg[:2] != "--" else f" {arg}" for arg in args[:cut]]
    arguments = parser.parse_args(own_args)
    common = args[cut + 1 :] + (["--seeds", str(arguments.seeds)] if arguments.seeds > 1 else [])
    loop = arguments.script == "search" or arguments.study in LOOP_STUDIES
    templates = (STUDIES | LOOP_STUDIES).get(arguments.study, arguments.vary)
    script: tuple[Path, Parse] = (SEARCH, search_config.parse) if loop else (TRAIN, config.parse)
    try:
        if loop:
            loop_config = search_config.parse(common).loop
            updates = loop_config.iou_updates
            numbers = {"half": updates // 2, "double": 2 * updates, "all": loop_config.updates}
        else:
            numbers = {"epochs": config.parse(common).schedule.epochs}
        variants = [template.strip().format(**numbers) for template in templates]
        folders = [re.sub(r"[^\w.]+", "-", variant).strip("-") or "as-given" for variant in variants]
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
