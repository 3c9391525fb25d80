"""What it costs to list, shuffle, write and index the shards of as many files as VoxCeleb has.

The files hold 10 ms of noise, so what is measured is what each file costs beside its audio. The
memory is that of all processes of a step together, at the most.
"""

import contextlib
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import RECIPE
from benchmarks.usage import memory
from local.corpora.utterance_list import write_utterances
from local.metadata import write_meta

SPEAKERS = 7205  # of VoxCeleb1 and 2 without the test set of the first
SESSIONS = 20  # of a speaker
SAMPLES = 160  # of a file
INTERVAL = 0.3  # s between two looks at the memory
GIB = 1 << 30


def make_corpus(folder: Path, files: int, speakers: int = SPEAKERS) -> Path:
    """Write a corpus of many tiny files, with a list in place of folders of splits, and its table.

    Its audio is below `folder`/wav, the corpus in `folder`/corpus, which is returned.
    """
    header = _header()
    names = [f"id{number:05d}" for number in range(speakers)]
    noise = np.random.default_rng(0).integers(-9000, 9000, (files, SAMPLES), dtype=np.int16)
    corpus, listed = folder / "corpus", []
    for number in range(files):
        speaker, place = names[number % speakers], number // speakers
        session = f"{speaker}/{place % SESSIONS:011d}"
        path = folder / "wav" / session / f"{place:05d}.wav"
        if place < SESSIONS:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(header + noise[number].tobytes())
        listed.append((f"{session}/{place:05d}", str(path)))
    corpus.mkdir(exist_ok=True)
    write_utterances(corpus, {"train": listed})
    write_meta(corpus, train_speakers=names, dev_speakers=[])
    return corpus


def _header():
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(2 * SAMPLES))
    return buffer.getvalue()[: -2 * SAMPLES]


class Watched(NamedTuple):
    """What a command took: seconds, those of processors, and bytes of its processes at the most."""

    seconds: float
    cpu: float
    memory: int


def watch(*arguments: str | Path) -> Watched:
    """Run a command of the recipe, and watch it."""
    start, before, most = time.perf_counter(), cpu_of_children(), 0
    command = [sys.executable, *map(str, arguments)]
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, cwd=RECIPE, stdout=said, stderr=said) as process:
            while process.poll() is None:
                with contextlib.suppress(OSError):  # one of them has ended meanwhile
                    most = max(most, memory(process.pid))
                time.sleep(INTERVAL)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)}: {said.read().decode()[-2000:]}")
    return Watched(time.perf_counter() - start, cpu_of_children() - before, most)


def cpu_of_children() -> float:
    """Seconds of processors that processes have taken which this one has started and that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


INDEX = """
import sys
from local.shards import index_shards
print(len(index_shards(sys.argv[1], sys.argv[2])))
"""


def measure(folder: Path, files: int = 110_000) -> list[str]:
    """The lines of a table: time and memory of each step, for so many files."""
    corpus, shards = make_corpus(folder, files), folder / "shards"
    write = ["-m", "local.shards", "--in", corpus, "--meta", corpus / "tiny_meta.csv"]
    steps = {
        "write shards": [*write, "--out", shards],
        "the same again: nothing is to be done": [*write, "--out", shards],
        "index": ["-c", INDEX, shards / "train", folder / "train.npz"],
        "index again, from its file": ["-c", INDEX, shards / "train", folder / "train.npz"],
        "compare all audio with its digests (--check)": ["-m", "local.shards", "--check", shards],
    }
    lines = [
        f"{files:,} files of {SPEAKERS:,} speakers; {os.cpu_count()} cores",
        "| step | s | CPU s | CPU µs a file | GiB at the most |",
        "|---|---|---|---|---|",
    ]
    for name, arguments in steps.items():
        found = watch(*arguments)
        cells = f"{found.seconds:.1f} | {found.cpu:.1f} | {found.cpu / files * 1e6:.0f}"
        lines.append(f"| {name} | {cells} | {found.memory / GIB:.2f} |")
    return lines
