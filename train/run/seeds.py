"""One configuration trained with several seeds, and the mean and deviation of the scores."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tracking_env.errors import InputError
from tracking_env.evaluation import result_files
from tracking_env.evaluation.score_report import Report
from tracking_env.files import read_json, write_atomically
from tracking_env.report.text_tables import format_trackers
from tracking_env.terminal import print_result
from train.run import results
from train.run.data import load_data
from train.run.flags import Config, RunFlags, differences
from train.run.parallel import ALONE, Group
from train.run.steps import UNTRAINED, UNTRAINED_ROW, report_content


def run_seeds(
    config: Config,
    train: Callable[[Config, Group], bool],
    label: str,
    group: Group = ALONE,
    facts: Callable[[Report], dict[str, Any]] = lambda report: {},
) -> None:
    """Train ``config.seeds`` runs one after the other in ``OUT/seed-N``; print and write their mean and deviation.

    A single run is trained in ``OUT`` itself, without a summary.

    With ``resume``, finished runs are only read, a stopped one continues, and missing ones start; so seeds can be added
    later. ``OUT/report.json`` has the form of a run's report, with ``mean``, ``std`` and ``runs`` over all seeds.

    Args:
        config: with ``out`` set.
        train: trains one run; returns False if it was stopped.
        label: the agent's name in tables.
        group: the processes that share each run.
        facts: more entries of ``report.json``, from the scores of all runs.

    Raises:
        InputError: a folder already holds a run and neither ``resume`` nor ``overwrite`` is set, or a run fails.
    """
    if config.seeds == 1:
        train(config, group)
        return
    out = Path(config.out or "runs")
    if (out / "config.json").exists():
        raise InputError(f"{out} holds a single run; give another folder with --out")
    report = out / "report.json"
    if report.exists() and "seeds" not in read_json(report):
        raise InputError(f"{report} is no report of several seeds; give another folder with --out")
    runs = [
        replace(config, seed=seed, seeds=1, out=str(out / f"seed-{seed}"))
        for seed in range(config.seed, config.seed + config.seeds)
    ]
    started = [Path(run.out or "", "config.json").exists() for run in runs]
    if any(started) and not (config.resume or config.overwrite):
        raise InputError(f"{out} already holds runs; type --resume to go on with them, or --overwrite to start anew")
    if config.resume and not any(started):
        raise InputError(f"no run to resume in {out}; leave --resume out, or give --out of one that is")
    finished = [config.resume and _is_finished(run) for run in runs]
    group.wait()  # no process may start to write before all have looked
    for run, is_started, is_finished in zip(runs, started, finished, strict=True):
        if is_finished:
            continue
        if not train(replace(run, resume=config.resume and is_started), group):
            return
    if group.leads:
        _write_summary(config, runs, label, facts)


def _write_summary(config: RunFlags, runs: list[Config], label: str, facts: Callable[[Report], dict[str, Any]]) -> None:
    """Score the result files of all runs together; write ``OUT/report.json`` and print the table."""
    out = Path(config.out or "runs")
    data = load_data(config.data)
    truths = {sequence.name: sequence.boxes for sequence in data.testing}

    def score(folder: str) -> Report:
        boxes = [result_files.read_results(Path(run.out or "", folder), truths).runs[0] for run in runs]
        return results.score(result_files.Results(tuple(boxes)), data.testing, data.unseen)

    report = score("results")
    rows = results.baseline_scores(data) | {UNTRAINED_ROW: score(UNTRAINED)}
    about = {"config": asdict(config), "dataset": data.facts(), "seeds": [run.seed for run in runs]}
    with write_atomically(out / "report.json") as partial:
        partial.write_text(json.dumps(report_content(report, rows, **about, **facts(report)), indent=1))
    trained = replace(report, trained=not data.unseen)
    print_result(format_trackers(rows | {f"{label}, {len(runs)} seeds": trained}))
    print_result(f"in {out}: report.json, and a folder for each seed; curves: tensorboard --logdir {out}")


def _is_finished(config: RunFlags) -> bool:
    """Whether there is a report of this very run."""
    path = Path(config.out or "", "report.json")
    return path.exists() and not differences(config, read_json(path).get("config", {}))


def warm_start_folder(start: str | None, seed: int) -> Path:
    """The checkpoint of another run's warm start; for a run of several seeds, that of the same seed.

    Args:
        start: folder of the other run.
        seed: of this run.
    """
    folder = Path(start or "")
    seed_folder = folder / f"seed-{seed}"
    return (seed_folder if seed_folder.exists() else folder) / "warm"


def failures_of_seeds(report: Report) -> dict[str, Any]:
    """The entry of ``report.json`` of several seeds on how often they lost the target."""
    return {"drift": report.count_failures().to_json()}
