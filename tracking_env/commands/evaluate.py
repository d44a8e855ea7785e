"""``tracking-env evaluate``: run a tracker over sequences, write result files and score them."""

import json
import sys
from pathlib import Path

from tracking_env.clients import hub
from tracking_env.commands import Json
from tracking_env.datasets import loading
from tracking_env.evaluation import runner, tasks
from tracking_env.evaluation.robustness import ProtocolName
from tracking_env.registry import TrackerSpec
from tracking_env.report.text_tables import format_trackers


def evaluate_tracker(
    tracker: str,
    out: Path,
    root: Path | None = None,
    sequences: str | None = None,
    protocol: ProtocolName = "ope",
    repeat: int = 1,
    jobs: int = 1,
    weights: tuple[Path, ...] = (),
    checkpoint: str | None = None,
    features: str | None = None,
    trust: bool = False,
    name: str | None = None,
    as_json: Json = False,
) -> int:
    """Run a tracker over sequences into result files, and score them. Finished sequences are not run again.

    Example: tracking-env evaluate --tracker mil --root OTB --out results

    Args:
        tracker: static, mil, nano, kcf, csrt, drlt, search, sb3; or your own as module:attribute, a class or a function
            that makes an object with init(frame, box) and update(frame); or a baseline that reads the truth: mean,
            velocity, replay, late, copy.
        out: folder for results: out/TRACKER/NAME.txt, a line x,y,w,h per frame, and NAME_time.txt, seconds per frame.
        root: folder of OTB or another data set, or a video file; without it sequences are drawn.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas; or drawn ones, such
            as synthetic:0-9. By default all in the root.
        protocol: ope (once, from the first frame), tre (from 20 frames on) or sre (with 12 perturbed first boxes).
        repeat: number of runs with ope, each with another seed: out/TRACKER/run-1/NAME.txt, ...
        jobs: number of processes; with several the measured speed is too low.
        weights: weights files, or their folder (nano; drlt, search and sb3 with a pretrained extractor).
        checkpoint: folder of a run of train/reinforce.py (drlt), train/search.py (search; one comes with the code) or
            train/sb3.py (sb3), or of one of its checkpoints, or hf://USER/REPO; or a file of Stable-Baselines3's
            model.save (sb3).
        features: the extractor that such a file was trained on; a folder says it itself.
        trust: read such a file, although that runs code that is in it.
        name: name of the tracker's folder in out; by default the tracker's name.
        as_json: print JSON instead of a table.
    """
    spec = TrackerSpec(tracker, weights, hub.local(checkpoint), features, trust)
    folder = tasks.results_folder(out, name or spec.folder, protocol)
    try:
        report = runner.run_and_score(spec, loading.load(root, sequences), folder, protocol, repeat, jobs)
    except KeyboardInterrupt:
        print(
            f"tracking-env: stopped; finished results are in {folder}: type the same command to go on", file=sys.stderr
        )
        return 130
    print(json.dumps(report.to_json(), indent=1) if as_json else format_trackers({folder.name: report}))
    for sequence, reason in report.failed.items():
        print(f"tracking-env: failed: {sequence}: {reason}", file=sys.stderr)
    return 1 if report.failed else 0
