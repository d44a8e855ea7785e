"""``tracking-env evaluate``: a tracker over sequences, into result files and scores."""

import json
import sys
from pathlib import Path

from tracking_env.clients import hub
from tracking_env.commands import Json
from tracking_env.datasets import loading
from tracking_env.evaluation import runner, tasks
from tracking_env.evaluation.robustness import ProtocolName
from tracking_env.registry import TrackerSpec
from tracking_env.report import text_tables


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
    """Run a tracker over sequences into result files, and score them. What is there already is not run again.

    Example: tracking-env evaluate --tracker mil --root OTB --out results

    Args:
        tracker: static, mil, nano, kcf, csrt, drlt, search, sb3; or your own as module:attribute, a class or a function
            that makes an object with init(frame, box) and update(frame); or what reads the truth: mean, velocity,
            replay, late, copy.
        out: folder for results: out/TRACKER/NAME.txt, one box x,y,w,h a line, and NAME_time.txt, seconds per frame.
        root: folder of OTB or another data set, as for sequences, or a video file; without it sequences are drawn.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas; or drawn ones, such
            as synthetic:0-9. By default all that are in the root.
        protocol: ope (once, from the first frame), tre (from 20 frames on) or sre (with 12 perturbed first boxes).
        repeat: with ope, how often, with other seeds: out/TRACKER/run-1/NAME.txt, ...
        jobs: number of processes; several distort the measured speed.
        weights: weights files, or their folder (nano; drlt, search and sb3 with a pretrained extractor).
        checkpoint: folder of a run of train/reinforce.py (drlt), train/search.py (search; one comes with the code) or
            train/sb3.py (sb3), or of one of its checkpoints, or hf://USER/REPO; or a file of Stable-Baselines3's
            model.save (sb3).
        features: the extractor that such a file was trained on; a folder says it itself.
        trust: read such a file, although that runs code that is in it.
        name: name of the results' folder in out, by default the tracker's.
        as_json: print JSON instead of a table.
    """
    spec = TrackerSpec(tracker, weights, hub.local(checkpoint), features, trust)
    folder = tasks.results_folder(out, name or spec.folder, protocol)
    try:
        scored = runner.run_and_score(spec, loading.load(root, sequences), folder, protocol, repeat, jobs)
    except KeyboardInterrupt:
        print(f"tracking-env: stopped; what is done is in {folder}: type the same command to go on", file=sys.stderr)
        return 130
    print(json.dumps(scored.to_json(), indent=1) if as_json else text_tables.table({folder.name: scored}))
    for one, reason in scored.failed.items():
        print(f"tracking-env: failed: {one}: {reason}", file=sys.stderr)
    return 1 if scored.failed else 0
