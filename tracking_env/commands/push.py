"""``tracking-env push``: publish a trained agent."""

import json
from pathlib import Path
from typing import Annotated

import tyro

from tracking_env.clients import hub
from tracking_env.commands import Json
from tracking_env.terminal import print_result
from tracking_env.trackers.checkpoint import find


def push_checkpoint(
    checkpoint: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="CHECKPOINT")]],
    to: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="TO")]],
    private: bool = False,
    as_json: Json = False,
) -> int:
    """Publish a checkpoint with its model card on the Hugging Face Hub, or write both into a folder.

    --checkpoint hf://USER/REPO (or the folder) reads it again. Paths of this machine are removed from the files.

    Example: tracking-env push runs/small hf://USER/REPO

    Args:
        checkpoint: folder of a checkpoint, or of a training run, whose newest checkpoint is published.
        to: hf://USER/REPO, or a folder that does not exist yet.
        private: only you can see the repository, if it is new.
        as_json: print JSON instead of text.
    """
    folder = find(checkpoint)
    address = hub.push(folder, to, private)
    print_result(json.dumps({"checkpoint": str(folder), "pushed": address}, indent=1) if as_json else address)
    return 0
