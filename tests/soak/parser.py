"""A reader of files from outside, and the folder in which it reads damaged files."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Parser:
    """A reader of one kind of file.

    Attributes:
        file: path of the damaged file in the folder that ``read`` gets.
        seeds: contents of good files.
        read: reads the folder; raises `InputError`, and nothing else, if it cannot use the file.
        prepare: writes the other files that the folder needs.
    """

    file: str
    seeds: tuple[bytes, ...]
    read: Callable[[Path], Any]
    prepare: Callable[[Path], Any] = lambda folder: None


def make_parsers(kind: str, files: Mapping[str, bytes], read: Callable[[Path], Any]) -> dict[str, Parser]:
    """One parser for each file of a folder. The other files of the folder are good.

    Args:
        kind: the start of the names of the parsers.
        files: contents of good files by name.
        read: reads the folder.
    """

    def prepare(folder: Path) -> None:
        for name, content in files.items():
            (folder / name).write_bytes(content)

    return {f"{kind}, {name}": Parser(name, (content,), read, prepare) for name, content in sorted(files.items())}


class ParserFolder:
    """A folder for one parser, created again for every reading."""

    def __init__(self, parser: Parser, folder: Path) -> None:
        self.parser, self.folder = parser, folder

    def read(self, content: bytes) -> None:
        """Write the content into the parser's file, and read the folder."""
        self.read_file(lambda path: path.write_bytes(content))

    def read_file(self, make: Callable[[Path], Any]) -> None:
        """Make the parser's file in whatever way, such as a link to a device, and read the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.parser.prepare(self.folder)
        path = self.folder / self.parser.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        make(path)
        self.parser.read(self.folder)
