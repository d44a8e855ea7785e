"""``tracking-env demo``: try two trackers in the browser."""

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import tyro

from tracking_env.apps.default_tracker import choose_tracker
from tracking_env.apps.demo.folder import temporary_folder
from tracking_env.clients import hub
from tracking_env.commands import TRACKERS, Checkpoint, Weights
from tracking_env.datasets import loading
from tracking_env.errors import InputError, MissingPackageError
from tracking_env.registry import TrackerSpec
from tracking_env.terminal import print_error, print_result

_MOST_MEGABYTES = 1 << 20


def show_demo(
    tracker: Annotated[str | None, tyro.conf.arg(help=TRACKERS + " By default as in tracking-env track.")] = None,
    rival: str = "mil",
    checkpoint: Checkpoint = None,
    weights: Weights = (),
    features: str | None = None,
    trust: bool = False,
    offline: bool = False,
    root: Path | None = None,
    sequences: str | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    megabytes: int = 200,
    frames: int = 600,
    timeout: float = 20.0,
) -> int:
    """Serve a page: choose a sequence or upload a video, drag a box, and watch two trackers follow the target.

    Only this machine can open the page, unless you change --host. There is no password: whoever opens the page can use
    your processor and disk. Ctrl-C ends the demo and deletes uploads and results; if it is killed, the next demo does.

    Example: tracking-env demo --root OTB --sequences Suv,Couple

    Args:
        tracker: one of `commands.TRACKERS`, or your own.
        rival: the second tracker: mil or search; or nano, with --weights.
        checkpoint: folder of a trained agent, or its name; see `commands.Checkpoint`.
        weights: weights files, or their folder; see `commands.Weights`.
        features: extractor that an SB3 file was trained on; a checkpoint folder names its own.
        trust: read an SB3 file although it can run code.
        offline: download nothing.
        root: folder of sequences: OTB, GOT-10k, LaSOT, UAV123, VOT, or videos. The page offers them.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas. Or synthetic:0-9.
        host: address to listen on; 0.0.0.0 for all addresses of this machine.
        port: port to listen on. By default the first free one from 7860 on.
        megabytes: size of the largest upload; all together may have five times as much.
        frames: number of frames to track at most.
        timeout: the most seconds that a tracker may take for a frame. Other users wait meanwhile.
    """
    if megabytes < 1 or frames < 1:
        raise InputError(f"--megabytes is {megabytes} and --frames {frames}; give at least 1")
    if megabytes > _MOST_MEGABYTES:
        raise InputError(f"--megabytes is {megabytes}; give at most {_MOST_MEGABYTES}")
    try:
        from tracking_env.apps.demo.page import Page, available_trackers  # needs matplotlib

        agent = hub.local(checkpoint)
        spec, trackers = None, {}
        if tracker is not None:
            spec = TrackerSpec(tracker, weights, agent, features, trust, timeout=timeout)
            trackers = _offered(available_trackers(spec), rival)
        with temporary_folder() as folder:
            # Gradio reads both when it is imported: the folder of its files, and that it sends no usage statistics.
            os.environ |= {"GRADIO_TEMP_DIR": str(folder / "gradio"), "GRADIO_ANALYTICS_ENABLED": "False"}
            from tracking_env.apps.demo import server

            if spec is None:  # only now, since it may download files
                spec, reason = choose_tracker(
                    agent, weights, offline, features, trust, timeout=timeout, notify=print_error
                )
                print_error(f"tracker: {spec.name}, {reason}".removesuffix(", "))
                trackers = _offered(available_trackers(spec), rival)
            extra_sequences = [] if root is None and sequences is None else loading.load(root, sequences)
            page = Page(trackers, folder, extra_sequences, frames)
            # Service managers end a program with SIGTERM; it must delete its files then, too.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            blocks = server.layout(page, spec.name, rival)
            # Ctrl-C may come before the server has started, or while it ends.
            with suppress(KeyboardInterrupt), server.serve(blocks, host, port, megabytes << 20, folder) as address:
                print_result(f"{address} (Ctrl-C ends it)")
                try:
                    threading.Event().wait()
                except KeyboardInterrupt:
                    page.closed.set()
    except ModuleNotFoundError as error:
        raise MissingPackageError("demo", error, "demo") from None
    return 0


def _offered(trackers: dict[str, TrackerSpec], rival: str) -> dict[str, TrackerSpec]:
    """The trackers that the page offers, among which the rival must be."""
    if rival not in trackers:
        raise InputError(f"--rival is {rival!r}; the trackers that can run here are {', '.join(trackers)}")
    return trackers
