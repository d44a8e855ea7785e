"""The log level of OpenCV."""

import importlib

import cv2
import pytest

from tracking_env import log_levels


def test_logging_is_quiet_in_the_block_and_restored_after_it():
    before = log_levels._LOG.getLogLevel()
    with pytest.raises(KeyError), log_levels.quiet_opencv():
        assert log_levels._LOG.getLogLevel() == log_levels.SILENT != before
        raise KeyError
    assert log_levels._LOG.getLogLevel() == before


def test_the_log_functions_of_opencv_4_are_found(monkeypatch):
    monkeypatch.delattr(cv2.utils, "logging", raising=False)
    levels = [5]
    monkeypatch.setattr(cv2, "getLogLevel", lambda: levels[-1], raising=False)
    monkeypatch.setattr(cv2, "setLogLevel", levels.append, raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(log_levels, "_LOG", importlib.reload(log_levels)._LOG)
        with log_levels.quiet_opencv(log_levels.ERRORS):
            assert levels == [5, log_levels.ERRORS]
    assert levels == [5, 2, 5]
    monkeypatch.undo()
    importlib.reload(log_levels)
