"""Checkpoints on the Hugging Face Hub: ``hf://USER/REPO``, or ``hf://USER/REPO@REVISION``; an extra: ``hub``."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tracking_env.clients import model_card
from tracking_env.errors import InputError
from tracking_env.files import whole
from tracking_env.trackers.checkpoint import EXPORT, POLICY, WEIGHTS

SCHEME = "hf://"


def local(address: str | None) -> Path | None:
    """The folder of a checkpoint that is given as a folder or as ``hf://USER/REPO``, which is downloaded once.

    Raises:
        InputError: the extra is not installed, or there is no such repository, or it cannot be reached.
    """
    if address is None or not address.startswith(SCHEME):
        return None if address is None else Path(address)
    repository, _, revision = address.removeprefix(SCHEME).partition("@")
    try:
        return Path(_library().snapshot_download(repository, revision=revision or None))
    except InputError:
        raise
    except Exception as error:  # of whichever HTTP library its version uses
        raise InputError(f"cannot fetch {address}: {_first_line(error)}; check the name and the network") from None


def push(checkpoint: Path, to: str, private: bool = False) -> str:
    """Publish a checkpoint with its model card: the files that make it, without paths of this machine.

    Args:
        checkpoint: folder with ``config.json`` and ``*.safetensors``, as a training script leaves it (see
            `model_card.KINDS`); the run's ``report.json`` two folders above is used where it is of this checkpoint.
        to: ``hf://USER/REPO``, or a folder that is not there yet.
        private: whether others may not see the repository, if it is new.

    Returns:
        Where it is: the folder, or the repository's address.

    Raises:
        InputError: the folder is there already, or the repository cannot be written to.
    """
    if not to.startswith(SCHEME):
        if Path(to).exists():
            raise InputError(f"{to} exists; give a folder that does not, or hf://USER/REPO")
        with whole(Path(to)) as partial:
            _prepare(checkpoint, partial, "FOLDER")
        return to
    repository = to.removeprefix(SCHEME)
    with tempfile.TemporaryDirectory() as folder:
        _prepare(checkpoint, Path(folder), to)
        try:
            api = _library().HfApi()
            api.create_repo(repository, private=private, exist_ok=True)
            api.upload_folder(repo_id=repository, folder_path=folder, commit_message=f"checkpoint {checkpoint.name}")
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"cannot push to {to}: {_first_line(error)}; check the name, the network and your login (hf auth login)"
            ) from None
    return f"https://huggingface.co/{repository}"


def _prepare(checkpoint: Path, folder: Path, address: str) -> None:
    folder.mkdir(exist_ok=True)
    try:
        config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
        kind = model_card.kind(config)
        if kind is None:
            scripts = ", ".join(one.script for one in model_card.KINDS)
            raise InputError(f"{checkpoint} is no checkpoint of {scripts}, and of no other is there a model card")
        for file in (WEIGHTS, POLICY):
            if not (checkpoint / file).is_file():
                raise InputError(f"{checkpoint} has no {file}; type in a checkout: {EXPORT} {checkpoint}")
            shutil.copy(checkpoint / file, folder)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the checkpoint {checkpoint}: {_first_line(error)}") from None
    (folder / "config.json").write_text(json.dumps(_anonymous(config), indent=1), encoding="utf-8")
    report = _report(checkpoint.resolve().parents[1] / "report.json", kind, config)
    (folder / "README.md").write_text(model_card.render(kind, config, report, address), encoding="utf-8")


def _anonymous(config: dict[str, Any]) -> dict[str, Any]:
    """Without paths of this machine; ``random`` weights are none."""
    run = dict(config.get("run", {}))
    data = dict(run.get("data", {}))
    for name in ("root", "store", "weights"):
        if data.get(name) not in (None, "random"):
            data[name] = None
    return config | {"run": run | {"data": data} | {name: None for name in ("out", "start") if name in run}}


def _report(path: Path, kind: model_card.Kind, config: dict[str, Any]) -> dict[str, Any] | None:
    """The run's report, where it is of this checkpoint."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    same = isinstance(report, dict) and report.get(kind.reported) == config[kind.done]
    return report if same and report.get("extractor") == config[kind.extractor] else None


def _library() -> Any:
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise InputError(f"{SCHEME} needs {error.name}; type: pip install 'tracking-env[hub]'") from None
    return huggingface_hub


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
