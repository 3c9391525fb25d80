"""What the recipe takes at the size of VoxCeleb, as Markdown tables.

> python -m benchmarks.scale --folder /scratch

The parts: find VoxCeleb among as many files as it has, choose a corpus from it, write and index
shards of as many files, decode m4a into shards, embed plain audio, evaluate 580,000 trials. Where
there is a peer, both are measured in turns. Files are made below the folder, and removed.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.scale import choice, m4a, plain_audio, shards, tree, trials

PARTS = {
    "find": tree.measure,
    "choose": choice.measure,
    "shards": shards.measure,
    "m4a": m4a.measure,
    "plain_audio": plain_audio.measure,
    "trials": trials.measure,
}
OF_FILES = ("find", "choose", "shards")  # parts that have as many files as VoxCeleb


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--folder", help="where files are made (a temporary folder)")
    parser.add_argument(
        "--files", type=int, default=1_100_000, help="to find, choose and pack (1,100,000)"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for part in args.parts:
            options = [args.files] if part in OF_FILES else []
            print(f"\n{part}\n", *PARTS[part](Path(folder), *options), sep="\n", flush=True)


if __name__ == "__main__":
    main()
