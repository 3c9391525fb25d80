#!/usr/bin/env python3
"""The shard pipeline beside others, on the same audio in one run.

> python -m benchmarks.pipeline

SpeechBrain's CSV of files, plain webdataset, the skeleton's TorchData design and ours read random
3 s crops of 8 s utterances, which are made on the spot; peers take turns, so that a busy machine is
busy for all, and ratios are medians over the rounds. Then the same from an http server, what an
index costs as shards grow, an epoch of the prototype, and a training step. It needs 3 GB of disk
for as long as it runs, about 15 minutes.

The skeleton's design takes: pip install --no-deps torchdata==0.9.0

Authors
 * The TinyVoxCeleb authors 2026
"""

import argparse
import os
import platform
import shutil
import statistics
import tempfile
from pathlib import Path

import torch

from benchmarks.corpus import make_corpus
from benchmarks.growth import growth
from benchmarks.measuring import PEERS, in_turns, ratio, running
from benchmarks.prototype_epoch import prototype_epochs
from benchmarks.slow_http import slow_server
from benchmarks.step_overhead import step_overhead

LOCAL = ["speechbrain", "webdataset", "torchdata", "indexed", "streamed"]
SERVED = ["http_files", "webdataset", "streamed", "cached"]
NAMED = {
    "indexed": ["speechbrain", "webdataset"],
    "streamed": ["webdataset", "http_files"],
    "cached": ["webdataset"],
}
LATENCY = 0.005  # s


def say(line=""):
    """Print at once."""
    print(line, flush=True)


def rates(peers, args, **options):
    """Print crops a second, alone and through the loader, and ours as multiples of the others'."""
    say(f"{'crops/s':28} {'1 process':>10} {f'{args.workers} workers':>10}")
    alone = in_turns(peers, "alone", args.repeats, **options)
    loaded = in_turns(peers, "through_loader", args.repeats, workers=args.workers, **options)
    for name in peers:
        medians = [statistics.median(found[name]) for found in (alone, loaded)]
        say(f"{PEERS[name][0]:28} {medians[0]:10,.0f} {medians[1]:10,.0f}")
    for name, others in NAMED.items():
        for other in others:
            if name in peers and other in peers:
                first = "{:.1f} x ({:.1f} to {:.1f})".format(*ratio(alone[name], alone[other]))
                second = "{:.1f} x ({:.1f} to {:.1f})".format(*ratio(loaded[name], loaded[other]))
                say(f"  {PEERS[name][0]} to {PEERS[other][0]}: {first}, with workers {second}")


def reading(corpus, args):
    """Crops from this machine's disk."""
    names = [name for name in LOCAL if name in args.peers]
    with running(names, corpus) as peers:
        rates(peers, args)
    say()
    say(
        f"{'an epoch':28} {'opens':>7} {'a file and':>11} {'asked':>9} {'from disk':>10}"
        f" {'crops/s,':>9} {'first batch,':>14} {'memory':>9}"
    )
    say(f"{'':28} {'':>7} {'process':>11} {'':>9} {'uncached':>10} {'uncached':>9} {'again':>14}")
    for name in names:
        with running([name], corpus) as peers:
            if name not in peers:
                continue
            corpus.csv.with_suffix(".npz").unlink(missing_ok=True)  # the index of the rounds above
            first, again = (peers[name]("first_batch", workers=args.workers) for _ in range(2))
            found = peers[name]("traffic", workers=args.workers, folder=corpus.folder.parent)
        say(
            f"{PEERS[name][0]:28} {found['opens']:7,} {found['process']:11}"
            f" {found['asked'] / 1e6:6,.0f} MB {found['disk'] / 1e6:7,.0f} MB"
            f" {found['cold']:9,.0f} {first:6.2f}, {again:4.2f} s {found['memory'] / 1e6:6,.0f} MB"
        )


def serving(corpus, args):
    """Crops from a server."""
    names = [name for name in SERVED if name in args.peers]
    with (
        slow_server(corpus.folder.parent, LATENCY) as base,
        running(names, corpus.served(base)) as peers,
    ):
        rates(peers, args, limit=args.served)


def growing(corpus, args):
    """The index of more and more utterances."""
    say(f"{'utterances':>10} {'index':>9} {'again':>9} {'kept':>8} {'at the most':>12}")
    for row in growth(corpus.folder.parent, args.growth):
        say(
            f"{row['utterances']:10,} {row['index']:7.2f} s {row['again']:7.2f} s"
            f" {row['memory'] / 1e6:5,.0f} MB {row['peak'] / 1e6:9,.0f} MB"
        )


def epochs(corpus, args):
    """An epoch of the prototype."""
    for line in prototype_epochs(corpus, args.workers, args.repeats):
        say(line)


def steps(corpus, args):
    """A training step."""
    say(step_overhead(corpus, args.steps, args.device, args.step_options))


PARTS = {
    "reading": ("Random 3 s crops of {files:,} utterances of {seconds:g} s", reading),
    "http": ("The same over http, each answer 5 ms late", serving),
    "growth": ("The index of utterances of 0.1 s", growing),
    "epoch": ("An epoch of the prototype, val EER over {val:,} utterances included", epochs),
    "step": ("The Brain", steps),
}


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="readers")
    parser.add_argument("--files", type=int, default=5000, help="training utterances")
    parser.add_argument("--val", type=int, default=1000, help="val utterances")
    parser.add_argument("--seconds", type=float, default=8, help="length of an utterance")
    parser.add_argument("--speakers", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5, help="rounds, one more to warm up")
    parser.add_argument("--served", type=int, default=1024, help="crops over http; 0: all")
    sizes = [1000, 10_000, 100_000]
    parser.add_argument("--growth", type=int, nargs="+", default=sizes, help="utterances")
    parser.add_argument("--steps", type=int, default=20, help="of training")
    parser.add_argument("--device", default="cpu", help="of the training steps")
    parser.add_argument("--folder", type=Path, help="where there are 3 GB for the audio")
    parser.add_argument("step_options", nargs="*", help="after --: of the training steps")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pipeline", dir=args.folder))
    try:
        made = {"train": args.files, "val": args.val, "seconds": args.seconds}
        corpus = make_corpus(folder, speakers=args.speakers, shards=8, **made)
        say(f"{os.cpu_count()} cores of {platform.machine()}, torch {torch.__version__}")
        for name in args.only:
            title, part = PARTS[name]
            say(f"\n{title.format(**vars(args))}")
            part(corpus, args)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
