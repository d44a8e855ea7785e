"""Small disks for single folders, which Linux lets a user mount after `unshare`."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

INSIDE = "TRACKING_ENV_SOAK_INSIDE"  # set in a process that may mount disks


def run_with_mounts(module: str) -> int | None:
    """Run this program again in a process that may mount disks.

    Args:
        module: name of this program's module; its flags are those of this process.

    Returns:
        The program's exit code; None if this process may mount disks already, or if no process may.
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
    """Mount a disk of this size on a folder while the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def used_kilobytes(folder: Path) -> int:
    """The disk space that a folder takes."""
    return int(subprocess.run(["du", "-sk", folder], capture_output=True, text=True).stdout.split()[0])
