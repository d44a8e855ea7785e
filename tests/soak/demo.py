"""A demo with a user who uploads a video and has it tracked, as a job that faults disturb."""

import json
import os
import signal
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.soak.contents import Contents
from tests.soak.videos import encode_video
from tracking_env import cli

SECONDS = 240
"""How long the user waits for the page, and for each answer."""
BOX = [5, 5, 20, 20]


def show(folder: Path) -> int:
    """Start the demo with its temporary files in a folder, track an upload, and end it as a service manager does."""
    answer = folder / "answer.txt"
    if answer.exists():
        answer.unlink()
    form = _as_form(encode_video(".mp4"))
    tempfile.tempdir = str(folder)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    lines: list[str] = []
    user = threading.Thread(target=_use, args=(f"http://127.0.0.1:{port}", form, lines), daemon=True)
    user.start()
    code = cli.main(["demo", "--port", str(port), "--tracker", "mil", "--rival", "mil", "--sequences", "synthetic:7"])
    if code:
        return code
    user.join(SECONDS)
    if 'class="status bad"' in lines[0]:
        print(f"error: the page says: {lines[0]}")
        return 2
    # Written last: a job that is killed before has no answer, and may have left files.
    answer.write_text(lines[0])
    return code


def read_answer(folder: Path) -> Contents:
    """The page's answer of a demo that has ended, and the names of what it has left: nothing."""
    answer = folder / "answer.txt"
    if not answer.exists():
        return {}
    left = sorted(path.name for path in folder.iterdir() if path != answer)
    return {"answer": answer.read_bytes(), "left": "\n".join(left).encode()}


def _use(address: str, form: tuple[bytes, dict[str, str]], lines: list[str]) -> None:
    """Upload a video, track it, add the page's last line to a list, and end the demo."""
    try:
        video = json.loads(_send(f"{address}/gradio_api/upload", *form))[0]
        # Tracking alone waits in the queue.
        functions = json.loads(_send(f"{address}/config"))["dependencies"]
        (track,) = [function["id"] for function in functions if function["queue"]]
        file = {"path": video, "meta": {"_type": "gradio.FileData"}}
        call = {"data": ["Synthetic-0007", file, "mil", "mil", *BOX], "fn_index": track, "session_hash": "soak"}
        headers = {"Content-Type": "application/json"}
        _send(f"{address}/gradio_api/queue/join", json.dumps(call).encode(), headers)
        events = _send(f"{address}/gradio_api/queue/data?session_hash=soak").decode().splitlines()
        messages = [json.loads(event.removeprefix("data:")) for event in events if event.startswith("data:")]
        statuses = [status for message in messages if (status := _status(message)) is not None]
        lines.append(statuses[-1])
    except AssertionError as error:  # the page refuses the upload
        lines.append(f'<p class="status bad">{error}</p>')
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


def _as_form(content: bytes) -> tuple[bytes, dict[str, str]]:
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n'
    return head + content + b"\r\n--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}


def _send(url: str, body: bytes | None = None, headers: Any = ()) -> bytes:
    """The answer to a request; waits until the page is there."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            request = urllib.request.Request(url, body, dict(headers))
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{url}: {error.code} {error.read()[:300]!r}") from None
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _status(message: dict[str, Any]) -> str | None:
    """The status line of one of the queue's messages, as the page gets it; None if it has none."""
    data = (message.get("output") or {}).get("data") or [None]
    return data[0] if isinstance(data[0], str) else None
