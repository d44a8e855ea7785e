"""``tracking-env push``: a trained agent for others."""

import json
from pathlib import Path

import tyro

from tracking_env.clients import hub
from tracking_env.commands import Json
from tracking_env.trackers.checkpoint import find


def push_checkpoint(
    checkpoint: tyro.conf.Positional[Path], to: tyro.conf.Positional[str], private: bool = False, as_json: Json = False
) -> int:
    """Publish a checkpoint with its model card on the Hugging Face Hub, or write both into a folder.

    What is published is what --checkpoint hf://USER/REPO (or that folder) loads again. Paths of this machine are left
    out of its configuration.

    Example: tracking-env push runs/small hf://USER/REPO

    Args:
        checkpoint: folder of a run of train/reinforce.py, train/search.py or train/sb3.py, of which the newest
            checkpoint is taken, or of a checkpoint.
        to: hf://USER/REPO, or a folder that is not there yet.
        private: of a new repository: only you can see it.
        as_json: print JSON instead of a line.
    """
    folder = find(checkpoint)
    address = hub.push(folder, to, private)
    print(json.dumps({"checkpoint": str(folder), "pushed": address}, indent=1) if as_json else address)
    return 0
