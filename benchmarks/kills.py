#!/usr/bin/env python3
"""Kill a training again and again at random moments, and compare what it ends with.

> python -m benchmarks.kills --kills 20

A run of a small ECAPA-TDNN is killed at moments between the start of the process and its end, half
the time with SIGKILL, else with a signal that lets it write a checkpoint, and started again each
time. Its final weights and train_log.csv are compared with those of a run that nobody killed.

Authors
 * The TinyVoxCeleb authors 2026
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import RECIPE
from benchmarks.corpus import make_corpus

GENTLE = (signal.SIGTERM, signal.SIGUSR1)
SMALL = [
    *("--channels", "[16,16,16,16,48]", "--attention_channels", "8", "--embedding_size", "16"),
    *("--audio_length_num_frames", "16000", "--crops_per_utterance", "1", "--batch_size", "16"),
    *("--ckpt_interval_steps", "3", "--device", "cpu", "--noprogressbar"),
]


class Training:
    """The command that is killed: a training on a Corpus, into a folder."""

    def __init__(self, corpus, folder, epochs):
        self.folder = folder
        self.command = [
            *(sys.executable, "train_speaker_embeddings.py", "hparams/ecapa_tdnn.yaml"),
            *(*corpus.options(), "--output_folder", str(folder)),
            *("--epochs", str(epochs), "--num_workers", "1", *SMALL),
        ]

    def run(self, kill_after=None, with_signal=signal.SIGKILL):
        """Start it, and kill it after some seconds, if it has not ended by then.

        Returns whether it was killed. An error of its own ends all.
        """
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen(
                self.command, cwd=RECIPE, env=environment, stdout=log, stderr=log
            )
            try:
                code = process.wait(kill_after)
            except subprocess.TimeoutExpired:
                process.send_signal(with_signal)
                code = process.wait()
            expected = {0, -with_signal, 128 + with_signal} if kill_after else {0}
            if code not in expected:
                log.seek(0)
                raise SystemExit(f"exit code {code} of {self.folder.name}:\n{log.read()[-3000:]}")
        return code != 0

    def result(self):
        """The content of the network's files and of train_log.csv, by name."""
        files = [*(self.folder / "inference").glob("*.ckpt"), self.folder / "train_log.csv"]
        return {path.name: path.read_bytes() for path in files}


def longest_delay(start, training, kills):
    """Seconds before a kill, at the most, so that about this many kills stop one run.

    A kill comes at a random moment up to `start` + x after the start; it lets the run progress by
    x^2 / 2 / (start + x) on average, which is to be training / kills.
    """
    progress = training / kills
    return start + progress + (progress**2 + 2 * start * progress) ** 0.5


def kill_and_compare(folder, kills, epochs, seed):
    """Kill a training many times; if it ends before, another one takes the kills that are left.

    Returns a line about it. A run that ends with other weights, or with an error, ends all.
    """
    rng = random.Random(seed)
    corpus = make_corpus(folder, train=240, val=24, seconds=2, speakers=6, shards=3, seed=seed)
    undisturbed = Training(corpus, folder / "undisturbed", epochs)
    begin = time.monotonic()
    undisturbed.run()
    whole = time.monotonic() - begin
    begin = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", "import train_speaker_embeddings"], cwd=RECIPE, check=True
    )
    start = time.monotonic() - begin
    expected = undisturbed.result()
    limit = longest_delay(start, max(whole - start, 0.1), kills)
    done, runs, by_signal = 0, 0, {}
    while done < kills:
        training = Training(corpus, folder / f"killed_{runs}", epochs)
        runs += 1
        while done < kills:
            number = rng.choice([signal.SIGKILL, signal.SIGKILL, *GENTLE])
            if not training.run(rng.uniform(0, limit), number):
                break  # it was faster
            done += 1
            by_signal[number.name] = by_signal.get(number.name, 0) + 1
        training.run()
        if training.result() != expected:
            raise SystemExit(f"{training.folder} ended otherwise than the run that nobody killed")
    counts = ", ".join(f"{count} {name}" for name, count in sorted(by_signal.items()))
    lines = len(expected["train_log.csv"].splitlines())
    return (
        f"{done} kills ({counts}) of {runs} run{'s' * (runs > 1)}, each in the end the same, bit "
        f"for bit, as one that nobody killed: {', '.join(sorted(expected))} ({lines} lines)"
    )


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=20, help="of the run")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kills"))
    print(kill_and_compare(folder, args.kills, args.epochs, args.seed))
    shutil.rmtree(folder)  # kept where it has failed


if __name__ == "__main__":
    main()
