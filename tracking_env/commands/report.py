"""``tracking-env report``: a page of plots and tables."""

import json
from pathlib import Path

import tyro

from tracking_env.commands import Json, label_folders, print_failures
from tracking_env.datasets import loading
from tracking_env.errors import InputError
from tracking_env.evaluation.result_files import read_results


def make_report(
    results: tyro.conf.Positional[tuple[Path, ...]],
    out: Path = Path("report"),
    root: Path | None = None,
    annotations: Path | None = None,
    sequences: str | None = None,
    gallery: int = 20,
    ours: str | None = None,
    rival: str | None = None,
    as_json: Json = False,
) -> int:
    """Make a page of plots, tables and clips that opens in any browser: out/index.html, with its plots in out/plots.

    Example: tracking-env report results/drlt results/mil --root OTB

    Args:
        results: one folder per tracker, as score reads them. The first ones get the clearest colours.
        out: folder for the page; an older one there is replaced.
        root: folder of OTB or another data set, as for sequences; with it the page has clips and film strips. Give
            this or --annotations.
        annotations: folder of true boxes NAME.txt, where there are no frames.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas; or drawn ones, such
            as synthetic:0-9, which need neither folder. By default drlt30, or all of another data set.
        gallery: number of sequences that a clip shows, from the best to the worst of ours at even steps; 0 for none.
        ours: the tracker in these clips, by the name of its folder; by default the first one.
        rival: the one beside it; by default the best of the others by unseen AUC. (The defaults pass over the lines,
            such as static, which look at no frame.)
        as_json: print JSON instead of the page's path: that, and each tracker's scores.
    """
    try:
        from tracking_env.report import page as report_page  # needs jinja2 and matplotlib, which the rest does without
        from tracking_env.report.gallery import Gallery
    except ModuleNotFoundError as error:
        raise InputError(f"report needs {error.name}; type: pip install 'tracking-env[report]'") from None
    if not results:
        raise InputError("no folder to report on; type tracking-env report DIR --root OTB")
    videos = report_page.load_videos(root, annotations, sequences or loading.default(root))
    wanted = [video.name for video in videos]
    reports = report_page.write(
        out,
        videos,
        {label: read_results(folder, wanted) for label, folder in label_folders(results).items()},
        Gallery(gallery, ours, rival),
    )
    page = out / "index.html"
    scores = {label: one.to_json() for label, one in reports.items()}
    print(json.dumps({"page": str(page), "trackers": scores}, indent=1) if as_json else page)
    return print_failures(reports)
