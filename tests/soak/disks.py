"""Disks of a folder's own, of any size, which Linux's `unshare` lets a user mount."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

INSIDE = "TRACKING_ENV_SOAK_INSIDE"  # set where this process may mount disks


def mountable(module: str) -> int | None:
    """See that this process may mount disks; the exit code of another one that may, and has done all of the work.

    Args:
        module: what that other one runs, with this one's flags.
    """
    if INSIDE in os.environ:
        return None
    command = ["unshare", "--user", "--map-root-user", "--mount"]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], capture_output=True).returncode:
        return None
    inside = [*command, sys.executable, "-m", module, *sys.argv[1:]]
    return subprocess.run(inside, env=os.environ | {INSIDE: "1"}).returncode


@contextlib.contextmanager
def disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A disk of its own for a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def used(folder: Path) -> int:
    """Kilobytes that a folder takes."""
    return int(subprocess.run(["du", "-sk", folder], capture_output=True, text=True).stdout.split()[0])
