"""``tracking-env download``: download the weights of extractors and trackers."""

import json
from pathlib import Path
from typing import Annotated

import tyro

from tracking_env.commands import Json
from tracking_env.errors import InputError
from tracking_env.features import download
from tracking_env.features.model_zoo import NETWORKS, TRACKERS, File
from tracking_env.files import cache_folder
from tracking_env.terminal import print_result


def download_weights(
    names: tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="[NAME ...]")]] = (),
    out: Path | None = None,
    as_json: Json = False,
) -> int:
    """Download the weights of extractors and trackers, or resume a download. Without names, list both.

    Example: tracking-env download yolo-nano-voc

    Args:
        names: names of extractors, such as yolo-nano-voc, and of trackers, such as nanotrack-v3.
        out: folder for the files. By default the one where extractors and trackers look for them.
        as_json: print JSON instead of text.
    """
    published = _published_files()
    for name in names:
        if name not in published:
            raise InputError(f"no weights are published for {name!r}; choose from {', '.join(published)}")
    if not names:
        _print_list(as_json)
        return 0
    folder = out or cache_folder() / "weights"
    paths = []
    for name in names:
        for file in published[name]:
            paths.append(str(download.fetch(file, folder)))
            if not as_json:  # A download takes long, so each path is printed when its file is there.
                print_result(paths[-1])
    if as_json:
        print_result(json.dumps(paths, indent=1))
    return 0


def _published_files() -> dict[str, tuple[File, ...]]:
    """The files of each extractor and each tracker."""
    return {name: network.files for name, network in NETWORKS.items()} | TRACKERS


def _print_list(as_json: bool) -> None:
    rows = [(name, file) for name, files in _published_files().items() for file in files]
    if as_json:
        entries = []
        for name, file in rows:
            user = "tracker" if name in TRACKERS else "extractor"
            entries.append({user: name, "file": file.name, "bytes": file.size})
        print_result(json.dumps(entries, indent=1))
        return
    width = max(len(name) for name, _ in rows)
    for name, file in rows:
        size = f"{file.size / 1e6:,.1f} MB" if file.size else "?"
        print_result(f"{name:<{width}}  {size:>10}  {file.name}")
