"""The notebooks run from their first cell to their last."""

import json

import pytest

from tests.helpers.paths import ROOT

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_hold_no_outputs(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)


def test_the_notebook_analyse_results_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    from tracking_env.report.page_content import Page

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Page, "save_plots", lambda *_: None)  # takes longer than everything else
    names = {}
    for cell in json.loads((ROOT / "examples/analyse_results.ipynb").read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "analyse_results", "exec"), names)
    printed = capsys.readouterr().out
    assert names["reports"]["after"].mean["whole"].auc > names["reports"]["before"].mean["whole"].auc
    low, high = names["change"].interval
    assert f"AUC {names['change'].mean:+.3f} [{low:+.3f}, {high:+.3f}]" in printed
    assert (tmp_path / "report/index.html").exists()
