"""``tracking-env score``: what result files are worth."""

import json
from pathlib import Path
from typing import Literal

import tyro

from tracking_env.commands import Json, label_folders, print_failures
from tracking_env.datasets import loading, otb
from tracking_env.errors import InputError
from tracking_env.evaluation import scoring
from tracking_env.report import text_tables


def score_results(
    results: tyro.conf.Positional[tuple[Path, ...]],
    root: Path | None = None,
    annotations: Path | None = None,
    sequences: str | None = None,
    formula: Literal["otb", "drlt-paper"] = "otb",
    attributes: bool = False,
    markdown: bool = False,
    as_json: Json = False,
) -> int:
    """Score trackers by OTB's one-pass evaluation: whole, first third (seen) and the rest (unseen).

    Example: tracking-env score results/mil --root OTB --sequences otb2013

    Args:
        results: one folder per tracker, each with NAME.txt, one box x,y,w,h a line, in pixels, 1-based; or in another
            layout of the field (run-1/NAME.txt, TRE, SRE, got10k's, NAME.json, NAME_TRACKER.mat). One folder gives a
            row per sequence, several a row per tracker.
        root: folder of OTB or another data set, as for sequences, for the true boxes. Give this or --annotations.
        annotations: folder of true boxes NAME.txt, where there are no frames.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas. By default drlt30,
            or all of another data set.
        formula: otb, or drlt-paper, the formula behind the paper's Table 2, only to compare with that.
        attributes: print a row per difficulty attribute instead.
        markdown: print Markdown tables.
        as_json: print JSON instead of a table: the report, or of several folders one for each.
    """
    if not results:
        raise InputError("no folder to score; type tracking-env score DIR --root OTB")
    tags, sequences = None, sequences or loading.default(root)
    if annotations is not None and root is None:
        truths = {name: otb.load_annotations(annotations, name) for name in otb.names(sequences, None)}
    elif root is not None and annotations is None:
        loaded = loading.load(root, sequences)
        truths, tags = {one.name: one.boxes for one in loaded}, {one.name: one.attributes for one in loaded}
    else:
        raise InputError("true boxes come from one place; give either --root OTB or --annotations DIR")
    scored = {
        label: scoring.score_folder(folder, truths, attributes=tags, formula=formula)
        for label, folder in label_folders(results).items()
    }
    only = next(iter(scored.values())) if len(scored) == 1 else None
    if as_json:
        data = only.to_json() if only else {label: one.to_json() for label, one in scored.items()}
        print(json.dumps(data, indent=1))
    elif attributes:
        tables = {label: text_tables.attribute_table(one, markdown) for label, one in scored.items()}
        print("\n\n".join(text if only else f"{label}\n\n{text}" for label, text in tables.items()))
    else:
        print(text_tables.sequence_table(only, markdown) if only else text_tables.table(scored, markdown))
    return print_failures(scored)
