"""The options of the corpus voxceleb: what is chosen, what is evaluated."""

import argparse
import os
from dataclasses import dataclass, field

from local.corpora.voxceleb.choice import ALL, Amounts
from local.corpora.voxceleb.published_lists import LETTERS
from local.errors import RecipeError
from local.files import split_paths

HELP = {  # of the numbers, by the fields of Amounts
    "speakers": "how many to train on, half of them women, or all (100)",
    "min_sessions": "that a speaker has at least (4): two of them are held out for val",
    "utterances_per_speaker": "to train on at most (all)",
    "sessions_per_speaker": "to train on at most (all)",
    "dev_speakers": "unseen speakers (10; with more than 200 to train on, 40)",
}


@dataclass(frozen=True)
class VoxCelebOptions:
    """What is asked for; see the help of `add_options`."""

    amounts: Amounts = field(default_factory=Amounts)
    evaluate: str | None = None
    choice: str | None = None
    overlap: str | None = None

    def __str__(self):
        """What is not as by default, as corpus.source tells it."""
        amounts, usual = vars(self.amounts), vars(Amounts())
        told = {name: value for name, value in amounts.items() if value != usual[name]}
        told |= {"evaluate": self.evaluate, "choice": self.choice, "overlap": self.overlap}
        if "speakers" in told:
            told["speakers"] = told["speakers"] or ALL
        return "".join(f", {name} {value}" for name, value in told.items() if value)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command line."""
    group = parser.add_argument_group("of --corpus voxceleb")
    for name, text in HELP.items():
        group.add_argument(f"--{name}", metavar="N", help=text)
    group.add_argument(
        "--evaluate",
        metavar="LISTS",
        help="VoxCeleb1's O, E or H, or paths of lists over its audio, separated by commas, or "
        "none (O, where its audio and veri_test2.txt are there)",
    )
    group.add_argument("--choice", metavar="FILE", help="utterances.csv of a corpus to make again")
    group.add_argument(
        "--overlap",
        metavar="FILE",
        help="list of the speakers of VoxCeleb2 who are in VoxCeleb1, to leave out (*overlap*.txt "
        "or .csv in the data folder)",
    )


def options_of(args: argparse.Namespace) -> VoxCelebOptions | None:
    """The options that a command line has; None where the corpus has none and none are given.

    Raises
    ------
    RecipeError
        A number that is none; options that do not go together, or are of another corpus.
    """
    given = {name: vars(args)[name] for name in (*HELP, "evaluate", "choice", "overlap")}
    given = {name: value for name, value in given.items() if value is not None}
    if args.corpus != "voxceleb":
        if given:
            raise RecipeError(f"--{next(iter(given))}: an option of --corpus voxceleb only")
        return None
    numbers = {name: _number(name, given.pop(name)) for name in HELP if name in given}
    if "choice" in given and numbers:
        raise RecipeError(f"--{next(iter(numbers))}: give either that or --choice, which says it")
    for name in ("choice", "overlap"):
        if name in given:
            given[name] = os.path.abspath(given[name])
    if "evaluate" in given:
        words = split_paths(given["evaluate"])
        files = {word for word in words if word not in LETTERS and os.path.isfile(word)}
        words = [os.path.abspath(word) if word in files else word for word in words]
        given["evaluate"] = ",".join(words)
    return VoxCelebOptions(Amounts(**numbers), **given)


def _number(name, text):
    if name == "speakers" and text == ALL:
        return None
    if not (text.isascii() and text.isdigit()):
        also = f", or {ALL}" if name == "speakers" else ""
        raise RecipeError(f"--{name} {text}: expected a whole number{also}")
    return int(text)
