"""What OpenCV may say."""

import importlib

import cv2
import pytest

from tracking_env import quiet


def test_it_is_quiet_in_the_block_and_as_before_after_it():
    before = quiet._LOG.getLogLevel()
    with pytest.raises(KeyError), quiet.quiet():
        assert quiet._LOG.getLogLevel() == quiet.NOTHING != before
        raise KeyError
    assert quiet._LOG.getLogLevel() == before


def test_opencv_4_has_the_functions_elsewhere(monkeypatch):
    monkeypatch.delattr(cv2.utils, "logging", raising=False)
    said = [5]
    monkeypatch.setattr(cv2, "getLogLevel", lambda: said[-1], raising=False)
    monkeypatch.setattr(cv2, "setLogLevel", said.append, raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(quiet, "_LOG", importlib.reload(quiet)._LOG)
        with quiet.quiet(quiet.ERRORS):
            assert said == [5, quiet.ERRORS]
    assert said == [5, 2, 5]
    monkeypatch.undo()
    importlib.reload(quiet)
