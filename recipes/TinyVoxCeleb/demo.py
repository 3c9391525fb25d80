#!/usr/bin/env python3
r"""Open a page on which a trained network verifies, enrols and identifies speakers.

To run this recipe:
> pip install -r ../../requirements_demo.txt
> python demo.py --checkpoint RUN_FOLDER --gallery people.npz

The page is at http://127.0.0.1:7860, for this machine alone; Ctrl-C ends it. What is recorded or
uploaded goes when it ends; who is enrolled stays in the gallery, if one is given. Browsers lend
their microphone to pages of their own machine and to https only: with --host, others can upload.

Authors
 * The TinyVoxCeleb authors 2026
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from local.errors import RecipeError, one_line_errors  # isort: skip - first, see local

from local.files import check_writable
from local.people.gallery import enrolled_names
from local.people.network import HearingNetwork
from local.people.page_serving import free_port, keep_to_itself, serve


def parse(argv):
    """The options."""
    about, _, more = __doc__.partition("\n\n")
    form = argparse.RawDescriptionHelpFormatter
    more = more.partition("Authors")[0]
    parser = argparse.ArgumentParser(description=about, epilog=more, formatter_class=form)
    add = parser.add_argument
    add("--checkpoint", required=True, help="output folder of a run")
    add("--gallery", help="file of the enrolled, .npz (one that goes with the page)")
    add("--host", default="127.0.0.1", help="address to be reached at (127.0.0.1)")
    add("--port", type=int, default=7860, help="0 for any that is free (7860)")
    add("--device", default="cpu", help="cpu, cuda, cuda:1, … (cpu)")
    add("--min_speech", type=float, default=0.5, help="seconds that a recording holds (0.5)")
    add("--known", type=float, default=0.5, help="probability that who speaks is enrolled (0.5)")
    add("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args(argv)
    if not 0 < args.known < 1:
        parser.error(f"--known {args.known}: expected a probability between 0 and 1")
    return args


def load_page():
    """The part that needs Gradio, which a RecipeError names where it is not installed."""
    try:
        import gradio  # noqa: F401
    except ModuleNotFoundError as error:
        raise RecipeError(
            f"the package {error.name} is not installed: pip install -r requirements_demo.txt, in "
            "the project's folder"
        ) from None
    from local.people import page, page_answers, page_uploads

    return page, page_answers, page_uploads


def main(argv):
    """Parse, load, serve."""
    args = parse(argv)
    with (
        one_line_errors(args.debug),
        tempfile.TemporaryDirectory(prefix="page") as folder,
    ):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        keep_to_itself(folder)
        page, page_answers, page_uploads = load_page()
        port = free_port(args.host, args.port)
        gallery = Path(args.gallery or Path(folder) / "people.npz").absolute()
        check_writable(gallery)
        network = HearingNetwork(args.checkpoint, args.device, args.min_speech)
        if not network.decides:
            raise RecipeError(f"nothing can be decided: {network.without_threshold}")
        enrolled_names(gallery, network.digest)
        made = page.make_page(page_answers.Answers(network, gallery, args.known))
        serve(made, args.host, port, **page.style(), **page_uploads.bounds(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
