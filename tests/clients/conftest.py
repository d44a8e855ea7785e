import shutil
import sys
import types
from pathlib import Path

import pytest


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The folder of a training run of 7 epochs, in the working directory."""
    from tests.helpers.published_runs import write_drlt_run

    monkeypatch.chdir(tmp_path)
    write_drlt_run(tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def library(monkeypatch):
    """Stands in for huggingface_hub: repositories are folders beside the run. Returns the calls."""
    calls = []

    class Api:
        def create_repo(self, repository, **options):
            calls.append((repository, options))

        def upload_folder(self, repo_id, folder_path, commit_message):
            shutil.copytree(folder_path, Path("repositories") / repo_id)
            calls.append((repo_id, commit_message))

    def download(repository, filename, revision=None, dry_run=False):
        path = Path("repositories") / repository / filename
        if not path.parent.is_dir():
            raise OSError("404 Client Error\n\nmore")
        if dry_run:
            calls.append((repository, filename, revision))
            return types.SimpleNamespace(file_size=path.stat().st_size)
        assert calls[-1] == (repository, filename, revision), "it is looked at first"
        return str(path)

    module = types.ModuleType("huggingface_hub")
    module.HfApi, module.hf_hub_download = Api, download
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return calls
