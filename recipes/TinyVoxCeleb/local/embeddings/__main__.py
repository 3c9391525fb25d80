"""Embed the utterances of shards, or the audio files of a folder, into one npz file.

Usage
-----
> python -m local.embeddings RUN --shards SHARDS/dev,SHARDS/eval --out embeddings.npz
> python -m local.embeddings RUN --audio_folder FOLDER --out embeddings.npz
> torchrun --nproc_per_node=2 -m local.embeddings RUN --shards SHARDS/train --out train.npz

The file holds `ids` as trial lists name the utterances, `vectors` (utterances, dim) in float32,
`num_frames`, their lengths in audio samples, and `about`, what they were made of, as JSON; read it
with `local.embeddings.read_embeddings`, or with `numpy.load`. What was embedded before is taken
from RUN/embeddings/.
"""

import argparse
import sys

from local.corpora.named_files import name_all
from local.embeddings.embedder import Embedder
from local.embeddings.table import write_embeddings
from local.errors import one_line_errors
from local.files import check_writable, split_paths
from local.processes import PRECISIONS, on_main, process_group, rank


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
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--shards", help="folders with shard-*.tar, comma-separated")
    source.add_argument("--audio_folder", help="a folder with audio files of any kind")
    parser.add_argument("--out", required=True, help="npz file to write")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, … (a GPU where there is one)")
    parser.add_argument("--precision", default="fp32", help=f"{', '.join(PRECISIONS)} (fp32)")
    parser.add_argument("--batch_size", type=int, default=16, help="utterances a batch (16)")
    parser.add_argument("--num_workers", type=int, default=2, help="workers that decode (2)")
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
        if args.audio_folder:
            files = on_main(name_all, args.audio_folder)
            embeddings, origin = embedder.embed_files(args.audio_folder, files)[0], ""
        else:
            folders = embedder.look_up(split_paths(args.shards))
            embeddings, origin = embedder.embed(folders), _origin(folders)
        if rank() == 0:
            write_embeddings(args.out, embeddings)
            utterances, dim = embeddings.vectors.shape
            noun = "utterance" if utterances == 1 else "utterances"
            print(f"{args.out}: {utterances} {noun}, {dim} dimensions{origin}")


def _origin(folders):
    """Where the embeddings of folders of shards come from."""
    cached = [folder.found is not None for folder in folders]
    if any(cached) and not all(cached):
        return f" ({sum(cached)} of {len(cached)} folders from the cache)"
    return " (from the cache)" if all(cached) else " (computed)"


if __name__ == "__main__":
    main(sys.argv[1:])
