"""Give damaged files to every reader: it reads them or raises `InputError` with one line, in bounded memory.

python -m tests.soak.fuzz --examples 1000                 # random damage by hypothesis
python -m tests.soak.fuzz --seconds 60 --engine atheris   # damage guided by coverage; pip install atheris
"""

import json
import multiprocessing
import os
import re
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
"""Memory in MB by which a process that reads damaged files may grow."""
ALLOWED_SECONDS = 10
"""How long a reader may take for one damaged file, on a busy computer too."""


@st.composite
def damaged(draw: Any, seeds: tuple[bytes, ...]) -> bytes:
    """A good file with changed bytes, tokens, numbers or JSON values; or cut off; or random bytes."""
    data = bytearray(draw(st.sampled_from(seeds)))
    kind = draw(st.sampled_from(["bytes", "tokens", "numbers", "json", "cut", "any"]))
    if kind == "any":
        return draw(st.binary(max_size=200))
    if kind == "json":
        # A safetensors file begins with the length of its JSON header. A file of several JSON lines has one changed.
        start = 8 if len(data) > 8 and data[8:9] == b"{" else 0
        end = data.find(b"}\n") + 1 if start == 0 and data.count(b"}\n") > 1 else len(data)
        end = start + int.from_bytes(data[:8], "little") if start else end
        try:
            tree = json.loads(bytes(data[start:end]))
        except ValueError:
            kind = "bytes"
        else:
            header = json.dumps(_change_json(draw, tree)).encode()
            length = len(header).to_bytes(8, "little") if start else b""
            return length + header + bytes(data[end:])
    if kind == "numbers":
        numbers = list(re.finditer(rb"\d+", bytes(data)))
        if numbers:
            number = draw(st.sampled_from(numbers))
            data[number.start() : number.end()] = draw(st.sampled_from(TOKENS))
            return bytes(data)
        kind = "bytes"
    positions = st.integers(0, max(len(data) - 1, 0))
    if kind == "cut":
        return bytes(data[: draw(positions)])
    for _ in range(draw(st.integers(1, 4))):
        position = draw(positions)
        if kind == "tokens":
            data[position:position] = draw(st.sampled_from(TOKENS))
        else:
            data[position : position + 1] = bytes([draw(st.integers(0, 255))])
    return bytes(data)


def _change_json(draw: Any, tree: Any) -> Any:
    """JSON with one value, anywhere in it, replaced, deleted or nested deeply."""
    if isinstance(tree, dict) and tree and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(tree)))
        if draw(st.integers(0, 9)) == 0:
            return {name: value for name, value in tree.items() if name != key}
        return tree | {key: _change_json(draw, tree[key])}
    if isinstance(tree, list) and tree and draw(st.booleans()):
        index = draw(st.integers(0, len(tree) - 1))
        return [*tree[:index], _change_json(draw, tree[index]), *tree[index + 1 :]]
    value = draw(st.sampled_from(HOSTILE))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 70, 500]))):
        value = [value]
    return value


def try_read(folder: Any, content: bytes) -> bool:
    """Give one content to a reader.

    Args:
        folder: a `tests.soak.parser.ParserFolder`.
        content: of the parser's file.

    Returns:
        Whether the reader read it; False if it refused it with one line. Everything else, warnings too, is an error.
    """
    start_time = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            folder.read(content)
        except InputError as error:
            assert "\n" not in str(error), f"more than one line: {error}"
            return False
        finally:
            assert time.process_time() - start_time < ALLOWED_SECONDS, "it takes too long"
        return True


def fuzz_with_hypothesis(name: str, examples: int, folder: Path, replay: bool = False) -> dict[str, int]:
    """Give damaged files to one reader.

    Args:
        name: of the reader, see `tests.soak.parsers.PARSERS`.
        examples: number of files.
        folder: to work in.
        replay: damage the same files in every run.

    Returns:
        The number of inputs, and of those that could be read.
    """
    from tests.soak.parser import ParserFolder
    from tests.soak.parsers import PARSERS

    parser_folder = ParserFolder(PARSERS[name], folder)
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
        counts["read"] += try_read(parser_folder, content)

    for seed in PARSERS[name].seeds:
        assert try_read(parser_folder, seed), f"{name} refuses a good file"
    attempt()
    return counts


def fuzz_with_atheris(name: str, seconds: float, folder: Path) -> None:
    """Give damaged files to one reader, guided by the coverage of this project's code. Ends the process."""
    import atheris

    with atheris.instrument_imports(include=["tracking_env", "agents", "train"]):
        from tests.soak.parser import ParserFolder
        from tests.soak.parsers import PARSERS
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(PARSERS[name].seeds):
        (corpus / str(number)).write_bytes(seed)
    parser_folder = ParserFolder(PARSERS[name], folder / "work")
    flags = [f"-max_total_time={int(seconds)}", "-max_len=65536", "-print_final_stats=1", "-rss_limit_mb=4096"]
    command = ["fuzz", *flags, f"-artifact_prefix={folder}/", str(corpus)]
    atheris.Setup(command, lambda content: try_read(parser_folder, content))
    atheris.Fuzz()


def _fuzz_in_process(name: str, engine: str, amount: float, root: str, queue: Any) -> None:
    import resource  # POSIX alone has it; tests/test_hostile.py does without

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    folder = Path(root, re.sub(r"\W+", "-", name))
    folder.mkdir()
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1), os.dup2(log, 2)  # Decoders print many warnings about damaged files.
    if engine == "atheris":
        fuzz_with_atheris(name, amount, folder)
    counts = fuzz_with_hypothesis(name, int(amount), folder / "work")
    queue.put(counts | {"grown_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10})


def main(
    examples: int = 1000,
    seconds: float = 60,
    engine: Literal["hypothesis", "atheris"] = "hypothesis",
    only: tuple[str, ...] = (),
) -> int:
    """Give damaged files to every reader, each in its own process. The exit code is 1 if a reader fails.

    Args:
        examples: number of damaged files per reader, with hypothesis.
        seconds: duration per reader, with atheris.
        engine: hypothesis, or atheris (pip install atheris; Linux).
        only: names of readers. By default all.
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # A fork of a process with torch's threads would wait for them forever.
    os.environ["TRACKING_ENV_CACHE"] = tempfile.mkdtemp(prefix="tracking-env-fuzz-")  # for the lengths of videos
    from tests.soak.parsers import PARSERS

    failures, total = 0, 0
    print(f"{'reader':<40} {'inputs':>9} {'read':>8} {'crashes':>8} {'grown MB':>9} {'seconds':>8}")
    for name in only or PARSERS:
        with tempfile.TemporaryDirectory() as folder:
            # A fork has imported everything already. Atheris must instrument the imports, and so needs a new process.
            context = multiprocessing.get_context("spawn" if engine == "atheris" else "fork")
            queue, start_time = context.Queue(), time.perf_counter()
            amount = seconds if engine == "atheris" else examples
            process = context.Process(target=_fuzz_in_process, args=(name, engine, amount, folder, queue))
            process.start()
            process.join()
            log = next(Path(folder).glob("*/log")).read_text(errors="replace")
            if engine == "atheris":
                inputs = re.findall(r"number_of_executed_units: *(\d+)", log)
                peak = re.findall(r"peak_rss_mb: *(\d+)", log)
                counts = {"inputs": int(inputs[-1]) if inputs else 0, "grown_mb": int(peak[-1]) if peak else 0}
            else:
                counts = queue.get() if process.exitcode == 0 else {}
            failed = process.exitcode != 0 or counts.get("grown_mb", 0) > (4096 if engine == "atheris" else ALLOWED_MB)
        failures, total = failures + failed, total + counts.get("inputs", 0)
        inputs, read, grown = (counts.get(key, "-") for key in ("inputs", "read", "grown_mb"))
        elapsed = time.perf_counter() - start_time
        print(f"{name:<40} {inputs:>9} {read:>8} {int(failed):>8} {grown:>9} {elapsed:>8.1f}", flush=True)
        if failed:
            print(log[-3000:], file=sys.stderr)
    print(f"{total} inputs, {failures} readers failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
