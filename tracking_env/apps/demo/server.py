"""The demo page, served by Gradio. Needs the extra ``demo``.

The page is meant for the machine that serves it. It asks no other host for anything, and its security policy forbids
the browser to do so. Other pages in the same browser can neither read its answers nor send it anything: see `Guard`.
Uploads and results lie in one temporary folder. Gradio deletes old ones; the caller of `serve` deletes the folder.
"""

import ipaddress
import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

from tracking_env.apps.demo.page import Page
from tracking_env.datasets.video import SUFFIXES
from tracking_env.errors import InputError, describe

_log = logging.getLogger(__name__)
_HERE = Path(__file__).resolve().parent
_DELETE_CACHE = 600, 1800  # seconds: how often Gradio deletes old files, and how old they must be
_POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"


_SMALL = 1 << 20
"""Most bytes of a request that is no upload: a choice, numbers, a dragged box."""
TOGETHER = 5
"""How many uploads of the largest size the temporary folder may hold, results included."""


class Guard:
    """Middleware that serves this page to its own browser tab alone, within bounds.

    * A request must name this machine in its ``Host`` header. Another name is that of a page whose owner has pointed it
      to this machine (DNS rebinding).
    * A request with an ``Origin`` must come from this page.
    * A request's body has a stated size. All uploads together are at most `TOGETHER` times the largest one.
    * The answer forbids the browser to load anything from other hosts, or to send anything to them.

    Args:
        app: the application behind it.
        host: address that the server listens on.
        folder: where uploads lie.
        largest: most bytes of an upload.
    """

    def __init__(self, app: Any, host: str, folder: Path, largest: int) -> None:
        self.app, self.host, self.folder, self.largest = app, host, folder, largest
        self.arriving = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, with the security policy among the headers; or refuse it."""
        if scope["type"] != "http":
            # There is no other kind than the server's own start and end, and websockets, which the page does not use.
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            else:
                await send({"type": "websocket.close"})
            return
        headers = Headers(scope=scope)
        refusal = self._refuse(scope, headers)
        if refusal is not None:
            status, text = refusal
            await PlainTextResponse(text, status)(scope, receive, send)
            return

        begun = False

        async def send_with_policy(message: Any) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                MutableHeaders(scope=message)["Content-Security-Policy"] = _POLICY
            await send(message)

        size = int(headers.get("content-length", 0))
        self.arriving += size
        try:
            await self.app(scope, receive, send_with_policy)
        except Exception as error:
            # Gradio raises all kinds of errors at requests that the page does not send.
            _log.warning("cannot answer %s: %s", scope["path"][:80], describe(error))
            if not begun:
                status, text = (507, "the disk") if isinstance(error, OSError) else (400, "this request")
                await PlainTextResponse(f"{text} cannot be used", status)(scope, receive, send)
        finally:
            self.arriving -= size

    def _refuse(self, scope: Any, headers: Headers) -> tuple[int, str] | None:
        """Status and reason of the refusal; None where there is no reason."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if not is_own_name(host, self.host):
            return 403, "this page has another address; open the one that tracking-env demo has printed"
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return 403, "another page sent this"
        if "transfer-encoding" in headers:
            return 411, "the size must be stated"
        size = headers.get("content-length", "0")
        if not (size.isascii() and size.isdecimal()):
            return 400, "the size is no number"
        if not scope["path"].rstrip("/").endswith("/upload"):
            return (413, "too large") if int(size) > _SMALL else None
        # A little more than the file, for what stands around it.
        if int(size) > self.largest + _SMALL:
            return 413, "the video is too large"
        if _count_bytes(self.folder) + self.arriving + int(size) > TOGETHER * self.largest + _SMALL:
            return 507, "too many videos; wait half an hour, or start the demo again"
        return None


def _count_bytes(folder: Path) -> int:
    count = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # another answer may delete its files meanwhile
            count += path.stat().st_size if path.is_file() else 0
    return count


def is_own_name(host: str, listens_on: str) -> bool:
    """Whether a ``Host`` header names this machine.

    Args:
        host: the header, such as ``localhost:7860``.
        listens_on: the address that the server listens on. If it is the loopback address, only that one will do.
            Otherwise any number does, since a foreign page has a name.

    Example:
        >>> is_own_name("localhost:7860", "127.0.0.1"), is_own_name("example.org", "127.0.0.1")
        (True, False)
    """
    match = re.fullmatch(r"(\[[^\[\]]+\]|[^:\[\]]+)(:[0-9]+)?", host.strip())
    if not match:
        return False
    name = match[1].strip("[]").lower()
    if _is_loopback(listens_on):
        return _is_loopback(name)
    return name == "localhost" or _is_address(name) or name in (listens_on.lower(), socket.gethostname().lower())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return name == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def layout(page: Page, ours: str, rival: str) -> gr.Blocks:
    """The page's elements, connected to the answers of `Page`.

    Args:
        page: gives the choices and the answers.
        ours: name of the first tracker when the page opens.
        rival: name of the second tracker when the page opens.
    """
    with gr.Blocks(title="tracking-env demo", analytics_enabled=False, delete_cache=_DELETE_CACHE) as blocks:
        gr.HTML("<h1>Two trackers, one target</h1>")
        status = gr.HTML(elem_id="status")
        with gr.Row():
            with gr.Column(min_width=330):
                names = [*page.sequences_by_name]
                sequence = gr.Dropdown(names, label="Sequence", value=names[0], elem_id="sequence")
                upload = gr.File(file_types=[*SUFFIXES], label="or your own video", height=130, elem_id="upload")
                drag_script = (_HERE / "demo.js").read_text(encoding="utf-8")
                first_frame = gr.HTML(js_on_load=drag_script, elem_id="first")
                with gr.Row(elem_id="box"):
                    numbers = [gr.Number(label=label, min_width=60) for label in ("x", "y", "width", "height")]
            with gr.Column(min_width=330):
                with gr.Row():
                    first_tracker = gr.Dropdown([*page.trackers], label="Tracker (red)", value=ours, min_width=120)
                    second_tracker = gr.Dropdown([*page.trackers], label="Rival (blue)", value=rival, min_width=120)
                with gr.Row():
                    track = gr.Button("Track", variant="primary", elem_id="track", min_width=120)
                    stop = gr.Button("Stop", interactive=False, elem_id="stop", min_width=120)
                live = gr.HTML(elem_id="live")
                video = gr.Video(show_label=False, visible=False, autoplay=True, loop=True, elem_id="video")
                plot = gr.HTML(elem_id="plot")

        def choose_sequence(name: str) -> Any:
            return None, *page.choose_sequence(name)  # removes the upload, which would come before the sequence

        def change_upload(name: str, upload: str | None) -> Any:
            if upload is None:
                return page.choose_sequence(name)
            return page.show_box(name, upload, None, None, None, None)

        def drag_box(name: str, upload: str | None, event: gr.SelectData) -> Any:
            return page.drag_box(name, upload, event.index)

        def change_numbers(name: str, upload: str | None, *numbers: float | None) -> Any:
            image, *_, line = page.show_box(name, upload, *numbers)
            return image, line

        def run_trackers(request: gr.Request, *inputs: Any) -> Iterator[Any]:
            for line, image, path, curves in page.track(*inputs, session=str(request.session_hash)):
                running = bool(image)
                player = gr.update(value=path, visible=path is not None)
                yield line, image, player, curves, gr.update(interactive=not running), gr.update(interactive=running)

        def stop_trackers(request: gr.Request) -> None:
            page.stopping.add(str(request.session_hash))

        # Answers to a box come at once; only tracking waits in the queue, since it takes the whole processor.
        options: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        answer = [first_frame, *numbers, status]
        blocks.load(choose_sequence, sequence, [upload, *answer], **options)
        sequence.input(choose_sequence, sequence, [upload, *answer], **options)
        gr.on([upload.upload, upload.clear], change_upload, [sequence, upload], answer, **options)
        first_frame.select(drag_box, [sequence, upload], answer, **options)
        typed = [number.input for number in numbers]
        gr.on(typed, change_numbers, [sequence, upload, *numbers], [first_frame, status], **options)
        track.click(
            run_trackers,
            [sequence, upload, first_tracker, second_tracker, *numbers],
            [status, live, video, plot, track, stop],
            **options | {"queue": True},
        )
        stop.click(stop_trackers, **options)
    return blocks


@contextmanager
def serve(blocks: gr.Blocks, host: str, port: int | None, largest: int, folder: Path) -> Iterator[str]:
    """Serve a page as long as the ``with`` block runs.

    Args:
        blocks: the page, see `layout`.
        host: address to listen on.
        port: port to listen on; None for the first free one from 7860 on.
        largest: most bytes of an upload.
        folder: where uploads lie, see `Guard`.

    Yields:
        The page's address, such as ``http://127.0.0.1:7860/``.

    Raises:
        InputError: the port is taken, or the address does not belong to this machine.

    Example:
        >>> with serve(layout(page, "search", "mil"), "127.0.0.1", None, 200 << 20, folder) as address:
        ...     print(address)
    """
    _check_address(host, port)
    font = [gr.themes.Font("system-ui"), gr.themes.Font("sans-serif")]  # Gradio's own fonts come from another host.
    try:
        _, address, _ = blocks.launch(
            server_name=host,
            server_port=port,
            max_file_size=largest,
            prevent_thread_lock=True,  # so that `launch` returns
            share=False,
            quiet=True,
            inbrowser=False,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,  # it would need Node.js
            pwa=False,
            mcp_server=False,
            state_session_capacity=20,
            app_kwargs={"middleware": [Middleware(Guard, host=host, folder=folder, largest=largest)]},
            theme=gr.themes.Default(font=font, font_mono=font),
            # Not as `css`: Gradio would rewrite its selectors.
            head=f"<style>{(_HERE / 'demo.css').read_text(encoding='utf-8')}</style>",
        )
    except OSError:  # another program has taken the port meanwhile
        raise _address_error(host, port) from None
    except ValueError:  # Gradio asks the page for its own address, and a proxy answered
        raise InputError(
            f"cannot reach the page on {host}; type export NO_PROXY={host},localhost if this machine uses a proxy"
        ) from None
    try:
        yield address
    finally:
        blocks.close(verbose=False)


def _check_address(host: str, port: int | None) -> None:
    """See that this machine can listen there: Gradio would wait for ever for a host that does not exist."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            if os.name != "nt":  # where it means that two programs may have one port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address[0], port or 0, *address[2:]))
    except (OSError, OverflowError, ValueError):  # ValueError: a name that cannot be encoded
        raise _address_error(host, port) from None


def _address_error(host: str, port: int | None) -> InputError:
    return InputError(f"cannot listen on {host}, port {port or 'any'}; give another --host or --port")
