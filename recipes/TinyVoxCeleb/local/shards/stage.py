"""Copy shards to the scratch disk of a machine.

Usage
-----
> python -m local.shards.stage SOURCE FOLDER
"""

import argparse
from pathlib import Path

from local.errors import one_line_errors
from local.shards.copies import stage_shards


def main():
    """Command line: copy one source to one folder."""
    parser = argparse.ArgumentParser(
        prog="python -m local.shards.stage",
        description="Copy shards to the scratch disk of a machine.",
    )
    parser.add_argument("source", help="folder, URL, list with braces or pipe:command")
    parser.add_argument("folder", help="gets shard-*.tar")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args()
    with one_line_errors(args.debug):
        folder = Path(args.folder).absolute()
        print(f"{folder}: {len(stage_shards(args.source, folder))} shards")


if __name__ == "__main__":
    main()
