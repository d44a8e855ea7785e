"""``tracking-env evaluate``: run a tracker over sequences, write result files and score them."""

import json
import os
from pathlib import Path
from typing import Annotated, Literal

import tyro

from tracking_env.clients import hub
from tracking_env.commands import TRACKERS, Checkpoint, Device, Json, ScoringName, Weights
from tracking_env.datasets import loading, sharding
from tracking_env.evaluation import results_folder, runner, tasks
from tracking_env.evaluation.protocols import choose_protocol
from tracking_env.evaluation.robustness import ProtocolName
from tracking_env.registry import TrackerSpec
from tracking_env.report.text_tables import format_trackers
from tracking_env.terminal import print_error, print_result


def evaluate_tracker(
    tracker: Annotated[
        str,
        tyro.conf.arg(
            help=TRACKERS + " Or a baseline: static; or mean, velocity, replay, late or copy, which read true boxes."
        ),
    ],
    out: Path,
    root: Path | None = None,
    sequences: str | None = None,
    protocol: ScoringName | Literal["tre", "sre"] | None = None,
    repeat: int = 1,
    jobs: int = 1,
    weights: Weights = (),
    checkpoint: Checkpoint = None,
    features: str | None = None,
    trust: bool = False,
    device: Device | None = None,
    timeout: float = 60.0,
    name: str | None = None,
    overwrite: bool = False,
    as_json: Json = False,
) -> int:
    """Run a tracker over sequences into result files, and score them.

    Finished sequences are not run again, unless the tracker's code or weights have changed: then say --overwrite.

    The results are OUT/TRACKER/NAME.txt (one box x,y,w,h a line) and NAME_time.txt (seconds per frame). Your own
    tracker is a class, or a function that makes an object, with init(frame, box) and update(frame).

    Example: tracking-env evaluate --tracker mil --root OTB --out results

    Args:
        tracker: one of `commands.TRACKERS`, or your own.
        out: folder for the results.
        root: folder of sequences: OTB, GOT-10k, LaSOT, UAV123, VOT, or videos. By default synthetic:0-31.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas. Or synthetic:0-9.
            By default all sequences of the root.
        protocol: whose rules: otb, got10k, lasot, trackingnet, uav123, nfs, tcolor128, vot or vot-unsupervised. By
            default those of the data set in root. Or OTB's tre (from 20 start frames) or sre (with 12
            perturbed first boxes).
        repeat: number of runs from the first frame, each with another seed: OUT/TRACKER/run-1/NAME.txt, ...
        jobs: number of processes; with several the measured speed is too low.
        weights: weights files, or their folder; see `commands.Weights`.
        checkpoint: folder of a trained agent, or its name; see `commands.Checkpoint`.
        features: extractor that an SB3 file was trained on; a checkpoint folder names its own.
        trust: read an SB3 file although it can run code.
        device: cpu, cuda or auto (a GPU if there is one); for nanotrack-v3, fear-xs and vittrack.
        timeout: the most seconds that a tracker may take for a frame.
        name: name of the tracker's folder in out. By default the tracker's name.
        overwrite: run finished sequences again, and replace their results.
        as_json: print JSON instead of text.
    """
    spec = TrackerSpec(tracker, weights, hub.local(checkpoint), features, trust, device, timeout)
    # TRE and SRE are OTB's: they differ from its other protocol in the starts alone.
    loaded = loading.load(root, sequences)
    asked = "otb" if protocol in ("tre", "sre") else protocol
    rules = choose_protocol(asked, loaded[0].dataset, any(sequence.anchors for sequence in loaded))
    starts: ProtocolName = protocol if protocol in ("tre", "sre") else "vot" if rules.multi_start else "ope"
    folder = tasks.results_folder(out, name or spec.folder, starts)
    shard = sharding.from_environment(os.environ)
    try:
        report = runner.run_and_score(
            spec, loaded, folder, starts, repeat, jobs, rules.name, shard, spec.trained_on, overwrite
        )
    except KeyboardInterrupt:
        print_error(f"tracking-env: stopped; finished results are in {folder}: type the same command to go on")
        # As a shell reports a program that Ctrl-C ended.
        return 130
    if shard.world_size > 1:
        # Scores of a share would be taken for those of all.
        print_error(
            f"tracking-env: process {shard.rank + 1} of {shard.world_size} is done with its share; when all are, type "
            f"tracking-env score {folder}"
        )
    elif as_json:
        print_result(json.dumps(report.to_json(), indent=1))
    else:
        # `search` and checkpoints stand for many agents: the id has the digests of what ran.
        print_result(
            f"{format_trackers({folder.name: report})}\n\nRan {results_folder.read_id(folder)}; results in {folder}"
        )
    for sequence, reason in report.failed.items():
        print_error(f"tracking-env: failed: {sequence}: {reason}")
    return 1 if report.failed else 0
