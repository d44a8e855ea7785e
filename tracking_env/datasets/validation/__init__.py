"""What is wrong with a folder of OTB sequences, and how to fix it."""

from tracking_env.datasets.validation.folder import Checked, check

__all__ = ["Checked", "check"]
