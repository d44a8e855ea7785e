"""Scores as text tables, plots and a page.

This package alone needs no optional package. `tracking_env.report.page` and `tracking_env.report.plots` need jinja2,
matplotlib and pillow (the extra ``report``), so import them where they are used.
"""

from tracking_env.report.text_tables import format_attributes, format_sequences, format_trackers

__all__ = ["format_attributes", "format_sequences", "format_trackers"]
