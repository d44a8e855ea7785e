"""The page to try trackers on, served by Gradio; an extra: ``demo``.

It is for one's own machine. It asks no other host for anything, and browsers are told not to either. What is uploaded
and made lies in one folder: what is old is deleted while it runs, and its owner deletes the rest.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware

from tracking_env.apps.demo.page import Page
from tracking_env.datasets.video import SUFFIXES
from tracking_env.errors import InputError

_HERE = Path(__file__).resolve().parent
_OLD = 600, 1800  # every so many seconds, files older than so many are deleted
_POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"


class OwnHostOnly:
    """Tells the browser to fetch nothing from other hosts, and to send nothing there."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""

        async def told(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = _POLICY
            await send(message)

        await self.app(scope, receive, told)


def layout(page: Page, ours: str, rival: str) -> gr.Blocks:
    """The page's parts and what happens when they are used.

    Args:
        page: its answers.
        ours: name of the tracker that is chosen at the beginning.
        rival: name of the other one.
    """
    with gr.Blocks(title="tracking-env demo", analytics_enabled=False, delete_cache=_OLD) as blocks:
        gr.HTML("<h1>Two trackers, one target</h1>")
        line = gr.HTML(elem_id="status")
        with gr.Row():
            with gr.Column(min_width=330):
                clip = gr.Dropdown([*page.clips], label="Clip", value=next(iter(page.clips)), elem_id="clip")
                upload = gr.File(file_types=[*SUFFIXES], label="or your own video", height=130, elem_id="upload")
                drag = (_HERE / "demo.js").read_text(encoding="utf-8")
                first = gr.HTML(js_on_load=drag, elem_id="first")
                with gr.Row(elem_id="box"):
                    numbers = [gr.Number(label=one, min_width=60) for one in ("x", "y", "width", "height")]
            with gr.Column(min_width=330):
                with gr.Row():
                    first_tracker = gr.Dropdown([*page.trackers], label="Tracker (red)", value=ours, min_width=120)
                    second = gr.Dropdown([*page.trackers], label="Rival (blue)", value=rival, min_width=120)
                with gr.Row():
                    track = gr.Button("Track", variant="primary", elem_id="track", min_width=120)
                    stop = gr.Button("Stop", interactive=False, elem_id="stop", min_width=120)
                live = gr.HTML(elem_id="live")
                video = gr.Video(show_label=False, visible=False, autoplay=True, loop=True, elem_id="video")
                plot = gr.HTML(elem_id="plot")

        def chosen(clip: str) -> Any:
            return None, *page.chosen(clip)

        def uploaded(clip: str, upload: str | None) -> Any:
            return page.chosen(clip) if upload is None else page.look(clip, upload, None, None, None, None)

        def dragged(clip: str, upload: str | None, corners: gr.SelectData) -> Any:
            return page.dragged(clip, upload, corners.index)

        def typed(clip: str, upload: str | None, *numbers: float | None) -> Any:
            shown, *_, line = page.look(clip, upload, *numbers)
            return shown, line

        def tracked(request: gr.Request, *chosen: Any) -> Iterator[Any]:
            for line, frame, result, drawn in page.track(*chosen, session=str(request.session_hash)):
                running = bool(frame)
                made = gr.update(value=result, visible=result is not None)
                yield line, frame, made, drawn, gr.update(interactive=not running), gr.update(interactive=running)

        def stopped(request: gr.Request) -> None:
            page.stopping.add(str(request.session_hash))

        now: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        box = [first, *numbers, line]
        blocks.load(chosen, clip, [upload, *box], **now)
        clip.input(chosen, clip, [upload, *box], **now)
        gr.on([upload.upload, upload.clear], uploaded, [clip, upload], box, **now)
        first.select(dragged, [clip, upload], box, **now)
        gr.on([one.input for one in numbers], typed, [clip, upload, *numbers], [first, line], **now)
        track.click(
            tracked,
            [clip, upload, first_tracker, second, *numbers],
            [line, live, video, plot, track, stop],
            **now | {"queue": True},
        )
        stop.click(stopped, **now)
    return blocks


@contextmanager
def serve(blocks: gr.Blocks, host: str, port: int | None, largest: int) -> Iterator[str]:
    """Serve a page while the block lasts.

    Args:
        blocks: the page.
        host: the address to listen on.
        port: None for the first free one from 7860 on.
        largest: bytes of an upload, at most.

    Returns:
        Its address.

    Raises:
        InputError: the port is taken, or the address is not this machine's.
    """
    font = [gr.themes.Font("system-ui"), gr.themes.Font("sans-serif")]  # Google's would be fetched
    try:
        _, address, _ = blocks.launch(
            server_name=host,
            server_port=port,
            max_file_size=largest,
            prevent_thread_lock=True,
            share=False,
            quiet=True,
            inbrowser=False,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            state_session_capacity=20,
            app_kwargs={"middleware": [Middleware(OwnHostOnly)]},
            theme=gr.themes.Default(font=font, font_mono=font),
            head=f"<style>{(_HERE / 'demo.css').read_text(encoding='utf-8')}</style>",  # its css would be rewritten
        )
    except OSError:
        raise InputError(f"cannot listen on {host}, port {port or 'any'}; give another --host or --port") from None
    try:
        yield address
    finally:
        blocks.close(verbose=False)
