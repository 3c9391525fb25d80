"""Write the report of scored runs as one HTML file, and their embeddings for TensorBoard.

Usage
-----
> python -m local.report RUN_OR_SCORES_JSON [MORE ...] [--out report.html]
"""

import argparse
import shlex
from pathlib import Path

from local.errors import one_line_errors
from local.report import export_projector, make_report


def main(argv=None):
    """Command line of the report."""
    parser = argparse.ArgumentParser(
        prog="python -m local.report",
        description="Write the report of a scored run, or of several, as one HTML file.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="RUN_OR_SCORES_JSON",
        help="JSON file beside a score list, or a run's folder for the scores.json in it",
    )
    parser.add_argument("--out", help="HTML file (report.html beside the first JSON file)")
    parser.add_argument(
        "--projector",
        metavar="FOLDER",
        help="where the embeddings for TensorBoard go (RUN/tensorboard/projector)",
    )
    parser.add_argument(
        "--no_audio", action="store_true", help="a page without sound, smaller by up to 4.5 MB"
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args(argv)
    with one_line_errors(args.debug):
        out, runs = make_report(args.paths, args.out, audio=not args.no_audio)
        print(f"report: {out}")
        trained = {}
        for run in runs:  # several score lists of a training have the same embeddings
            trained.setdefault(run.folder, run)
        for folder, run in trained.items():
            if run.embeddings is None:
                continue
            target = folder / "tensorboard" / "projector"
            if args.projector:
                target = Path(args.projector)
                if len(trained) > 1:
                    target /= run.label.replace("/", "-")
            number = export_projector(run.embeddings, target)
            folder = shlex.quote(str(target.parent))
            print(f"projector: {number} embeddings; tensorboard --logdir {folder}")


if __name__ == "__main__":
    main()
