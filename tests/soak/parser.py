"""A reader of files from outside, and where it is given damaged ones."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Parser:
    """A reader of one kind of file.

    Attributes:
        file: the damaged file's path in the folder that ``read`` is given.
        seeds: good contents.
        read: reads the folder; raises `InputError` of what it cannot use, and nothing else.
        prepare: what else must be in the folder.
    """

    file: str
    seeds: tuple[bytes, ...]
    read: Callable[[Path], Any]
    prepare: Callable[[Path], Any] = lambda folder: None


def each(what: str, files: Mapping[str, bytes], read: Callable[[Path], Any]) -> dict[str, Parser]:
    """A parser for each file of a folder, in which the others are good."""

    def prepare(folder: Path) -> None:
        for name, content in files.items():
            (folder / name).write_bytes(content)

    return {f"{what}, {name}": Parser(name, (content,), read, prepare) for name, content in sorted(files.items())}


class Workplace:
    """A folder for one parser, made anew for every reading."""

    def __init__(self, parser: Parser, folder: Path) -> None:
        self.parser, self.folder = parser, folder

    def read(self, content: bytes) -> None:
        """Put the content in its place, and read."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.parser.prepare(self.folder)
        path = self.folder / self.parser.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.parser.read(self.folder)
