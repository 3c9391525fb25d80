"""The command line of speakers.py."""

import argparse


def parse(argv: list[str], description: str) -> argparse.Namespace:
    """Parse the command line: a verb, its arguments, its options; exit code 2 where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="speakers.py",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    files = "files, folders, or - for a list of paths from standard input"

    embed = _verb(verbs, "embed", "embed recordings, into one file")
    embed.add_argument("files", nargs="+", metavar="FILE", help=files)
    embed.add_argument("--out", required=True, help=".npz, .csv or .json file to write")
    embed.add_argument("--skip_bad", action="store_true", help="leave out what cannot be embedded")

    verify = _verb(verbs, "verify", "whether two recordings are of one speaker")
    several = "a file, a folder, or several with commas between them: all of one speaker"
    verify.add_argument("a", metavar="A", help=several)
    verify.add_argument("b", metavar="B", help="the same, of the other side")
    verify.add_argument("--threshold", type=float, help="log-likelihood ratio (the network's own)")

    enrol = _verb(verbs, "enrol", "introduce somebody, by recordings")
    enrol.add_argument("name", metavar="NAME")
    enrol.add_argument("files", nargs="+", metavar="FILE", help=files)
    _gallery(enrol)
    there = enrol.add_mutually_exclusive_group()
    there.add_argument("--add", action="store_true", help="to what was heard of this name before")
    there.add_argument("--replace", action="store_true", help="forget what was heard before")

    _gallery(_verb(verbs, "list", "who is enrolled", network=False))
    remove = _verb(verbs, "remove", "forget somebody", network=False)
    remove.add_argument("names", nargs="+", metavar="NAME")
    _gallery(remove)

    identify = _verb(verbs, "identify", "who of the enrolled each recording is of, or nobody")
    identify.add_argument("files", nargs="+", metavar="FILE", help=files)
    identify.add_argument(
        "--timeline", action="store_true", help="who speaks when, in a recording of several"
    )
    identify.add_argument("--rttm", help="also write the timeline as RTTM")
    identify.add_argument("--picture", help="also draw the timeline, as PNG")
    listen = _verb(verbs, "listen", "who speaks now: a line a second, of samples from stdin")
    listen.add_argument(
        "--microphone", action="store_true", help="hear that, through the package sounddevice"
    )
    for verb in (identify, listen):
        _gallery(verb)
        verb.add_argument(
            "--known",
            type=float,
            default=0.5,
            help="probability, before listening, that somebody is enrolled (0.5)",
        )
    args = parser.parse_args(argv)
    if args.verb in ("identify", "listen") and not 0 < args.known < 1:
        parser.error(f"--known {args.known}: expected a probability between 0 and 1")
    if args.verb == "identify" and (args.rttm or args.picture) and not args.timeline:
        parser.error("--rttm and --picture are of a timeline: give --timeline too")
    return args


def _verb(verbs, name, summary, network=True):
    verb = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    verb.add_argument("--json", action="store_true", help="answer in JSON")
    verb.add_argument("--debug", action="store_true", help="show tracebacks")
    if network:
        verb.add_argument("--checkpoint", required=True, help="output folder of a run")
        verb.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, … (cpu)")
        verb.add_argument(
            "--min_speech", type=float, default=0.5, help="seconds that a recording holds (0.5)"
        )
    return verb


def _gallery(verb):
    verb.add_argument("--gallery", required=True, help="file of the enrolled, .npz")
