"""Boxes of this project's trackers on 23 targets of OTB, which come with the package: to put beside those of yours.

::

    from tracking_env.evaluation import raw_results

    raw_results.NAMES  # ("experts", "fear-xs", ...)
    raw_results.read("nano").runs[0]["Suv"]  # (945, 4)
"""

from tracking_env.evaluation.raw_results.archive import NAMES, list_sequences, read, read_command, write

__all__ = ["NAMES", "list_sequences", "read", "read_command", "write"]
