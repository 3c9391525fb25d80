#!/usr/bin/env python3
"""Kill the commands of the recipe at random moments; typed again, they are to end as if nobody had.

> python -m benchmarks.kills --kills 50

Corpora, shards, a training, embeddings, two verifications and a report are killed with SIGKILL,
half of the times at a random second, half before a random change of a file, as the files that count
are put in place within moments. In half of the cases a second job of the same kind is started at
once or a little later, and killed too in half of these. All files that the command typed again
leaves are compared, byte by byte, with those of a run that nobody killed.

Authors
 * The TinyVoxCeleb authors 2026
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile as sf

from benchmarks.struck import Command, Moment

SMALL = [
    *("--channels", "[16,16,16,16,48]", "--attention_channels", "8", "--embedding_size", "16"),
    *("--audio_length_num_frames", "16000", "--crops_per_utterance", "1", "--batch_size", "16"),
    *("--ckpt_interval_steps", "3", "--num_workers", "1", "--epochs", "4", "--noprogressbar"),
    *("--average_checkpoints", "2"),
]
BUSY = "another training is at work there"
TRIES = 5  # to kill a command before it ends


def commands(folder: Path) -> Iterator[tuple[Command, int]]:
    """The commands in their order, each with the share of the kills that it gets.

    Each reads what those before it have left, so that is to be there when the next one is asked
    for.
    """
    people, synthetic, run = folder / "people", folder / "synthetic", folder / "run"
    _record_noise(people)
    corpus, shards = synthetic / "corpus", folder / "shards"
    made = ["-m", "local.corpora", "--corpus"]
    own, options = folder / "own", ["folder", "--data_folder", people, "--out", folder / "own"]
    yield Command("corpus: folder", [*made, *options], own), 6
    yield Command("corpus: synthetic", [*made, "synthetic", "--out", synthetic], synthetic), 4
    options = ["--in", corpus, "--meta", corpus / "tiny_meta.csv", "--out", shards]
    yield Command("shards", ["-m", "local.shards", *options], shards), 8
    lists = {split: corpus / f"{split}_trials.txt" for split in ("val", "dev")}
    options = ["--shard_folder", shards, "--output_folder", run, "--device", "cpu", *SMALL]
    options += [word for split in lists for word in (f"--{split}_trials_path", lists[split])]
    script = ["train_speaker_embeddings.py", "hparams/ecapa_tdnn.yaml"]
    yield Command("training", [*script, *options], run, refused=BUSY), 14
    options = [run, "--shards", shards / "train", "--out", run / "train.npz", "--device", "cpu"]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]
    yield Command("embeddings, two processes", [*launch, "local.embeddings", *options], run), 4
    shutil.rmtree(run / "embeddings")
    (run / "train.npz").unlink()
    yield verification("verification: cosine", run, shards, lists, "scores.txt"), 4
    options = ["--scoring", "as_norm", "--top_n", "10"]
    yield verification("verification: as-norm", run, shards, lists, "as_norm.txt", *options), 5
    yield Command("report", ["-m", "local.report", run, "--out", run / "report.html"], run), 5


def verification(name, run, shards, lists, score_file, *options) -> Command:
    """Scoring of val and dev trials, calibrated on the latter."""
    named = [",".join(map(str, paths)) for paths in ([shards / s for s in lists], lists.values())]
    options = ["--shards_dirs_to_evaluate", named[0], "--trial_lists", named[1], *options]
    options += ["--checkpoint", run, "--score_file", run / score_file, "--device", "cpu"]
    options += ["--calibration_trials", lists["dev"]]
    return Command(name, ["speaker_verification.py", "hparams/verification.yaml", *options], run)


def _record_noise(folder):
    rng = np.random.default_rng(0)
    for speaker in range(8):
        for session in range(4):
            for number in range(2):
                path = folder / f"p{speaker}/s{session}/{number}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                sf.write(path, 0.1 * rng.standard_normal(22050), 22050)


class Kills:
    """Kills of one command, counted, and the faults that they have brought to light."""

    def __init__(self, command: Command, rng: random.Random):
        self.command, self.rng = command, rng
        self.counts, self.faults = Counter(), []
        command.reset()
        self.changes, self.seconds = command.measure()
        self.expected = command.left()

    def kill(self, share: float, second: bool) -> None:
        """Kill it at about that share of its way, with a second job beside it or without."""
        for _ in range(TRIES):
            moments = [self._moment(share)]
            if second:
                moments.append(self._moment(self.rng.random()) if self.rng.random() < 0.5 else None)
            delays = [0.0, self.rng.choice([0.0, self.rng.random() * self.seconds])][: 1 + second]
            self.command.reset()
            with ThreadPoolExecutor() as threads:
                jobs = list(threads.map(self.command.run, moments, delays))
            while not second and self.rng.random() < 0.5:  # and once more on its way
                moments.append(self._moment(self.rng.random()))
                delays.append(0.0)
                jobs.append(self.command.run(moments[-1]))
            self._take_down(moments, delays, jobs, second)
            if any(job.code == -9 for job in jobs):
                return
            share *= 0.9  # it was faster, or the other one has done the work

    def _moment(self, share):
        if self.rng.random() < 0.5 and self.changes > 1:  # torchrun leaves them to its processes
            return Moment(change=max(1, round(share * self.changes)))
        return Moment(seconds=share * self.seconds)

    def _take_down(self, moments, delays, jobs, second):
        how = "; ".join(
            f"{moment} from {delay:.1f} s: {job.code} after {job.seconds:.1f} s"
            for moment, delay, job in zip(moments, delays, jobs, strict=True)
        )
        killed = [moment for moment, job in zip(moments, jobs, strict=True) if job.code == -9]
        by_change = sum(moment.change > 0 for moment in killed)
        self.counts["cases"] += bool(killed)
        self.counts["two jobs"] += bool(killed and second)
        self.counts["kills"] += len(killed)
        self.counts["by the clock"] += len(killed) - by_change
        self.counts["before a change"] += by_change
        for job in jobs:
            refused = self.command.refused and job.code == 1 and self.command.refused in job.said
            self.counts["refused"] += bool(refused)
            if job.code not in (0, -9) and not refused:
                self.faults.append(f"{how}; said\n{job.said[-2000:]}")
        again = self.command.run()
        if again.code:
            self.faults.append(f"{how}; typed again: exit code {again.code}\n{again.said[-2000:]}")
        self._compare(how)

    def _compare(self, how):
        left = self.command.left()
        names = sorted(self.expected.keys() | left.keys())
        differ = [name for name in names if self.expected.get(name) != left.get(name)]
        if differ:
            told = ", ".join(f"{_kind(name, self.expected, left)} {name}" for name in differ[:8])
            self.faults.append(f"{how}; {len(differ)} files differ: {told}")

    def row(self) -> str:
        """A row of the table."""
        numbers = [self.counts[key] for key in COLUMNS]
        cells = [self.command.name, f"{self.seconds:.1f}", self.changes, *numbers, len(self.faults)]
        return f"| {' | '.join(map(str, cells))} |"


COLUMNS = ("cases", "two jobs", "kills", "by the clock", "before a change", "refused")
HEAD = ("command", "s", "changes", *COLUMNS, "faults")


def _kind(name, expected, left):
    if name not in left:
        return "missing"
    return "other" if name in expected else "foreign"


def kill_and_compare(command: Command, number: int, rng: random.Random) -> Kills:
    """Kill a command in so many cases, which are spread over its length, and its end once more."""
    kills = Kills(command, rng)
    for case in range(number):
        last = case == number - 1
        share = rng.uniform(0.9, 1) if last else (case + rng.random()) / max(1, number - 1)
        kills.kill(share, second=case % 2 == 0)
    return kills


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="cases, shared by the commands")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--only", nargs="+", help="commands whose name begins so")
    args = parser.parse_args()
    folder, rng, faults = Path(tempfile.mkdtemp(prefix="kills")), random.Random(args.seed), []
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}", flush=True)
    for command, share in commands(folder):
        if command.folder.exists():
            command.before = folder / f"before {command.name}"
            shutil.copytree(command.folder, command.before, symlinks=True)
        if args.only and not command.name.startswith(tuple(args.only)):
            command.run()
            continue
        kills = kill_and_compare(command, round(share * args.kills / 50), rng)
        print(kills.row(), flush=True)
        faults += [f"{command.name}: {fault}" for fault in kills.faults]
        if kills.faults:
            command.reset()
            command.run()
    print(*faults, sep="\n\n")
    if faults:
        sys.exit(f"{len(faults)} faults")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
