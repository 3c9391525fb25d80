#!/usr/bin/env python3
r"""Export a trained network as one ONNX file, with a script that runs it without torch.

To run this recipe:
> pip install -r ../../requirements_export.txt
> python export.py --checkpoint RUN_FOLDER --out exported
> python exported/speaker_onnx.py verify one.wav other.wav

The file goes from waveforms (batch, time), 16 kHz, to embeddings (batch, dimension). Nothing is
left unless it gives what the network gives, on speech of 0.3 to 60 s. Its metadata hold the
threshold, if one has been fitted.

Authors
 * The TinyVoxCeleb authors 2026
"""

import argparse
import sys
from pathlib import Path

from local.errors import RecipeError, one_line_errors  # isort: skip - first, see local

from local.files import atomic_folder, check_writable


def parse(argv):
    """The options."""
    about, _, more = __doc__.partition("\n\n")
    form = argparse.RawDescriptionHelpFormatter
    more = more.partition("Authors")[0]
    parser = argparse.ArgumentParser(description=about, epilog=more, formatter_class=form)
    parser.add_argument("--checkpoint", required=True, help="output folder of a run")
    parser.add_argument("--out", required=True, help="folder to make; an old one is replaced")
    parser.add_argument("--licence", default="not stated", help="of the network, for its metadata")
    parser.add_argument("--quantize", action="store_true", help="a network of 8 bits beside it")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args(argv)


def main(argv):
    """Parse, export, compare."""
    args = parse(argv)
    with one_line_errors(args.debug):
        from local.bundle.export.writing import write_export
        check_writable(Path(args.out) / "x")
        with atomic_folder(args.out) as folder:
            done = write_export(folder, args.checkpoint, args.licence, args.quantize)
        print(done)


if __name__ == "__main__":
    main(sys.argv[1:])
