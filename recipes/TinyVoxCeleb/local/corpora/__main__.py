"""Prepare a corpus in the tiny-voxceleb layout: stage 1 of run.sh.

Usage
-----
> python -m local.corpora --corpus folder --data_folder SPEAKERS --out OUTPUT
> python -m local.corpora --corpus voxceleb --data_folder VOXCELEB --speakers 200 --out OUTPUT
"""

import argparse
import contextlib
import sys
from pathlib import Path

from local.corpora.debian_packages import PackagesUnavailable
from local.corpora.folder import prepare_folder
from local.corpora.synthetic import prepare_synthetic
from local.corpora.tiny_voxceleb import prepare_tiny_voxceleb
from local.corpora.voices import prepare_voices
from local.corpora.voxceleb.corpus import prepare_voxceleb
from local.corpora.voxceleb.options import VoxCelebOptions, add_options, options_of
from local.errors import RecipeError, one_line_errors
from local.files import atomic_file, atomic_folder, exclusive

NEEDS_DATA = ("tiny-voxceleb", "voxceleb", "folder")
CORPORA = (*NEEDS_DATA, "voices", "synthetic")
EXIT_PACKAGES_UNAVAILABLE = 3


def prepare(
    corpus: str,
    data_folder: str | None,
    out: str | Path,
    seed: int,
    options: VoxCelebOptions | None = None,
) -> None:
    """Prepare a corpus in `out`/corpus; shards that come with it are linked as `out`/shards.

    The seed is that of splits and trial lists. `out`/corpus.source tells what the corpus is made
    of. Another process that prepares one there is waited for.

    Raises
    ------
    RecipeError
        Data missing; `out` holds another corpus; see the corpora for more.
    """
    out = Path(out)
    if corpus in NEEDS_DATA:
        if not data_folder:
            raise RecipeError(f"--corpus {corpus}: give --data_folder")
        if not Path(data_folder).is_dir():
            raise RecipeError(f"--data_folder {data_folder}: no such folder")
        source = f"{corpus} from {Path(data_folder).absolute()}, seed {seed}{options or ''}"
    else:
        source = f"{corpus}, seed {seed}"
    waiting = f"{out}: waiting for another process that prepares a corpus there"
    with exclusive(out / ".corpus.source.lock", waiting), _recorded(out, source):
        if corpus == "tiny-voxceleb":
            prepare_tiny_voxceleb(data_folder, out / "corpus", out / "shards")
        elif corpus == "voxceleb":
            prepare_voxceleb(data_folder, out / "corpus", seed=seed, options=options)
        elif corpus == "folder":
            prepare_folder(data_folder, out / "corpus", seed=seed)
        elif corpus == "voices":
            prepare_voices(out / "corpus", seed=seed)
        else:
            prepare_synthetic(out / "corpus", seed=seed)


@contextlib.contextmanager
def _recorded(out, source):
    """Check the record of what a corpus is made of, and write it before the corpus appears.

    A process that is killed between the two would else leave a corpus that could be any.
    """
    record, corpus = out / "corpus.source", out / "corpus"
    found = record.read_text(encoding="utf-8") if record.is_file() else None
    if found not in (None, source) and (corpus.exists() or (out / "shards").exists()):
        raise RecipeError(
            f"{out} holds {found}, not {source}: choose another --output_folder, or remove this one"
        )
    if corpus.is_dir():
        with atomic_folder(corpus, keep=True):  # which removes what a killed process left beside it
            print(f"using {corpus} as it was prepared earlier; remove it to prepare it anew")
    if found != source:
        with atomic_file(record) as fout:
            fout.write(source)
    try:
        yield
    finally:
        if not corpus.exists():
            record.unlink(missing_ok=True)


def main():
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m local.corpora", description="Prepare a corpus in the tiny-voxceleb layout."
    )
    parser.add_argument("--corpus", required=True, choices=CORPORA)
    parser.add_argument("--data_folder", help=f"where the data of {', '.join(NEEDS_DATA)} lies")
    parser.add_argument("--out", required=True, help="gets corpus/, and shards/ where they exist")
    parser.add_argument("--seed", type=int, default=123, help="of choice, splits and trials (123)")
    add_options(parser)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args()
    with one_line_errors(args.debug):
        try:
            prepare(args.corpus, args.data_folder, args.out, args.seed, options_of(args))
        except PackagesUnavailable as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(EXIT_PACKAGES_UNAVAILABLE)


if __name__ == "__main__":
    main()
