"""Scores as text tables, plots and a page.

The package itself needs no extra. `tracking_env.report.page` and `tracking_env.report.plots` need the extra ``report``:
import them where they are used.
"""

from tracking_env.report.text_tables import format_attributes, format_sequences, format_trackers

__all__ = ["format_attributes", "format_sequences", "format_trackers"]
