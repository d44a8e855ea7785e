"""``tracking-env download``: download the weights of extractors."""

import json
from pathlib import Path
from typing import Annotated

import tyro

from tracking_env.commands import Json
from tracking_env.errors import InputError
from tracking_env.features import download
from tracking_env.features.model_zoo import NETWORKS
from tracking_env.files import cache_folder


def download_weights(
    names: tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="[NAME ...]")]] = (),
    out: Path | None = None,
    as_json: Json = False,
) -> int:
    """Download the weights of extractors, or resume a download. Without names, list the extractors.

    Example: tracking-env download yolo-nano-voc

    Args:
        names: names of extractors, such as yolo-nano-voc or yolov1-small.
        out: folder for the files. By default the one where extractors look for them.
        as_json: print JSON instead of text.
    """
    for name in names:
        if name not in NETWORKS:
            raise InputError(f"no weights are published for {name!r}; choose from {', '.join(NETWORKS)}")
    if not names:
        _print_list(as_json)
        return 0
    folder = out or cache_folder() / "weights"
    paths = []
    for name in names:
        for file in NETWORKS[name].files:
            paths.append(str(download.fetch(file, folder)))
            if not as_json:
                print(paths[-1])
    if as_json:
        print(json.dumps(paths, indent=1))
    return 0


def _print_list(as_json: bool) -> None:
    rows = [(name, file) for name, network in NETWORKS.items() for file in network.files]
    if as_json:
        entries = [{"extractor": name, "file": file.name, "bytes": file.size} for name, file in rows]
        print(json.dumps(entries, indent=1))
        return
    width = max(map(len, NETWORKS))
    for name, file in rows:
        size = f"{file.size / 1e6:,.1f} MB" if file.size else "?"
        print(f"{name:<{width}}  {size:>10}  {file.name}")
