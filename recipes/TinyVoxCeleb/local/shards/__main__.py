"""Write shards from an audio tree.

Usage
-----
> python -m local.shards --in TREE --meta TREE/tiny_meta.csv --out SHARDS
"""

import argparse

from local.errors import one_line_errors
from local.shards.writing import write_shards


def main():
    """Command line of the shard writer."""
    parser = argparse.ArgumentParser(
        prog="python -m local.shards", description="Write shards from an audio tree."
    )
    parser.add_argument("--in", dest="tree", required=True, help="audio tree with train/, val/, …")
    parser.add_argument("--meta", required=True, help="tiny_meta.csv")
    parser.add_argument("--out", required=True, help="folder that gets one folder a split")
    parser.add_argument("--size", type=int, default=5000, help="samples a shard (5000)")
    parser.add_argument("--seed", type=int, default=123, help="of the order of samples (123)")
    parser.add_argument(
        "--no_check", action="store_true", help="read headers only, without decoding each file"
    )
    parser.add_argument(
        "--allow_shared_ids",
        action="store_true",
        help="only warn of dev speakers in other splits, and of utterances in two",
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args()
    with one_line_errors(args.debug):
        write_shards(
            args.tree,
            args.meta,
            args.out,
            args.size,
            args.seed,
            not args.no_check,
            args.allow_shared_ids,
        )


if __name__ == "__main__":
    main()
