"""The examples in docstrings print what they say."""

import doctest
import importlib

import gymnasium as gym
import numpy as np
import pytest

from tests.helpers.paths import ROOT
from tracking_env.errors import MissingPackageError

NEED_MORE = {
    "tracking_env.apps.comparison.Comparison": "two trackers and a video",
    "tracking_env.apps.demo.server.serve": "a page",
    "tracking_env.apps.video_source.open_source": "a video",
    "tracking_env.clients.hub.push": "a trained agent and an account",
    "tracking_env.clients.trax.serve": "a client",
    "tracking_env.evaluation": "results and a data set",
    "tracking_env.evaluation.tracker_folders.TrackerFolders": "results and a data set",
    "tracking_env.report.comparison.compare": "scores",
    "tracking_env.report.page.write_page": "results and a data set",
    "tracking_env.trackers.time_limit.TimeLimitedTracker": "a video",
}
"""Examples that do not run by themselves."""
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in ("tracking_env", "agents", "train")
    for path in (ROOT / package).rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.filterwarnings("ignore")  # Gymnasium warns of environments without a bounded observation
@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name):
    try:
        module = importlib.import_module(name)
    except (ImportError, MissingPackageError) as error:
        pytest.skip(str(error))
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for test in doctest.DocTestFinder().find(module, globs=vars(module) | {"np": np, "gym": gym}):
        if test.name not in NEED_MORE:
            assert runner.run(test).failed == 0
