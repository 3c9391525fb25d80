#!/usr/bin/env python3
r"""Open a page in the browser that verifies, enrols and identifies speakers with a trained network.

To run this recipe:
> python demo.py --checkpoint RUN_FOLDER
> python demo.py --checkpoint RUN_FOLDER --gallery people.npz --port 7861

It wants `pip install -r ../../requirements_demo.txt`. Only this machine sees it, unless --host says
otherwise; nothing is sent elsewhere. The gallery is that of speakers.py.

Authors
 * The TinyVoxCeleb authors 2026
"""

import argparse
import os
import socket
import sys
import tempfile
from pathlib import Path

from local.errors import RecipeError, one_line_errors  # isort: skip - first, see local

from local.people.network import HearingNetwork

LARGEST = "100mb"  # of an upload


def parse(argv):
    """The options."""
    parser = argparse.ArgumentParser(
        prog="demo.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", required=True, help="output folder of a run")
    parser.add_argument("--gallery", help="file of the enrolled, .npz (forgotten at the end)")
    parser.add_argument("--host", default="127.0.0.1", help="who may see it (only this machine)")
    parser.add_argument("--port", type=int, default=7860, help="(7860)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, … (cpu)")
    parser.add_argument(
        "--min_speech", type=float, default=0.5, help="seconds in a recording (0.5)"
    )
    parser.add_argument("--known", type=float, default=0.5, help="probability that one is enrolled")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args(argv)
    if not 0 < args.known < 1:
        parser.error(f"--known {args.known}: expected a probability between 0 and 1")
    return args


def check_port(host, port):
    """Check that nobody else is at a port."""
    try:
        with socket.create_server((host, port)):
            pass
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecipeError(f"--port {port} of {host}: {reason}; give another --port") from None


def main(argv):
    """Check, load, and serve the page until Ctrl-C."""
    args = parse(argv)
    with one_line_errors(args.debug), tempfile.TemporaryDirectory() as folder:
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        os.environ["GRADIO_TEMP_DIR"] = folder  # what was recorded is gone at the end
        try:
            from local.people.page import make_page, style
        except ImportError as error:
            raise RecipeError(
                f"the page needs the package {error.name}, which is not installed: pip install -r "
                "requirements_demo.txt"
            ) from None
        check_port(args.host, args.port)
        network = HearingNetwork(args.checkpoint, args.device, args.min_speech)
        if not network.decides:
            raise RecipeError(f"nothing can be decided: {network.without_threshold}")
        gallery = args.gallery or Path(folder) / "people.npz"
        page = make_page(network, gallery, args.known)
        page.queue(default_concurrency_limit=1, max_size=16)
        options = {"server_name": args.host, "server_port": args.port, "max_file_size": LARGEST}
        options |= {"share": False, "quiet": True, "ssr_mode": False, "show_error": False}
        page.launch(prevent_thread_lock=True, **options, **style())
        print(f"http://{args.host}:{args.port} (Ctrl-C ends it)", flush=True)
        try:
            page.block_thread()
        except KeyboardInterrupt:
            pass
        finally:
            page.close(verbose=False)


if __name__ == "__main__":
    main(sys.argv[1:])
