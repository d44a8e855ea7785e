"""All readers of files from outside, with good files of each that a fuzzer can damage."""

from tests.soak import checkpoints, networks, published, runs, sequences, tables, videos
from tests.soak.parser import Parser

PARSERS: dict[str, Parser] = {}
for module in (sequences, tables, videos, networks, checkpoints, published, runs):
    PARSERS |= module.PARSERS
