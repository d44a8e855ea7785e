"""What is wrong with a folder of OTB sequences, and how to mend it: all of it, in one pass that decodes every frame.

A *fault* is what the library refuses, or would read as something that it is not. A *note* is what it copes with: OTB's
own files are of several makes, and some folders have more images than are evaluated.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tracking_env.datasets import otb, other_benchmarks, prefetch
from tracking_env.datasets.otb import AVAILABLE, LISTS, TABLE, TRUTH, Entry
from tracking_env.datasets.sequence import images_by_number
from tracking_env.datasets.validation import annotations
from tracking_env.datasets.validation import frames as check_frames
from tracking_env.datasets.validation.findings import Finding, Remark
from tracking_env.errors import InputError
from tracking_env.files import read_bytes


@dataclass(frozen=True)
class Checked:
    """What one call of `check` looked at: sequences, frames decoded, findings."""

    sequences: tuple[str, ...]
    frames: int
    findings: tuple[Finding, ...]

    @property
    def faults(self) -> int:
        """How many of the findings are faults."""
        return sum(one.fault for one in self.findings)

    def to_json(self) -> dict[str, Any]:
        """As plain lists and dicts, with the number of ``faults``."""
        return asdict(self) | {"faults": self.faults}


@dataclass(frozen=True)
class _Target:
    """A sequence that should be there; ``entry`` is None for one that is not OTB's."""

    name: str
    folder: str
    truth: str
    entry: Entry | None


def check(root: Path, spec: str | None = None, jobs: int | None = None) -> Checked:
    """Look at the sequences of a folder in OTB's layout.

    Args:
        root: the folder that holds the sequence folders.
        spec: names and lists as for `otb.names`; those that are not there are faults. By default all that are there,
            your own too.
        jobs: number of threads that decode frames, by default `prefetch.default_jobs`.

    Raises:
        InputError: there is no such folder, it is in another layout, a name is unknown, or there is no sequence in it.
    """
    if not root.is_dir():
        raise InputError(f"no folder {root}; give the folder that holds the sequence folders, such as OTB/ for OTB/Suv")
    folders: dict[str, list[_Target]] = {}  # two targets may share their frames
    for target in _targets(root, spec):
        folders.setdefault(target.folder, []).append(target)
    looks = [_Folder(root, targets) for targets in folders.values()]
    with ThreadPoolExecutor(jobs or prefetch.default_jobs(), "decode") as pool:
        for one in tqdm(looks, desc="check", unit="folder", leave=False, disable=None):
            one.look(pool)
    return Checked(
        tuple(target.name for targets in folders.values() for target in targets),
        sum(one.frames for one in looks),
        tuple(finding for one in looks for finding in one.findings),
    )


def _targets(root: Path, spec: str | None) -> Iterator[_Target]:
    folders = sorted(one.name for one in root.iterdir() if one.is_dir())
    lower = {one.lower() for one in folders}
    known = {entry.folder.lower() for entry in TABLE.values()}
    official = [name for name, entry in TABLE.items() if entry.folder.lower() in lower]
    own = [one for one in folders if one.lower() not in known and _looks_like_one(root / one)]
    if not official and (kind := other_benchmarks.recognise(root)) in other_benchmarks.LAYOUTS:
        raise InputError(f"{root} is in the layout of {kind}; check reads OTB's, NAME/img/0001.jpg and NAME/{TRUTH}")
    names = [*official, *own] if spec is None else []
    for word in filter(None, map(str.strip, (spec or "").split(","))):
        if word in own:
            names.append(word)
        else:
            names += official if word == AVAILABLE else LISTS[word] if word in LISTS else otb.names(word, None)
    if not names:
        raise InputError(f"no OTB sequence in {root}; give the folder that holds folders such as Suv with img in them")
    for name in dict.fromkeys(names):
        entry = TABLE.get(name)
        yield _Target(name, entry.folder if entry else name, entry.truth if entry else TRUTH, entry)


def _looks_like_one(folder: Path) -> bool:
    names = [one.name.lower() for one in folder.iterdir()]
    return any(one in ("img", folder.name.lower()) or one.startswith("groundtruth") for one in names)


class _Folder:
    """One sequence folder: after `look`, its findings, and the number of frames that were decoded."""

    def __init__(self, root: Path, targets: list[_Target]) -> None:
        self.root, self.targets = root, targets
        self.findings: list[Finding] = []
        self.frames = 0

    def look(self, pool: Executor) -> None:
        """Look at the folders' names, the annotations' lines, the frames, and the boxes on the frames."""
        name = self.targets[0].folder
        place = _find(self.root, name)
        if place is None:
            self._say(self.root / name, Remark("is not there", "fetch the sequence, or leave it out"))
            return
        self._expect_name(place, name)
        images = _find(place, "img")
        if images is None and (inner := _find(place, name)) and inner.is_dir():
            self._say(inner, Remark("lies one folder too deep", f"move what is in it up to {name}"))
            place, images = inner, _find(inner, "img")
        truths = {target: self._read(place, target) for target in self.targets}
        if images is None:
            mend = "move them there" if images_by_number(place)[0] else "fetch the sequence again"
            self._say(place, Remark("has no folder img for its frames", mend))
            return
        self._expect_name(images, "img")
        entries = [target.entry for target in self.targets if target.entry]
        rows = [len(boxes) for boxes in truths.values() if boxes is not None]
        if entries:
            first, last = min(one.first for one in entries), max(one.last for one in entries)
            frames = check_frames.look(images, first, last - first + 1, pool)
        else:
            frames = check_frames.look(images, None, max(rows, default=None), pool)
        self.frames = frames.decoded
        self._say(images, *frames.remarks)
        for target, boxes in truths.items():
            if boxes is not None and frames.size:
                self._say(place / target.truth, *annotations.on_frames(boxes, frames.size), name=target.name)

    def _read(self, place: Path, target: _Target) -> np.ndarray | None:
        """The boxes of an annotation file, where they can be read."""
        path = _find(place, target.truth)
        if path is None:
            like = sorted(one.name for one in place.iterdir() if one.name.lower().startswith("groundtruth"))
            mend = f"if {like[0]} is meant, rename it" if like and len(self.targets) == 1 else "fetch it again"
            self._say(place / target.truth, Remark("is not there", mend), name=target.name)
            return None
        self._expect_name(path, target.truth)
        try:
            boxes, remarks = annotations.read(read_bytes(path), target.name)
        except InputError:
            boxes, remarks = None, [Remark("cannot be read, or is far too large", "fetch it again")]
        self._say(path, *remarks, name=target.name)
        return boxes

    def _expect_name(self, path: Path, name: str) -> None:
        if path.name != name:
            self._say(path, Remark(f"should be named {name}", f"rename it to {name}"))

    def _say(self, path: Path, *remarks: Remark, name: str = "") -> None:
        where = path.relative_to(self.root).as_posix()
        self.findings += [Finding(name or self.targets[0].name, where, *one) for one in remarks]


def _find(folder: Path, name: str) -> Path | None:
    """The entry of this name, or else the first that differs in case alone."""
    names = sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []
    like = [one for one in names if one.lower() == name.lower()]
    return folder / (name if name in like else like[0]) if like else None
