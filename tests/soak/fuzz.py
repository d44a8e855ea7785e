"""Damaged files for every reader: they raise `InputError` with one line, or read; nothing else, in bounded memory.

python -m tests.soak.fuzz --examples 1000                 # by hypothesis, each reader
python -m tests.soak.fuzz --seconds 60 --engine atheris   # guided by coverage; pip install atheris
"""

import json
import multiprocessing
import os
import re
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Literal

import tyro
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tracking_env.errors import InputError

HOSTILE = [0, -1, 2**31, 2**63, 10**40, 1.5, float("nan"), float("inf"), True, None, "", "x", [], {}, [[]], "1" * 5000]
TOKENS = [b"0", b"-1", b"1e400", b"nan", b"9" * 30, b"\0", b"\xff", b"=", b"[", b"\n", b",", b"[net]\n", b"PK\x03\x04"]
ALLOWED_MB = 300
"""Growth of a process that reads damaged files."""


@st.composite
def damaged(draw: Any, seeds: tuple[bytes, ...]) -> bytes:
    """A good file with some changes: bytes, tokens, numbers, values of its JSON; or cut off; or anything."""
    data = bytearray(draw(st.sampled_from(seeds)))
    kind = draw(st.sampled_from(["bytes", "tokens", "numbers", "json", "cut", "any"]))
    if kind == "any":
        return draw(st.binary(max_size=200))
    if kind == "json":
        start = 8 if len(data) > 8 and data[8:9] == b"{" else 0  # a safetensors file begins with its header's length
        end = data.find(b"}\n") + 1 if start == 0 and data.count(b"}\n") > 1 else len(data)
        end = start + int.from_bytes(data[:8], "little") if start else end
        try:
            tree = json.loads(bytes(data[start:end]))
        except ValueError:
            kind = "bytes"
        else:
            head = json.dumps(_changed(draw, tree)).encode()
            length = len(head).to_bytes(8, "little") if start else b""
            return length + head + bytes(data[end:])
    if kind == "numbers":
        found = list(re.finditer(rb"\d+", bytes(data)))
        if found:
            one = draw(st.sampled_from(found))
            data[one.start() : one.end()] = draw(st.sampled_from(TOKENS))
            return bytes(data)
        kind = "bytes"
    places = st.integers(0, max(len(data) - 1, 0))
    if kind == "cut":
        return bytes(data[: draw(places)])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(places)
        if kind == "tokens":
            data[at:at] = draw(st.sampled_from(TOKENS))
        else:
            data[at : at + 1] = bytes([draw(st.integers(0, 255))])
    return bytes(data)


def _changed(draw: Any, tree: Any) -> Any:
    """A tree of JSON with one value, anywhere in it, replaced, deleted or nested deeply."""
    if isinstance(tree, dict) and tree and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(tree)))
        if draw(st.integers(0, 9)) == 0:
            return {one: value for one, value in tree.items() if one != key}
        return tree | {key: _changed(draw, tree[key])}
    if isinstance(tree, list) and tree and draw(st.booleans()):
        at = draw(st.integers(0, len(tree) - 1))
        return [*tree[:at], _changed(draw, tree[at]), *tree[at + 1 :]]
    value = draw(st.sampled_from(HOSTILE))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 70, 500]))):
        value = [value]
    return value


def try_one(workplace: Any, content: bytes) -> bool:
    """Whether the content was read; False where it was refused with one line. All else is a failure of the reader."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            workplace.read(content)
        except InputError as error:
            assert "\n" not in str(error), f"more than one line: {error}"
            return False
        return True


def by_hypothesis(name: str, examples: int, folder: Path, replay: bool = False) -> dict[str, int]:
    """Give one reader so many damaged files; returns how many were tried and how many of them it could read."""
    from tests.soak.parser import Workplace
    from tests.soak.parsers import PARSERS

    workplace = Workplace(PARSERS[name], folder)
    counts = {"inputs": 0, "read": 0}

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=replay,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(damaged(PARSERS[name].seeds))
    def attempt(content: bytes) -> None:
        counts["inputs"] += 1
        counts["read"] += try_one(workplace, content)

    for seed in PARSERS[name].seeds:
        assert try_one(workplace, seed), f"{name}: a good file is refused"
    attempt()
    return counts


def by_atheris(name: str, seconds: float, folder: Path) -> None:
    """Fuzz one reader, guided by the coverage of this project's code; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["tracking_env", "agents", "train"]):
        from tests.soak.parser import Workplace
        from tests.soak.parsers import PARSERS
    corpus = folder / "corpus"
    corpus.mkdir()
    for at, seed in enumerate(PARSERS[name].seeds):
        (corpus / str(at)).write_bytes(seed)
    workplace = Workplace(PARSERS[name], folder / "work")
    flags = [f"-max_total_time={int(seconds)}", "-max_len=65536", "-print_final_stats=1", "-rss_limit_mb=4096"]
    atheris.Setup(["fuzz", *flags, f"-artifact_prefix={folder}/", str(corpus)], lambda data: try_one(workplace, data))
    atheris.Fuzz()


def _process(name: str, engine: str, amount: float, folder: str, queue: Any) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    place = Path(folder, re.sub(r"\W+", "-", name))
    place.mkdir()
    log = os.open(place / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1), os.dup2(log, 2)  # decoders have much to say of damaged files
    if engine == "atheris":
        by_atheris(name, amount, place)
    counts = by_hypothesis(name, int(amount), place / "work")
    queue.put(counts | {"grown_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10})


def main(
    examples: int = 1000,
    seconds: float = 60,
    engine: Literal["hypothesis", "atheris"] = "hypothesis",
    only: tuple[str, ...] = (),
) -> int:
    """Fuzz every reader, each in a process of its own; exit code 1 if one fails.

    Args:
        examples: by hypothesis, damaged files for each reader.
        seconds: by atheris, for each reader.
        engine: hypothesis, or atheris (pip install atheris; Linux).
        only: readers, by default all.
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # a fork of a process with torch's threads waits for them for ever
    from tests.soak.parsers import PARSERS

    failures, total = 0, 0
    print(f"{'reader':<32} {'inputs':>9} {'read':>8} {'crashes':>8} {'grown MB':>9} {'seconds':>8}")
    for name in only or PARSERS:
        with tempfile.TemporaryDirectory() as folder:
            # A fork has loaded everything already; atheris must see it being loaded.
            start = multiprocessing.get_context("spawn" if engine == "atheris" else "fork")
            queue, begun = start.Queue(), time.perf_counter()
            amount = seconds if engine == "atheris" else examples
            process = start.Process(target=_process, args=(name, engine, amount, folder, queue))
            process.start()
            process.join()
            log = next(Path(folder).glob("*/log")).read_text(errors="replace")
            if engine == "atheris":
                runs = re.findall(r"number_of_executed_units: *(\d+)", log)
                peak = re.findall(r"peak_rss_mb: *(\d+)", log)
                counts = {"inputs": int(runs[-1]) if runs else 0, "grown_mb": int(peak[-1]) if peak else 0}
            else:
                counts = queue.get() if process.exitcode == 0 else {}
            bad = process.exitcode != 0 or counts.get("grown_mb", 0) > (4096 if engine == "atheris" else ALLOWED_MB)
        failures, total = failures + bad, total + counts.get("inputs", 0)
        numbers = [counts.get(key, "-") for key in ("inputs", "read")]
        print(
            f"{name:<32} {numbers[0]:>9} {numbers[1]:>8} {int(bad):>8} {counts.get('grown_mb', '-'):>9} "
            f"{time.perf_counter() - begun:>8.1f}",
            flush=True,
        )
        if bad:
            print(log[-3000:], file=sys.stderr)
    print(f"{total} inputs, {failures} readers failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
