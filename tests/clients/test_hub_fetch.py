"""``hf://`` with the real library and a Hub on this machine."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest

from tracking_env.trackers.checkpoint import PRETRAINED

pytest.importorskip("huggingface_hub", reason="needs the extra hub")
COMMIT = "0123456789" * 4
FETCH = "from tracking_env.clients import hub; print(hub.local('hf://them/agent'))"


class Hub(BaseHTTPRequestHandler):
    """Answers for one repository, whose files lie in the server's folder."""

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        self.server.requested.append((self.command, path.rpartition("/")[2]))
        file = self.server.folder / path.rpartition("/")[2]
        if "/resolve/" not in path or not file.exists():
            return self.send_error(404)
        data = file.read_bytes()
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(self.server.sizes.get(file.name, len(data))))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)
        return None

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *args):
        """Print nothing."""


@pytest.fixture
def server(tmp_path):
    folder = shutil.copytree(PRETRAINED / "cells", tmp_path / "repository")
    (folder / "run_me.py").write_text("raise SystemExit")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.folder, server.requested, server.sizes = folder, [], {}
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def fetch(server, tmp_path):
    environment = os.environ | {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path / "hf"),
    }
    environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return subprocess.run([sys.executable, "-c", FETCH], env=environment, capture_output=True, text=True, timeout=60)


def test_three_files_of_one_commit_are_fetched_and_no_other(server, tmp_path):
    done = fetch(server, tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "hf").rglob(COMMIT)
    assert done.stdout.strip() == str(folder)
    names = ["config.json", "model.safetensors", "policy.onnx"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert sorted({name for _, name in server.requested}) == names
    for name in names:
        assert (folder / name).read_bytes() == (server.folder / name).read_bytes()
    server.shutdown()
    server.server_close()  # the next call needs no network
    assert json.loads((folder / "config.json").read_text())["agent"] == "pointing"
    again = fetch(server, tmp_path)
    assert again.stdout == done.stdout, again.stderr


def test_a_file_that_is_too_large_is_not_downloaded(server, tmp_path):
    server.sizes["policy.onnx"] = (2 << 30) + 1
    done = fetch(server, tmp_path)
    assert "policy.onnx of hf://them/agent has 2147483649 bytes, the most are 2147483648" in done.stderr
    assert ("GET", "policy.onnx") not in server.requested
