"""A Python environment that has a few packages only, and wheels of others, made from what is installed here."""

import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path


def make_environment(folder: Path, packages: tuple[str, ...]) -> Path:
    """Make a virtual environment with links to packages and to what they need; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in _with_needs(packages):
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(distribution.locate_file(top))
    return folder / "bin" / "python"


def make_wheel(name: str, folder: Path) -> None:
    """Pack an installed package as a wheel."""
    distribution = metadata.distribution(name)
    with zipfile.ZipFile(folder / f"{name.replace('-', '_')}-{distribution.version}-py3-none-any.whl", "w") as wheel:
        for file in distribution.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                wheel.write(str(file.locate()), str(file))


def _with_needs(packages: tuple[str, ...]) -> set[str]:
    """The packages and all that they require, as far as it is installed."""
    names: set[str] = set()
    queue = list(packages)
    while queue:
        name = queue.pop()
        if name in names:
            continue
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        names.add(name)
        for requirement in requires:
            if "extra ==" not in requirement:
                queue.append(re.split(r"[^\w.-]", requirement)[0])
    return names
