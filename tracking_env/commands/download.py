"""``tracking-env download``: weights of extractors."""

import json
from pathlib import Path

import tyro

from tracking_env.commands import Json
from tracking_env.errors import InputError
from tracking_env.features import download
from tracking_env.features.model_zoo import NETWORKS
from tracking_env.files import cache_folder


def download_weights(
    names: tyro.conf.Positional[tuple[str, ...]] = (), out: Path | None = None, as_json: Json = False
) -> int:
    """Download the weights of extractors, or go on with a download that broke off; without names, list what there is.

    Example: tracking-env download yolo-nano-voc

    Args:
        names: extractors, such as yolo-nano-voc or yolov1-small.
        out: folder for the files; by default the one where extractors look for them.
        as_json: print JSON instead of lines: the files' paths, or what there is.
    """
    for name in names:
        if name not in NETWORKS:
            raise InputError(f"no weights are published for {name!r}; choose from {', '.join(NETWORKS)}")
    if names:
        paths = []
        for file in (file for name in names for file in NETWORKS[name].files):
            paths.append(str(download.fetch(file, out or cache_folder() / "weights")))
            if not as_json:
                print(paths[-1])
        if as_json:
            print(json.dumps(paths, indent=1))
        return 0
    files = [(name, file) for name, network in NETWORKS.items() for file in network.files]
    if as_json:
        print(
            json.dumps([{"extractor": name, "file": file.name, "bytes": file.size} for name, file in files], indent=1)
        )
        return 0
    width = max(map(len, NETWORKS))
    for name, file in files:
        size = f"{file.size / 1e6:,.1f} MB" if file.size else "?"
        print(f"{name:<{width}}  {size:>10}  {file.name}")
    return 0
