"""The notebook runs as it stands, and its agent learns."""

import json
import warnings

import matplotlib
import pytest

from tests.helpers.paths import ROOT

pytestmark = pytest.mark.learn


def test_the_notebook_trains_scores_and_plots_an_agent(tmp_path, monkeypatch):
    pytest.importorskip("stable_baselines3")
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path))
    matplotlib.use("Agg")
    notebook = json.loads((ROOT / "examples" / "quickstart.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names = {}
    with warnings.catch_warnings():
        # What plt.show() says without a window, where DISPLAY is set.
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        for cell in cells:
            exec(compile(cell, "quickstart.ipynb", "exec"), names)
    means = {name: report.mean["whole"].mean_iou for name, report in names["reports"].items()}
    assert means["PPO"] > max(0.4, means["zero action"] + 0.15)
