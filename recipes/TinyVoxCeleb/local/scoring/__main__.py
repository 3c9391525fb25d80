"""Check a score list: python -m local.scoring check SCORES --trials TRIALS[,TRIALS]."""

import argparse
import sys

from local.errors import one_line_errors
from local.files import split_paths
from local.scoring.enrolment import pair_lists
from local.scoring.score_list import check_scores
from local.scoring.trials import read_trials


def main():
    """Command line of the check."""
    parser = argparse.ArgumentParser(
        prog="python -m local.scoring", description="Check a score list before it is handed in."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="tell whether a score list is complete")
    check.add_argument("scores", help="the score list")
    check.add_argument("--trials", required=True, help="trial lists in order, separated by commas")
    check.add_argument("--enrolment_lists", default="", help="their models: one for all, or each")
    check.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args()
    with one_line_errors(args.debug):
        models = pair_lists(split_paths(args.trials), split_paths(args.enrolment_lists))
        lists = [read_trials(path, enrolment=models[path]) for path in split_paths(args.trials)]
        mistakes = check_scores(args.scores, lists)
        if mistakes:
            print(f"{args.scores}: not as {args.trials} ask for")
            for kind, (count, examples) in mistakes.items():
                more = "; …" if count > len(examples) else ""
                print(f"  {count} {kind}: {'; '.join(examples)}{more}")
            sys.exit(1)
        print(f"{args.scores}: complete: {sum(map(len, lists))} trials, in order, all in [0, 1]")


if __name__ == "__main__":
    main()
