"""What it takes to choose a corpus from VoxCeleb, beside finding it."""

import contextlib
import os
import shutil
import statistics
from pathlib import Path

from benchmarks.measuring import in_process
from benchmarks.scale.tree import ROUNDS, UTTERANCES, build, find, timed


def measure(folder: Path, utterances: int = UTTERANCES, rounds: int = ROUNDS) -> list[str]:
    """Build a VoxCeleb of empty audio below a folder, find it, and make corpora of it.

    Returns the lines of a table. Each time is that of a new process, without imports; the peer is
    `find_voxceleb` alone, which each corpus begins with. Times and memory are medians.
    """
    place = Path(folder, "choice")
    in_process(build, place, utterances)
    asked = {"100 speakers": 100, "all speakers": None}
    lines = ["| corpus | utterances | finding, s | with the choice, s | ratio | MB |"]
    lines += ["|---|--:|--:|--:|--:|--:|"]
    rows = {name: [] for name in asked}
    for _ in range(rounds):
        found = in_process(find, place)[1]
        for name, speakers in asked.items():
            rows[name].append((found, *in_process(_make, place, Path(folder, "corpus"), speakers)))
    for name, measured in rows.items():
        found, _, whole, memory = map(statistics.median, zip(*measured, strict=True))
        lines.append(
            f"| {name} | {utterances:,} | {found:.2f} | {whole:.2f} | {whole / found:.2f} "
            f"| {memory / 1e6:.0f} |"
        )
    shutil.rmtree(place)
    return lines


def _make(place, corpus, speakers, pipe):
    from local.corpora.voxceleb.choice import Amounts
    from local.corpora.voxceleb.corpus import prepare_voxceleb
    from local.corpora.voxceleb.options import VoxCelebOptions

    def make():
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            prepare_voxceleb(place, corpus, options=VoxCelebOptions(Amounts(speakers)))
        return 0

    timed(make, pipe)
    shutil.rmtree(corpus)
