"""Every reader of files from outside, with good files of each for a fuzzer to damage."""

from tests.soak import checkpoints, networks, runs, sequences, tables
from tests.soak.parser import Parser

PARSERS: dict[str, Parser] = {
    name: parser
    for module in (sequences, tables, networks, checkpoints, runs)
    for name, parser in module.PARSERS.items()
}
