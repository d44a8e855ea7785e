"""The report as a page: one HTML file that needs no other, and its plots as files beside it.

`write_page` scores results and fills ``templates/report.html`` with a `page_content.Page`. It needs jinja2,
matplotlib and pillow (the extra ``report``), which the rest of the library does not. So import this module only where a
page is made.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from tracking_env.errors import InputError
from tracking_env.evaluation.ground_truth import GroundTruth
from tracking_env.evaluation.protocols import choose_protocol
from tracking_env.evaluation.result_files import Results
from tracking_env.evaluation.score_report import Report
from tracking_env.files import write_atomically
from tracking_env.report import film_strips, page_tables, published
from tracking_env.report.gallery import SEEN, Gallery
from tracking_env.report.page_content import PART_NAMES, Page


def write_page(
    folder: Path,
    sequences: Sequence[GroundTruth],
    results: Mapping[str, Results],
    gallery: Gallery | None = None,
    protocol: str | None = None,
) -> dict[str, Report]:
    """Write ``index.html`` and ``plots/`` (PNG and SVG) into a folder; make the folder if it does not exist.

    Args:
        folder: files of an older report are replaced.
        sequences: the sequences to score, at least one.
        results: one-pass results by tracker, at least one; their order decides each tracker's style in the plots.
        gallery: the sequences and trackers that the gallery shows.
        protocol: one of `protocols.PROTOCOLS`; by default that of the sequences' data set.

    Returns:
        The scores, by tracker.

    Raises:
        InputError: results are not one-pass, no sequence can be scored, a frame cannot be read, or the folder cannot be
            written.

    Example:
        >>> write_page(Path("report"), read_ground_truth(Path("OTB"), None, "drlt30"), {"mil": mil, "drlt": drlt})
    """
    page = Page(sequences, results, folder, gallery or Gallery(), choose_protocol(protocol, sequences[0].dataset))
    if not page.parts:
        failure = "; ".join(f"{tracker}, {sequence}: {reason}" for tracker, sequence, reason in page.failures[:1])
        raise InputError(f"no sequence could be scored ({failure}); give folders that hold results of these sequences")
    try:
        (folder / "plots").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}; give another one as --out") from None
    # The template's calls save the plots, so their folder comes first and the page last.
    html = _render(page)
    with write_atomically(folder / "index.html") as partial:
        partial.write_text(html, encoding="utf-8")
    return page.reports


def _render(page: Page) -> str:
    # Strict, so that a misspelt name in the template is an error and not a blank.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tracking_env.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        page=page,
        parts=PART_NAMES,
        headline=page_tables.make_headline_table(page.reports),
        published=published,
        colours=film_strips.css_colours,
        bar=film_strips.to_css(SEEN),
    )
