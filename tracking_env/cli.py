"""The ``tracking-env`` command: what is there, and what a tracker's results are worth.

Exit codes: 0 all well, 1 some sequences could not be scored, 2 the input cannot be used.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from tracking_env import evaluation, otb, report
from tracking_env.errors import InputError

app = tyro.extras.SubcommandApp()


@app.command(name="sequences")
def list_sequences(root: Path | None = None, sequences: str | None = None) -> int:
    """List sequences: name, evaluated frames, attributes.

    Args:
        root: folder that holds OTB's sequence folders; without it the benchmark's own list is shown.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas. By default all that
            are in the root, or otb100 without one.
    """
    if root is None:
        entries = [otb.TABLE[name] for name in otb.names(sequences or "otb100", None)]
        rows = [(entry.name, entry.frames, entry.attributes) for entry in entries]
    else:
        loaded = otb.load(root, sequences or otb.AVAILABLE)
        rows = [(one.name, len(one), one.attributes) for one in loaded]
    width = max(len(name) for name, _, _ in rows)
    for name, frames, attributes in rows:
        print(f"{name:<{width}}  {frames:>4}  {' '.join(attributes)}".rstrip())
    return 0


@app.command(name="score")
def score_results(
    results: tyro.conf.Positional[Path],
    root: Path | None = None,
    annotations: Path | None = None,
    sequences: str = "drlt30",
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Score result files by OTB's one-pass evaluation: whole, first third (seen) and the rest (unseen).

    Args:
        results: folder of result files NAME.txt, one box x,y,w,h a line, in pixels, 1-based.
        root: folder that holds OTB's sequence folders, for the true boxes. Give this or --annotations.
        annotations: folder of true boxes NAME.txt, where there are no frames.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas.
        as_json: print JSON instead of a table.
    """
    if annotations is not None and root is None:
        truths = {name: otb.load_annotations(annotations, name) for name in otb.names(sequences, None)}
    elif root is not None and annotations is None:
        truths = {one.name: one.boxes for one in otb.load(root, sequences)}
    else:
        raise InputError("true boxes come from one place; give either --root OTB or --annotations DIR")
    scored = evaluation.score_folder(results, truths)
    print(json.dumps(scored.to_json(), indent=1) if as_json else report.sequence_table(scored))
    for name, reason in scored.failed.items():
        print(f"tracking-env: not scored: {name}: {reason}", file=sys.stderr)
    return 1 if scored.failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command on ``argv`` (by default the process's own) and return its exit code."""
    try:
        return app.cli(prog="tracking-env", description=__doc__, args=argv, config=(tyro.conf.FlagCreatePairsOff,))
    except InputError as error:
        print(f"tracking-env: error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
