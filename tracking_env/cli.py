"""The ``tracking-env`` command: what is there, its features, and what a tracker's results are worth.

Exit codes: 0 all well, 1 some sequences could not be scored or have faults, 2 the input cannot be used.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from tracking_env import check, dataset, download, evaluation, otb, report, running, shards, tasks
from tracking_env.errors import InputError
from tracking_env.features import make_extractor
from tracking_env.files import cache_folder
from tracking_env.protocols import Protocol
from tracking_env.results import read as read_results
from tracking_env.store import FeatureStore
from tracking_env.trackers import Choice
from tracking_env.zoo import NETWORKS

app = tyro.extras.SubcommandApp()


@app.command(name="sequences")
def list_sequences(root: Path | None = None, sequences: str | None = None) -> int:
    """List sequences: name, evaluated frames, attributes.

    Args:
        root: folder that holds OTB's sequence folders, or of GOT-10k, LaSOT, UAV123, VOT or videos; without it the
            benchmark's own list is shown.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas; of other data sets
            names and folders (train, val; airplane), with the layout before a colon where it must be said, such as
            vot:bag. By default all that are in the root, or otb100 without one.
    """
    if root is None:
        entries = [otb.TABLE[name] for name in otb.names(sequences or "otb100", None)]
        rows = [(entry.name, entry.frames, entry.attributes) for entry in entries]
    else:
        loaded = dataset.load(root, sequences)
        rows = [(one.name, len(one), one.attributes) for one in loaded]
    width = max(len(name) for name, _, _ in rows)
    for name, frames, attributes in rows:
        print(f"{name:<{width}}  {frames:>4}  {' '.join(attributes)}".rstrip())
    return 0


@app.command(name="check")
def check_folder(
    root: Path, sequences: str | None = None, as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
) -> int:
    """Look for all that is wrong with a folder of OTB sequences, and say how to mend it; exit code 1 if there is any.

    Args:
        root: folder that holds OTB's sequence folders, or your own in that layout.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas; what is not there
            is a fault. By default all that are in the root, your own too.
        as_json: print JSON instead of lines.
    """
    checked = check.check(root, sequences)
    if as_json:
        print(json.dumps(checked.to_json(), indent=1))
    else:
        for one in sorted(checked.findings, key=lambda one: not one.fault):
            print(one)
        looked = f"{len(checked.sequences)} sequences, {checked.frames} frames decoded"
        print(f"{looked}: {checked.faults} faults, {len(checked.findings) - checked.faults} notes")
    return 1 if checked.faults else 0


@app.command(name="download")
def download_weights(names: tyro.conf.Positional[tuple[str, ...]] = (), out: Path | None = None) -> int:
    """Download the weights of extractors, or go on with a download that broke off; without names, list what there is.

    Args:
        names: extractors, such as yolo-nano-voc or yolov1-small.
        out: folder for the files; by default the one where extractors look for them.
    """
    for name in names:
        if name not in NETWORKS:
            raise InputError(f"no weights are published for {name!r}; choose from {', '.join(NETWORKS)}")
    for name in names:
        for file in NETWORKS[name].files:
            print(download.fetch(file, out or cache_folder() / "weights"))
    if not names:
        width = max(map(len, NETWORKS))
        for name, network in NETWORKS.items():
            for file in network.files:
                size = f"{file.size / 1e6:,.1f} MB" if file.size else "?"
                print(f"{name:<{width}}  {size:>10}  {file.name}")
    return 0


@app.command(name="extract")
def extract_features(
    root: Path | None = None,
    sequences: str | None = None,
    features: str = "grid",
    weights: Path | None = None,
    store: Path | None = None,
    jobs: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Extract features of all frames into a store, ahead of training. What is there already is not extracted again.

    Under torchrun (or wherever RANK and WORLD_SIZE are set) each process extracts its share of the sequences.

    Args:
        root: folder that holds OTB's sequence folders; without it sequences are drawn.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas; or drawn ones, such
            as synthetic:0-9. By default all that are in the root.
        features: the extractor's name.
        weights: its weights file, or the folder that holds it; by default downloaded.
        store: folder for the features, by default one of this extractor in the cache folder.
        jobs: number of threads that decode frames beside the extractor; by default one a core, up to 8.
        as_json: print JSON instead of a line.
    """
    shard = shards.from_environment(os.environ)
    chosen = shards.mine(dataset.load(root, sequences), shard)
    kept = FeatureStore(make_extractor(features, weights), store, jobs)
    try:
        built = kept.build(chosen)
    except KeyboardInterrupt:
        print(f"tracking-env: stopped; what is done is in {kept.folder}: type it again to go on", file=sys.stderr)
        return 130
    facts = {
        "extractor": kept.extractor.id,
        "dim": kept.extractor.dim,
        "store": str(kept.folder),
        **shard._asdict(),
        "sequences": len(chosen),
        "frames": sum(map(len, chosen)),
        "extracted_sequences": built.sequences,
        "extracted_frames": built.frames,
        "seconds": round(built.seconds, 3),
        "fps": round(built.fps, 1),
    }
    if as_json:
        print(json.dumps(facts, indent=1))
    else:
        share = f" (process {shard.rank + 1} of {shard.world_size})" if shard.world_size > 1 else ""
        print(
            "{extractor} in {store}: {sequences} sequences, {frames} frames{share}; extracted now: "
            "{extracted_sequences} sequences, {extracted_frames} frames in {seconds:.1f} s, {fps:.0f} frames/s".format(
                share=share, **facts
            )
        )
    return 0


@app.command(name="score")
def score_results(
    results: tyro.conf.Positional[tuple[Path, ...]],
    root: Path | None = None,
    annotations: Path | None = None,
    sequences: str | None = None,
    protocol: Literal["otb", "drlt-paper"] = "otb",
    attributes: bool = False,
    markdown: bool = False,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Score trackers by OTB's one-pass evaluation: whole, first third (seen) and the rest (unseen).

    Args:
        results: one folder per tracker, each with NAME.txt, one box x,y,w,h a line, in pixels, 1-based; or in another
            layout of the field (run-1/NAME.txt, TRE, SRE, got10k's, NAME.json, NAME_TRACKER.mat). One folder gives a
            row per sequence, several a row per tracker.
        root: folder of OTB or another data set, as for sequences, for the true boxes. Give this or --annotations.
        annotations: folder of true boxes NAME.txt, where there are no frames.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas. By default drlt30,
            or all of another data set.
        protocol: otb, or drlt-paper, the formula behind the paper's Table 2, only to compare with that.
        attributes: print a row per difficulty attribute instead.
        markdown: print Markdown tables.
        as_json: print JSON instead of a table: the report, or of several folders one for each.
    """
    if not results:
        raise InputError("no folder to score; type tracking-env score DIR --root OTB")
    tags, sequences = None, sequences or dataset.default(root)
    if annotations is not None and root is None:
        truths = {name: otb.load_annotations(annotations, name) for name in otb.names(sequences, None)}
    elif root is not None and annotations is None:
        loaded = dataset.load(root, sequences)
        truths, tags = {one.name: one.boxes for one in loaded}, {one.name: one.attributes for one in loaded}
    else:
        raise InputError("true boxes come from one place; give either --root OTB or --annotations DIR")
    names = [folder.resolve().name for folder in results]
    labels = [name if names.count(name) == 1 else str(folder) for name, folder in zip(names, results, strict=True)]
    scored = {
        label: evaluation.score_folder(folder, truths, attributes=tags, protocol=protocol)
        for label, folder in zip(labels, results, strict=True)
    }
    only = next(iter(scored.values())) if len(scored) == 1 else None
    if as_json:
        data = only.to_json() if only else {label: one.to_json() for label, one in scored.items()}
        print(json.dumps(data, indent=1))
    elif attributes:
        tables = {label: report.attribute_table(one, markdown) for label, one in scored.items()}
        print("\n\n".join(text if only else f"{label}\n\n{text}" for label, text in tables.items()))
    else:
        print(report.sequence_table(only, markdown) if only else report.table(scored, markdown))
    for label, one in scored.items():
        for name, reason in one.failed.items():
            print(f"tracking-env: not scored: {'' if only else f'{label}: '}{name}: {reason}", file=sys.stderr)
    return 1 if any(one.failed for one in scored.values()) else 0


@app.command(name="evaluate")
def evaluate_tracker(
    tracker: str,
    out: Path,
    root: Path | None = None,
    sequences: str | None = None,
    protocol: Protocol = "ope",
    repeat: int = 1,
    jobs: int = 1,
    weights: tuple[Path, ...] = (),
    checkpoint: Path | None = None,
    name: str | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Run a tracker over sequences into result files, and score them. What is there already is not run again.

    Args:
        tracker: static, mil, nano, kcf, csrt, drlt; or your own as module:attribute, a class or a function that makes
            an object with init(frame, box) and update(frame); or what reads the truth: mean, velocity, replay, late,
            copy.
        out: folder for results: out/TRACKER/NAME.txt, one box x,y,w,h a line, and NAME_time.txt, seconds per frame.
        root: folder of OTB or another data set, as for sequences, or a video file; without it sequences are drawn.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas; or drawn ones, such
            as synthetic:0-9. By default all that are in the root.
        protocol: ope (once, from the first frame), tre (from 20 frames on) or sre (with 12 perturbed first boxes).
        repeat: with ope, how often, with other seeds: out/TRACKER/run-1/NAME.txt, ...
        jobs: number of processes; several distort the measured speed.
        weights: weights files, or their folder (nano, drlt with a pretrained extractor).
        checkpoint: folder of a run of train/reinforce.py, or of one of its checkpoints (drlt).
        name: name of the results' folder in out, by default the tracker's.
        as_json: print JSON instead of a table.
    """
    choice = Choice(tracker, weights, checkpoint)
    folder = tasks.folder(out, name or choice.folder, protocol)
    try:
        scored = running.evaluate(choice, dataset.load(root, sequences), folder, protocol, repeat, jobs)
    except KeyboardInterrupt:
        print(f"tracking-env: stopped; what is done is in {folder}: type the same command to go on", file=sys.stderr)
        return 130
    print(json.dumps(scored.to_json(), indent=1) if as_json else report.table({folder.name: scored}))
    for one, reason in scored.failed.items():
        print(f"tracking-env: failed: {one}: {reason}", file=sys.stderr)
    return 1 if scored.failed else 0


@app.command(name="report")
def make_report(
    results: tyro.conf.Positional[tuple[Path, ...]],
    out: Path = Path("report"),
    root: Path | None = None,
    annotations: Path | None = None,
    sequences: str | None = None,
) -> int:
    """Make a page of plots and tables that opens in any browser: out/index.html, its plots beside it in out/plots.

    Args:
        results: one folder per tracker, as score reads them. The first ones get the clearest colours.
        out: folder for the page; an older one there is replaced.
        root: folder of OTB or another data set, as for sequences; with it the page has film strips. Give this or
            --annotations.
        annotations: folder of true boxes NAME.txt, where there are no frames.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas; or drawn ones, such
            as synthetic:0-9, which need neither folder. By default drlt30, or all of another data set.
    """
    try:
        from tracking_env import report_page  # needs jinja2 and matplotlib, which the rest does without
    except ModuleNotFoundError as error:
        raise InputError(f"report needs {error.name}; type: pip install 'tracking-env[report]'") from None
    if not results:
        raise InputError("no folder to report on; type tracking-env report DIR --root OTB")
    videos = report_page.load_videos(root, annotations, sequences or dataset.default(root))
    names = [folder.resolve().name for folder in results]
    labels = [name if names.count(name) == 1 else str(folder) for name, folder in zip(names, results, strict=True)]
    wanted = [video.name for video in videos]
    reports = report_page.write(
        out, videos, {label: read_results(folder, wanted) for label, folder in zip(labels, results, strict=True)}
    )
    print(out / "index.html")
    for label, one in reports.items():
        for name, reason in one.failed.items():
            print(f"tracking-env: not scored: {label}: {name}: {reason}", file=sys.stderr)
    return 1 if any(one.failed for one in reports.values()) else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command on ``argv`` (by default the process's own) and return its exit code."""
    try:
        return app.cli(prog="tracking-env", description=__doc__, args=argv, config=(tyro.conf.FlagCreatePairsOff,))
    except InputError as error:
        print(f"tracking-env: error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
