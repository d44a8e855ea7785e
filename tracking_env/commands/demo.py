"""``tracking-env demo``: a page to try trackers on."""

import os
import signal
import tempfile
import threading
from pathlib import Path

from tracking_env.clients import hub
from tracking_env.datasets import loading
from tracking_env.errors import InputError
from tracking_env.registry import TrackerSpec


def show_demo(
    tracker: str = "search",
    rival: str = "mil",
    checkpoint: str | None = None,
    weights: tuple[Path, ...] = (),
    features: str | None = None,
    trust: bool = False,
    root: Path | None = None,
    sequences: str | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    megabytes: int = 200,
    frames: int = 600,
) -> int:
    """Serve a page in the browser: choose a clip or upload one, drag a box, and watch two trackers follow it.

    Only this machine can open it, unless --host says otherwise; anybody who can may use your processor and disk, and
    there is no password. Ctrl-C ends it and deletes what was uploaded and made.

    Example: tracking-env demo --root OTB --sequences Suv,Couple

    Args:
        tracker: ours at the beginning, as for track.
        rival: what it is compared with at the beginning: one that needs no files (mil, search), or nano with --weights.
        checkpoint: of the tracker: as for track.
        weights: of the tracker, and of nano: weights files, or their folder.
        features: as for track.
        trust: as for track.
        root: folder of OTB or another data set, as for evaluate; its sequences can be chosen.
        sequences: which of them; or more drawn ones, such as synthetic:0-9, which need no root.
        host: address to listen on; 0.0.0.0 for all of this machine's.
        port: by default the first free one from 7860 on.
        megabytes: largest video that can be uploaded.
        frames: frames of a video that are followed, at most.
    """
    if megabytes < 1 or frames < 1:
        raise InputError(f"--megabytes is {megabytes} and --frames {frames}; give at least 1")
    try:
        from tracking_env.apps.demo import page as demo_page  # needs matplotlib

        trackers = demo_page.offers(TrackerSpec(tracker, weights, hub.local(checkpoint), features, trust))
        if rival not in trackers:
            raise InputError(f"--rival is {rival!r}; those that can be made here are {', '.join(trackers)}")
        clips = [] if root is None and sequences is None else loading.load(root, sequences)
        with tempfile.TemporaryDirectory(prefix="tracking-env-demo-") as name:
            # Read when it is imported: its own folder, and that it reports nothing to its makers.
            os.environ |= {"GRADIO_TEMP_DIR": str(Path(name, "gradio")), "GRADIO_ANALYTICS_ENABLED": "False"}
            from tracking_env.apps.demo import server

            page = demo_page.Page(trackers, Path(name), clips, frames)
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # services are ended so
            with server.serve(server.layout(page, tracker, rival), host, port, megabytes << 20) as address:
                print(f"{address} (Ctrl-C ends it)", flush=True)
                try:
                    threading.Event().wait()
                except KeyboardInterrupt:
                    page.closed.set()
    except ModuleNotFoundError as error:
        raise InputError(f"demo needs {error.name}; type: pip install 'tracking-env[demo]'") from None
    return 0
