"""Publish and download checkpoints on the Hugging Face Hub. Needs the extra ``hub``.

An address is ``hf://USER/REPO``, or ``hf://USER/REPO@REVISION``. Of a repository `FILES` are fetched and nothing else.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tracking_env.clients import model_card
from tracking_env.errors import InputError, MissingPackageError, first_line
from tracking_env.files import MOST_BYTES, read_json, write_atomically
from tracking_env.trackers import checkpoint as ck
from tracking_env.trackers import onnx_policy

SCHEME = "hf://"
FILES = {ck.CONFIG: MOST_BYTES, ck.WEIGHTS: 2 << 30, ck.POLICY: onnx_policy.MOST_BYTES}
"""What is fetched of a repository, with the most bytes of each file."""


def local(address: str | None) -> Path | None:
    """The path of a checkpoint on this machine. An address on the Hub is downloaded once.

    Args:
        address: a path or ``hf://USER/REPO``; None gives None.

    Raises:
        InputError: huggingface_hub is not installed, or the repository does not exist or cannot be reached.

    Example:
        >>> local("runs/small")
        PosixPath('runs/small')
    """
    if address is None or not address.startswith(SCHEME):
        return None if address is None else Path(address)
    repository, _, revision = address.removeprefix(SCHEME).partition("@")
    library, commit = _import_hub(), revision or None
    try:
        for name, most in FILES.items():
            file = library.hf_hub_download(repository, name, revision=commit, dry_run=True)
            if file.file_size is None or file.file_size > most:
                size = "an unknown number of" if file.file_size is None else file.file_size
                raise InputError(f"{name} of {address} has {size} bytes, the most are {most}; fetch it by hand")
            path = Path(library.hf_hub_download(repository, name, revision=commit))
            # The branch may move meanwhile: the other files are those of the same commit, which names the folder.
            commit = path.parent.name
    except InputError:
        raise
    except Exception as error:  # Versions of huggingface_hub use different HTTP libraries.
        raise InputError(f"cannot fetch {address}: {first_line(error)}; check the name and the network") from None
    return path.parent


def push(checkpoint: Path, to: str, private: bool = False) -> str:
    """Publish a checkpoint with its model card, without paths of this machine.

    Args:
        checkpoint: folder with ``config.json``, ``model.safetensors`` and ``policy.onnx``. The run's ``report.json``,
            two folders above, is added to the card if it is about this checkpoint.
        to: ``hf://USER/REPO``, or a folder that does not exist yet.
        private: create the repository as private, if it is new.

    Returns:
        The folder, or the repository's address.

    Raises:
        InputError: the folder is no checkpoint or a damaged one, the target folder exists, or the repository cannot be
            written to.

    Example:
        >>> push(Path("runs/small/checkpoints/000300"), "hf://USER/REPO")
        'https://huggingface.co/USER/REPO'
    """
    if not to.startswith(SCHEME):
        if Path(to).exists():
            raise InputError(f"{to} exists; give a folder that does not, or hf://USER/REPO")
        with write_atomically(Path(to)) as partial:
            _write_files(checkpoint, partial, "FOLDER")
        return to
    repository = to.removeprefix(SCHEME)
    # Copies are published: paths are removed from them, and the checkpoint stays as it is.
    with tempfile.TemporaryDirectory() as folder:
        _write_files(checkpoint, Path(folder), to)
        try:
            api = _import_hub().HfApi()
            api.create_repo(repository, private=private, exist_ok=True)
            api.upload_folder(repo_id=repository, folder_path=folder, commit_message=f"checkpoint {checkpoint.name}")
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"cannot push to {to}: {first_line(error)}; check the name, the network and your login (hf auth login)"
            ) from None
    return f"https://huggingface.co/{repository}"


def _write_files(path: Path, folder: Path, address: str) -> None:
    """Write the files to publish into a folder."""
    checkpoint = ck.read(path)
    card = model_card.ModelCard(checkpoint.kind, checkpoint.config, f"the checkpoint {checkpoint.path}")
    # Whatever does not run would be of no use to anybody.
    checkpoint.policy()
    folder.mkdir(exist_ok=True)
    try:
        # The policy is all that tracking needs; more training starts from the weights.
        for file in (ck.WEIGHTS, ck.POLICY):
            shutil.copy(checkpoint.path / file, folder)
    except OSError as error:
        raise InputError(f"cannot read the checkpoint {checkpoint.path}: {first_line(error)}") from None
    try:
        config = json.dumps(_without_paths(checkpoint.config), indent=1)
    except RecursionError:
        raise InputError(f"the checkpoint {checkpoint.path} is damaged: its config.json is nested too deeply") from None
    (folder / ck.CONFIG).write_text(config, encoding="utf-8")
    # A checkpoint lies in RUN/checkpoints/NUMBER, the report in RUN.
    report = _read_report(checkpoint.path.resolve().parent.parent / "report.json", card)
    (folder / "README.md").write_text(card.render(report, address), encoding="utf-8")


def _without_paths(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration without paths of this machine; weights may also be ``random``, which is no path."""
    run = dict(config.get("run", {}))
    data = dict(run.get("data", {}))
    for name in ("root", "store", "weights"):
        if data.get(name) not in (None, "random"):
            data[name] = None
    for name in ("out", "start"):
        if name in run:
            run[name] = None
    return config | {"run": run | {"data": data}}


def _read_report(path: Path, card: model_card.ModelCard) -> dict[str, Any] | None:
    """The run's report; None if there is none, or if it is damaged or about another checkpoint or extractor."""
    try:
        report = read_json(path)
    except InputError:
        return None
    return report if card.is_about(report) else None


def _import_hub() -> Any:
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise MissingPackageError(SCHEME, error, "hub") from None
    return huggingface_hub
