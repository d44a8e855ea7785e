"""``tracking-env score``: scores of result files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import tyro

from tracking_env.commands import Against, Json, ScoringName, print_failures
from tracking_env.errors import InputError
from tracking_env.evaluation.ground_truth import read_ground_truth, read_sizes
from tracking_env.evaluation.protocols import choose_protocol
from tracking_env.evaluation.protocols.anchor_report import score_anchors
from tracking_env.evaluation.result_files import read_results
from tracking_env.evaluation.score_report import Report, select_common
from tracking_env.evaluation.scoring import evaluate
from tracking_env.evaluation.submission import write_submission
from tracking_env.evaluation.tracker_folders import TrackerFolders
from tracking_env.report.text_tables import format_attributes, format_sequences, format_trackers
from tracking_env.terminal import print_result


def score_results(
    results: tyro.conf.Positional[tuple[Path, ...]],
    root: Path | None = None,
    annotations: Path | None = None,
    sequences: str | None = None,
    protocol: ScoringName | None = None,
    against: Against = (),
    submission: Path | None = None,
    attributes: bool = False,
    markdown: bool = False,
    as_json: Json = False,
) -> int:
    """Score trackers by the rules of the benchmark that they ran on.

    OTB has three numbers: whole videos, the first third (seen) and the rest (unseen). One folder gives a row per
    sequence, several folders give a row per tracker. A folder holds NAME.txt: one box x,y,w,h a line, in pixels from
    1,1. Other layouts of the field are read too: run-1/NAME.txt, TRE, SRE, got10k's, NAME.json and NAME_TRACKER.mat.

    Example: tracking-env score results/mil --against nano fear-xs --root OTB

    Args:
        results: folders of result files, one per tracker. Or a folder of many trackers' NAME_TRACKER.mat.
        root: folder of sequences: OTB, GOT-10k, LaSOT, UAV123, VOT, or videos. Give this or --annotations.
        annotations: folder of true boxes NAME.txt, of OTB's sequences or your own.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas. Or synthetic:0-9.
            By default all that have results.
        protocol: whose rules: otb, got10k, lasot, trackingnet, uav123, nfs, tcolor128, vot or vot-unsupervised. By
            default those of the data set in root. Or drlt-paper, which compares with Table 2 of the DRLT paper only.
        against: trackers whose results come with the package, beside yours: names such as nano or fear-xs. Sequences
            that they did not run on are left out.
        submission: write the archive that the server of GOT-10k or TrackingNet takes, such as mil.zip; score nothing.
        attributes: print a row per difficulty attribute instead.
        markdown: print Markdown tables.
        as_json: print JSON instead of text. For several folders, an object with a report per folder.
    """
    if not results and not against:
        raise InputError("no folder to score; type tracking-env score DIR --root OTB")
    # A server scores all sequences, so an archive needs them all.
    ground_truth = read_ground_truth(root, annotations, sequences, results if submission is None else (), against)
    tags = {truth.name: truth.attributes for truth in ground_truth}
    rules = choose_protocol(protocol, ground_truth[0].dataset, any(truth.anchors for truth in ground_truth))
    truths = {truth.name: rules.choose_truth(truth.boxes, truth.polygons) for truth in ground_truth}
    if submission is not None:
        return _write_archive(submission, results, {name: len(boxes) for name, boxes in truths.items()}, rules.name)
    sizes = read_sizes(ground_truth) if rules.needs_size else {}
    trackers = TrackerFolders(results, ground_truth, against)
    reports: dict[str, Report] = {}
    if rules.multi_start:
        anchors = {truth.name: truth.anchors for truth in ground_truth}
        for label, folder in trackers.folders.items():
            reports[label] = score_anchors(folder, truths, anchors, sizes)
    else:
        for label, boxes in trackers.items():
            reports[label] = evaluate(boxes, truths, attributes=tags, protocol=rules.name, sizes=sizes)
    # With one tracker there is nothing to compare, so its sequences are the rows.
    single = next(iter(reports.values())) if len(reports) == 1 else None
    if as_json:
        means = {label: report.means_to_json() for label, report in select_common(reports).items()}
        data = single.to_json() if single else {label: reports[label].to_json() | means[label] for label in reports}
        print_result(json.dumps(data, indent=1))
    elif attributes:
        tables = {label: format_attributes(report, markdown) for label, report in select_common(reports).items()}
        print_result("\n\n".join(table if single else f"{label}\n\n{table}" for label, table in tables.items()))
    else:
        print_result(format_sequences(single, markdown) if single else format_trackers(reports, markdown))
    return print_failures({label: report.failed for label, report in reports.items()})


def _write_archive(path: Path, results: Sequence[Path], frames: Mapping[str, int], protocol: str) -> int:
    if len(results) != 1:
        raise InputError(f"--submission takes the results of one tracker, not of {len(results)}; name one folder")
    write_submission(path, read_results(results[0], frames), frames, protocol)
    print_result(str(path))
    return 0
