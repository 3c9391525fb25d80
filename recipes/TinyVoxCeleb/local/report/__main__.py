"""Write the report of scored runs as one HTML file, and their embeddings for TensorBoard.

Usage
-----
> python -m local.report RUN_OR_SCORES_JSON [MORE ...] [--out report.html]
"""

import argparse
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
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args(argv)
    with one_line_errors(args.debug):
        out, results = make_report(args.paths, args.out)
        print(f"report: {out}")
        folders = {}
        for result in results:  # several score lists of a run have the same embeddings
            folder = result.run / "tensorboard" / "projector"
            if args.projector:
                folder = Path(args.projector)
                if len({other.run for other in results}) > 1:
                    folder /= result.label.replace("/", "-")
            folders.setdefault(result.run, (folder, result))
        for folder, result in folders.values():
            if result.embeddings is not None:
                number = export_projector(result.embeddings, folder)
                print(f"projector: {number} embeddings; tensorboard --logdir {folder.parent}")


if __name__ == "__main__":
    main()
