"""Embed the utterances of shards with the network of a run, into one npz file.

Usage
-----
> python -m local.embeddings RUN --shards SHARDS/dev,SHARDS/eval --out embeddings.npz
> torchrun --nproc_per_node=2 -m local.embeddings RUN --shards SHARDS/train --out train.npz

The file holds `ids` as trial lists name the utterances, `vectors` (utterances, dim) in float32,
`num_frames`, their lengths in audio samples, and `about`, what they were made of, as JSON; read it
with `local.embeddings.read_embeddings`, or with `numpy.load`. What was embedded before is taken
from RUN/embeddings/.
"""

import argparse
import sys

from local.embeddings.embedder import Embedder
from local.embeddings.table import write_embeddings
from local.errors import one_line_errors
from local.files import check_writable, split_paths
from local.processes import PRECISIONS, process_group, rank


def main(argv: list[str]) -> None:
    """Command line: embed folder after folder, write one file."""
    parser = argparse.ArgumentParser(
        prog="python -m local.embeddings",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run", metavar="RUN", help="output folder of a run, or its inference folder"
    )
    parser.add_argument("--shards", required=True, help="folders with shard-*.tar, comma-separated")
    parser.add_argument("--out", required=True, help="npz file to write")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, … (a GPU where there is one)")
    parser.add_argument("--precision", default="fp32", help=f"{', '.join(PRECISIONS)} (fp32)")
    parser.add_argument("--batch_size", type=int, default=16, help="utterances a batch (16)")
    parser.add_argument("--num_workers", type=int, default=2, help="threads that decode audio (2)")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args(argv)
    with one_line_errors(args.debug), process_group():
        check_writable(args.out)  # now, not after all the embeddings
        embedder = Embedder(
            args.run,
            device=args.device,
            precision=args.precision,
            batch_size=args.batch_size,
            num_workers=args.num_workers,
        )
        folders = embedder.look_up(split_paths(args.shards))
        cached = [folder.found is not None for folder in folders]
        embeddings = embedder.embed(folders)
        if rank() == 0:
            write_embeddings(args.out, embeddings)
            origin = "computed" if not any(cached) else "from the cache"
            if any(cached) and not all(cached):
                origin = f"{sum(cached)} of {len(cached)} folders from the cache"
            utterances, dim = embeddings.vectors.shape
            noun = "utterance" if utterances == 1 else "utterances"
            print(f"{args.out}: {utterances} {noun}, {dim} dimensions ({origin})")


if __name__ == "__main__":
    main(sys.argv[1:])
