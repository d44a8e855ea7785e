"""``tracking-env track``: track a target in your own video."""

import json
from pathlib import Path
from typing import Annotated

import tyro

from tracking_env.apps.default_tracker import choose_tracker
from tracking_env.apps.track_video import INTERRUPTED, TrackedVideo, track
from tracking_env.apps.video_source import open_source
from tracking_env.clients import hub
from tracking_env.commands import TRACKERS, Checkpoint, Device, Json, Weights
from tracking_env.errors import InputError
from tracking_env.registry import TrackerSpec
from tracking_env.terminal import print_error, print_result


def track_video(
    video: str,
    box: str | None = None,
    tracker: Annotated[str | None, tyro.conf.arg(help=TRACKERS)] = None,
    checkpoint: Checkpoint = None,
    weights: Weights = (),
    features: str | None = None,
    trust: bool = False,
    device: Device | None = None,
    timeout: float = 60.0,
    offline: bool = False,
    start: int = 1,
    out: Path = Path("tracked"),
    show: bool = False,
    as_json: Json = False,
) -> int:
    """Track a target in your own video, from its box in the first frame. The result is not scored.

    The results are out/TRACKER/NAME.txt (one box x,y,w,h a line), NAME.csv (frame,x,y,w,h,confidence,lost),
    NAME.track.json (the same and seconds per frame) and NAME.mp4 (the video with the box). Older files of these names
    are replaced. By default the tracker is the one that the checkpoint needs. Without a checkpoint it is experts, whose
    files are downloaded once; where they cannot be, it is one that needs no files.

    Example: tracking-env track --video video.mp4 --box 120,80,40,60 --tracker mil

    Args:
        video: a video file, a folder of images, or the number of a camera (0 for the first).
        box: the target in the first frame: x,y,w,h in pixels from 1,1. By default you draw it in a window.
        tracker: one of `commands.TRACKERS`, or your own.
        checkpoint: folder of a trained agent, or its name; see `commands.Checkpoint`.
        weights: weights files, or their folder; see `commands.Weights`.
        features: extractor that an SB3 file was trained on; a checkpoint folder names its own.
        trust: read an SB3 file although it can run code.
        device: cpu, cuda or auto (a GPU if there is one); for nanotrack-v3, fear-xs and vittrack.
        timeout: the most seconds that a tracker may take for a frame.
        offline: download nothing.
        start: number of the first frame to track, counted from 1.
        out: folder for the results.
        show: show the frames in a window, too; q ends tracking.
        as_json: print JSON instead of text.
    """
    source = open_source(video, start)
    agent = hub.local(checkpoint)
    if tracker is None:
        spec, reason = choose_tracker(agent, weights, offline, features, trust, device, timeout, print_error)
    else:
        spec, reason = TrackerSpec(tracker, weights, agent, features, trust, device, timeout), ""
    runner = spec.make()
    if reason:
        print_error(f"tracker: {spec.name}, {reason}")
    folder = out / spec.folder
    suffixes = {"boxes": ".txt", "csv": ".csv", "json": ".track.json", "overlay": ".mp4"}
    files = {kind: folder / f"{source.name}{suffix}" for kind, suffix in suffixes.items()}
    # The overlay of out/TRACKER/NAME.mp4 is a file of that name, too.
    if any(path.exists() and Path(video).exists() and path.samefile(video) for path in files.values()):
        raise InputError(f"{video} would be overwritten; give another --out")
    result = TrackedVideo(video, runner.id, start, files)
    track(runner.live(), source, box, result, spec.folder, show)
    facts = result.facts()
    if as_json:
        print_result(json.dumps(facts, indent=1))
    else:
        paths = ", ".join(str(path) for path in result.files.values())
        print_result(f"{runner.id}: {facts['frames']} frames, {facts['fps']:.1f} frames/s; in {paths}")
    for problem in (result.stopped, result.problem):
        if problem is not None:
            print_error(f"tracking-env: {problem}; the {facts['frames']} frames tracked are kept")
    if result.stopped == INTERRUPTED:
        return 130
    return 1 if result.stopped or result.problem else 0
