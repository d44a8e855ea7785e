"""Checking a folder of OTB sequences: all problems and their fixes, in one pass that decodes every frame.

A *fault* is something that the library refuses, or would read as something else than was meant. A *note* is something
that it copes with: OTB's own files come from several sources, and some folders have more images than are evaluated.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tracking_env.datasets import layouts, otb, prefetch
from tracking_env.datasets.images import images_by_number
from tracking_env.datasets.otb import AVAILABLE, LISTS, TABLE, TRUTH, Entry
from tracking_env.datasets.validation.annotations import check_boxes, check_text
from tracking_env.datasets.validation.findings import Finding, Remark
from tracking_env.datasets.validation.frames import check_frames
from tracking_env.errors import InputError
from tracking_env.files import list_folder, read_table


@dataclass(frozen=True)
class Checked:
    """The result of `check`.

    Attributes:
        sequences: names of the sequences.
        frames: number of decoded frames.
        findings: the faults and notes, in the order of the sequences.
    """

    sequences: tuple[str, ...]
    frames: int
    findings: tuple[Finding, ...]

    @property
    def faults(self) -> int:
        """How many of the findings are faults."""
        return sum(finding.fault for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The result as plain lists and dicts, with the number of ``faults``."""
        return asdict(self) | {"faults": self.faults}


@dataclass(frozen=True)
class _Target:
    """A sequence that should be there; ``entry`` is None for one that is not OTB's."""

    name: str
    folder: str
    truth: str
    entry: Entry | None


def check(root: Path, spec: str | None = None, jobs: int | None = None) -> Checked:
    """Check the sequences of a folder in OTB's layout.

    Args:
        root: the folder that holds the sequence folders.
        spec: names and lists as for `otb.resolve_names`; sequences that are not in the root are faults. By default all
            sequences in the root, your own too.
        jobs: number of threads that decode frames; by default `prefetch.default_jobs`.

    Raises:
        InputError: the folder does not exist, is in another layout or holds no sequence, or a name is unknown.
    """
    if not root.is_dir():
        raise InputError(f"no folder {root}; give the folder that holds the sequence folders, such as OTB/ for OTB/Suv")
    by_folder: dict[str, list[_Target]] = {}  # two targets may share a folder and its frames
    for target in _find_targets(root, spec):
        by_folder.setdefault(target.folder, []).append(target)
    checks = [_FolderCheck(root, targets) for targets in by_folder.values()]
    with ThreadPoolExecutor(jobs or prefetch.default_jobs(), "decode") as pool:
        for folder_check in tqdm(checks, desc="check", unit="folder", leave=False, disable=None):
            folder_check.run(pool)
    return Checked(
        tuple(target.name for targets in by_folder.values() for target in targets),
        sum(folder_check.frames for folder_check in checks),
        tuple(finding for folder_check in checks for finding in folder_check.findings),
    )


def _find_targets(root: Path, spec: str | None) -> Iterator[_Target]:
    folders = [path.name for path in list_folder(root) if path.is_dir()]
    # Names that differ in case alone count as the same: that is one of the faults to report.
    lower = {name.lower() for name in folders}
    official_folders = {entry.folder.lower() for entry in TABLE.values()}
    official = [name for name, entry in TABLE.items() if entry.folder.lower() in lower]
    own = [name for name in folders if name.lower() not in official_folders and _resembles_sequence(root / name)]
    layout = None if official else layouts.detect_layout(root)
    if layout in layouts.LAYOUTS:
        raise InputError(f"{root} is in the layout of {layout}; check reads OTB's, NAME/img/0001.jpg and NAME/{TRUTH}")
    names = [*official, *own] if spec is None else []
    for word in filter(None, map(str.strip, (spec or "").split(","))):
        if word in own:
            names.append(word)
        elif word == AVAILABLE:
            names += official
        else:
            # Also those that are not in the root: to report them is what this is for.
            names += LISTS[word] if word in LISTS else otb.resolve_names(word, None)
    if not names:
        raise InputError(f"no OTB sequence in {root}; give the folder that holds folders such as Suv with img in them")
    for name in dict.fromkeys(names):
        entry = TABLE.get(name)
        yield _Target(name, entry.folder if entry else name, entry.truth if entry else TRUTH, entry)


def _resembles_sequence(folder: Path) -> bool:
    """Whether a folder is meant to be a sequence, be it complete or not."""
    names = [path.name.lower() for path in list_folder(folder)]
    return any(name in ("img", folder.name.lower()) or name.startswith("groundtruth") for name in names)


class _FolderCheck:
    """The check of one sequence folder. After `run` it has the findings and the number of decoded frames."""

    def __init__(self, root: Path, targets: list[_Target]) -> None:
        self.root, self.targets = root, targets
        self.findings: list[Finding] = []
        self.frames = 0

    def run(self, pool: Executor) -> None:
        """Check the names of folders, the lines of the annotations, the frames, and the boxes on the frames."""
        name = self.targets[0].folder
        folder = _find(self.root, name)
        if folder is None:
            self._add(self.root / name, Remark("is not there", "fetch the sequence, or leave it out"))
            return
        self._expect_name(folder, name)
        images = _find(folder, "img")
        inner = _find(folder, name) if images is None else None
        # Archives that hold a folder of their own name unpack to Suv/Suv/img.
        if inner and inner.is_dir():
            self._add(inner, Remark("lies one folder too deep", f"move what is in it up to {name}"))
            folder, images = inner, _find(inner, "img")
        truths = {target: self._read_truth(folder, target) for target in self.targets}
        if images is None:
            fix = "move them there" if images_by_number(folder)[0] else "fetch the sequence again"
            self._add(folder, Remark("has no folder img for its frames", fix))
            return
        self._expect_name(images, "img")
        first, count = self._expected_frames(truths)
        frames = check_frames(images, first, count, pool)
        self.frames = frames.decoded
        self._add(images, *frames.remarks)
        for target, boxes in truths.items():
            if boxes is not None and frames.size:
                self._add(folder / target.truth, *check_boxes(boxes, frames.size), name=target.name)

    def _expected_frames(self, truths: dict[_Target, np.ndarray | None]) -> tuple[int | None, int | None]:
        """Number of the first frame, and how many frames there should be; None where that is not known."""
        entries = [target.entry for target in self.targets if target.entry]
        if entries:
            # Targets that share a folder may use different images: all of them must be there.
            first, last = min(entry.first for entry in entries), max(entry.last for entry in entries)
            return first, last - first + 1
        return None, max((len(boxes) for boxes in truths.values() if boxes is not None), default=None)

    def _read_truth(self, folder: Path, target: _Target) -> np.ndarray | None:
        """The boxes of an annotation file, or None if it cannot be read."""
        path = _find(folder, target.truth)
        if path is None:
            similar = [path.name for path in list_folder(folder) if path.name.lower().startswith("groundtruth")]
            # In a folder of two targets, a similar name may be the other target's file.
            fix = f"if {similar[0]} is meant, rename it" if similar and len(self.targets) == 1 else "fetch it again"
            self._add(folder / target.truth, Remark("is not there", fix), name=target.name)
            return None
        self._expect_name(path, target.truth)
        try:
            boxes, remarks = check_text(read_table(path), target.name)
        except InputError:
            boxes, remarks = None, [Remark("cannot be read, or is far too large", "fetch it again")]
        self._add(path, *remarks, name=target.name)
        return boxes

    def _expect_name(self, path: Path, name: str) -> None:
        if path.name != name:
            self._add(path, Remark(f"should be named {name}", f"rename it to {name}"))

    def _add(self, path: Path, *remarks: Remark, name: str = "") -> None:
        relative = path.relative_to(self.root).as_posix()
        self.findings += [Finding(name or self.targets[0].name, relative, *remark) for remark in remarks]


def _find(folder: Path, name: str) -> Path | None:
    """The entry of this name, or else the first whose name differs in case alone."""
    names = [path.name for path in list_folder(folder)]
    similar = [candidate for candidate in names if candidate.lower() == name.lower()]
    if not similar:
        return None
    return folder / (name if name in similar else similar[0])
