"""``tracking-env report``: a page of plots and tables."""

import json
from pathlib import Path

import tyro

from tracking_env.commands import Against, Json, ScoringName, print_failures
from tracking_env.errors import InputError, MissingPackageError
from tracking_env.evaluation.ground_truth import read_ground_truth
from tracking_env.evaluation.protocols import choose_protocol
from tracking_env.evaluation.tracker_folders import TrackerFolders
from tracking_env.terminal import print_result


def make_report(
    results: tyro.conf.Positional[tuple[Path, ...]],
    out: Path = Path("report"),
    root: Path | None = None,
    annotations: Path | None = None,
    sequences: str | None = None,
    protocol: ScoringName | None = None,
    against: Against = (),
    gallery: int = 20,
    ours: str | None = None,
    rival: str | None = None,
    as_json: Json = False,
) -> int:
    """Make a page to explore in any browser: OUT/index.html, with its plots in OUT/plots.

    The page is one file that needs no network. It has scores, curves, what changed between two trackers, each sequence
    frame by frame, attributes, and the numbers to download.

    The defaults of --ours and --rival skip baselines that use no frame, such as static.

    Example: tracking-env report results/drlt results/mil --root OTB

    Args:
        results: folders of result files, one per tracker. The first ones get the clearest colours.
        out: folder for the page; an older page there is replaced.
        root: folder of sequences: OTB, GOT-10k, LaSOT, UAV123, VOT, or videos. Give this or --annotations.
        annotations: folder of true boxes NAME.txt, of OTB's sequences or your own. The page then shows no pictures.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas. Or synthetic:0-9.
            By default all that have results.
        protocol: whose rules: otb, got10k, lasot, trackingnet, uav123, nfs, tcolor128, vot or vot-unsupervised. By
            default those of the data set in root.
        against: trackers whose results come with the package, beside yours: names such as nano or fear-xs. Sequences
            that they did not run on are left out.
        gallery: number of sequences with pictures, from the best to the worst of ours at even steps; 0 for none.
        ours: the tracker that the page shows first, by the name of its folder. By default the first one.
        rival: the tracker beside it. By default the best of the others by AUC.
        as_json: print JSON instead of text. It holds the page's path and each tracker's scores.
    """
    try:
        # Other commands work without jinja2 and matplotlib.
        from tracking_env.report.gallery import Gallery
        from tracking_env.report.page import write_page
    except ModuleNotFoundError as error:
        raise MissingPackageError("report", error, "report") from None
    if not results and not against:
        raise InputError("no folder to report on; type tracking-env report DIR --root OTB")
    truths = read_ground_truth(root, annotations, sequences, results, against)
    if choose_protocol(protocol, truths[0].dataset, any(truth.anchors for truth in truths)).multi_start:
        raise InputError(
            "a page shows runs from the first frame, VOT's start at anchors; type score for these, or evaluate and "
            "report with --protocol vot-unsupervised"
        )
    trackers = TrackerFolders(results, truths, against)
    summaries = write_page(out, truths, trackers, Gallery(gallery, ours, rival), protocol)
    page = out / "index.html"
    if as_json:
        scores = {label: summary.json for label, summary in summaries.items()}
        print_result(json.dumps({"page": str(page), "trackers": scores}, indent=1))
    else:
        print_result(page)
    return print_failures({label: summary.failed for label, summary in summaries.items()})
