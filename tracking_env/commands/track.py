"""``tracking-env track``: your own video."""

import json
import sys
from pathlib import Path

from tracking_env.apps.track_video import INTERRUPTED, Clip, track
from tracking_env.apps.video_source import open_source
from tracking_env.clients import hub
from tracking_env.commands import Json
from tracking_env.errors import InputError
from tracking_env.registry import TrackerSpec, tracker_of


def track_video(
    video: str,
    box: str | None = None,
    tracker: str | None = None,
    checkpoint: str | None = None,
    weights: tuple[Path, ...] = (),
    features: str | None = None,
    trust: bool = False,
    start: int = 1,
    out: Path = Path("tracked"),
    show: bool = False,
    as_json: Json = False,
) -> int:
    """Follow a target through a video of your own. Nothing else is known of it; it is not scored.

    Example: tracking-env track --video clip.mp4 --box 120,80,40,60 --tracker mil

    Args:
        video: a video file, a folder of images, or the number of a camera, 0 for the first (Ctrl-C ends it).
        box: the target in the first frame: x,y,w,h in pixels, the top-left pixel being 1,1. Without it a window opens
            to draw one.
        tracker: search, drlt, sb3, mil, nano, kcf, csrt, or your own as module:attribute, as for evaluate; by default
            the one that the checkpoint is of, or search.
        checkpoint: of a trained agent (search, drlt, sb3): folder of a run or of a checkpoint, or hf://USER/REPO; or a
            file of Stable-Baselines3's model.save (sb3). For search there is one that comes with the code.
        weights: weights files, or their folder (nano; search, drlt and sb3 with a pretrained extractor).
        features: the extractor that such a file was trained on; a folder says it itself.
        trust: read such a file, although that runs code that is in it.
        start: number of the frame to start on, counted from 1.
        out: folder for results: out/TRACKER/NAME.txt (one box x,y,w,h a line), NAME.track.json (seconds per frame
            too) and NAME.mp4 (the box drawn). Older ones of that name are replaced.
        show: show it in a window while it runs; q ends it.
        as_json: print the facts as JSON instead of a line.
    """
    source = open_source(video, start)
    folder = hub.local(checkpoint)
    choice = TrackerSpec(tracker or tracker_of(folder), weights, folder, features, trust)
    made = choice.make()
    results = out / choice.folder
    kinds = {"boxes": ".txt", "json": ".track.json", "overlay": ".mp4"}
    files = {kind: results / f"{source.name}{suffix}" for kind, suffix in kinds.items()}
    if any(path.resolve() == Path(video).resolve() for path in files.values()):
        raise InputError(f"{video} would be overwritten; give another --out")
    tracked = Clip(video, made.id, start, files)
    track(made.live(), source, box, tracked, choice.folder, show)
    facts = tracked.facts()
    if as_json:
        print(json.dumps(facts, indent=1))
    else:
        places = ", ".join(str(path) for path in tracked.files.values())
        print(f"{choice.folder}: {facts['frames']} frames, {facts['fps']:.1f} frames/s; in {places}")
    for note in (tracked.stopped, tracked.problem):
        if note is not None:
            print(f"tracking-env: {note}; the {facts['frames']} frames tracked are kept", file=sys.stderr)
    if tracked.stopped == INTERRUPTED:
        return 130
    return 1 if tracked.stopped or tracked.problem else 0
