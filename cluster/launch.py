"""torchrun for job scripts: it waits for processes that were signalled, and ends as they do.

SLURM sends a signal to all processes of a step. torchrun would answer by ending those that it has
started within 30 s, and its own exit code is always 1. Here the processes have the time that SLURM
gives them, and the exit code is that of the first one that did not end well, 128 + the number of
the signal where it has stopped for one. The arguments are those of torchrun.

Authors
 * The TinyVoxCeleb authors 2026
"""

import signal
import sys

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

LEFT_TO_THE_PROCESSES = (signal.SIGTERM, signal.SIGUSR1)


def main(argv):
    """Run the processes to their end; returns the exit code."""
    for number in LEFT_TO_THE_PROCESSES:
        # Not SIG_IGN, which the processes would inherit.
        signal.signal(number, lambda *_: None)
    try:
        run(parse_args(["--signals_to_handle", "SIGINT,SIGHUP,SIGQUIT", *argv]))
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        code = failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode
        if code - 128 not in LEFT_TO_THE_PROCESSES:
            print(f"error: process {rank} failed with exit code {code}, see above", file=sys.stderr)
        return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
