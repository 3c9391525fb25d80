"""Write shards from a corpus, or check that they still hold what was written.

Usage
-----
> python -m local.shards --in TREE --meta TREE/tiny_meta.csv --out SHARDS
> python -m local.shards --check SHARDS
"""

import argparse
import os

from local.errors import one_line_errors
from local.shards.index import index_shards
from local.shards.intact import check_audio
from local.shards.tree import SPLITS
from local.shards.writing import write_shards


def check_shards(source: str) -> None:
    """Compare the audio of all splits of a folder with what was written, or that of one source."""
    splits = [place for split in SPLITS if os.path.isdir(place := os.path.join(source, split))]
    for place in splits or [source]:
        print(check_audio(index_shards(place)))


def main():
    """Command line of the shard writer."""
    parser = argparse.ArgumentParser(
        prog="python -m local.shards", description="Write shards from a corpus."
    )
    parser.add_argument("--in", dest="tree", help="corpus with train/, val/, …, or utterances.csv")
    parser.add_argument("--meta", help="tiny_meta.csv")
    parser.add_argument("--out", help="folder that gets one folder a split")
    parser.add_argument(
        "--check",
        metavar="SHARDS",
        help="write nothing: read all audio of a folder of shards, or of one split, and compare it "
        "with the digests in shards.json",
    )
    parser.add_argument("--size", type=int, default=5000, help="samples a shard (5000)")
    parser.add_argument("--seed", type=int, default=123, help="of the order of samples (123)")
    parser.add_argument(
        "--no_check", action="store_true", help="read headers only, without decoding each file"
    )
    parser.add_argument(
        "--skip_bad",
        action="store_true",
        help="leave out audio that cannot be read, up to 5 %%, and its trials, with a list of it",
    )
    parser.add_argument(
        "--allow_shared_ids",
        action="store_true",
        help="only warn of dev speakers in other splits, and of utterances in two",
    )
    parser.add_argument(
        "--processes", type=int, help="that read audio (as many as processors, up to 16)"
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args()
    if not args.check and None in (args.tree, args.meta, args.out):
        parser.error("the following arguments are required: --in, --meta, --out; or --check")
    with one_line_errors(args.debug):
        if args.check:
            check_shards(args.check)
            return
        write_shards(
            args.tree,
            args.meta,
            args.out,
            args.size,
            args.seed,
            not args.no_check,
            args.allow_shared_ids,
            args.processes,
            args.skip_bad,
        )


if __name__ == "__main__":
    main()
