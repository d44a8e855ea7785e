"""The report as a page: one HTML file that needs no other, and its plots as files beside it.

`write_page` scores results and fills ``templates/report.html`` with a `page_content.Page` and its `page_data`. The
page's script draws them with uPlot (``templates/uplot``: version 1.6.32, MIT licence). This module needs jinja2,
matplotlib and pillow (the extra ``report``), which the rest of the library does not. So import it only where a page is
made.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from tracking_env.errors import InputError, option
from tracking_env.evaluation.ground_truth import GroundTruth
from tracking_env.evaluation.protocols import choose_protocol
from tracking_env.evaluation.result_files import Results
from tracking_env.files import write_atomically
from tracking_env.report import film_strips, page_data, published
from tracking_env.report.gallery import Gallery
from tracking_env.report.page_content import Page
from tracking_env.report.summary import Summary


def write_page(
    folder: Path,
    sequences: Sequence[GroundTruth],
    results: Mapping[str, Results],
    gallery: Gallery | None = None,
    protocol: str | None = None,
) -> dict[str, Summary]:
    """Write ``index.html`` and ``plots/`` (PNG and SVG) into a folder; make the folder if it does not exist.

    Args:
        folder: files of an older report are replaced.
        sequences: the sequences to score, at least one.
        results: one-pass results by tracker, at least one; their order decides each tracker's style in the plots. Each
            is asked for once, so a mapping that reads files on demand holds one tracker in memory at a time.
        gallery: the sequences with pictures, and the trackers that the page shows first.
        protocol: one of `protocols.PROTOCOLS`; by default that of the sequences' data set.

    Returns:
        What the page shows of each tracker.

    Raises:
        InputError: results are not one-pass, no sequence can be scored, a frame cannot be read, or the folder cannot be
            written.

    Example:
        >>> write_page(Path("report"), read_ground_truth(Path("OTB"), None, "drlt30"), {"mil": mil, "drlt": drlt})
    """
    anchored = any(truth.anchors for truth in sequences)
    page = Page(sequences, results, gallery or Gallery(), choose_protocol(protocol, sequences[0].dataset, anchored))
    if not page.parts:
        failure = "; ".join(f"{tracker}, {sequence}: {reason}" for tracker, sequence, reason in page.failures[:1])
        raise InputError(f"no sequence could be scored ({failure}); give folders that hold results of these sequences")
    try:
        (folder / "plots").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the folder {folder}: {error.strerror}; give another one as {option('out')}"
        ) from None
    page.save_plots(folder / "plots")
    # The page comes last, so that a page is never older than its plots.
    with write_atomically(folder / "index.html") as partial:
        _make_template().stream(
            page=page,
            data=page_data.to_script(page_data.to_json(page)),
            published=published,
            truth=film_strips.css_colours(("truth",))[0],
            colours=film_strips.css_colours(),
        ).dump(str(partial), encoding="utf-8", errors="replace")
    return page.summaries


def _make_template() -> jinja2.Template:
    # Strict, so that a misspelt name in the template is an error and not a blank.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tracking_env.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
