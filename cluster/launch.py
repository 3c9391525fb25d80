"""torchrun for job scripts: it waits for processes that were signalled, and ends as they do.

torchrun answers a signal by ending what it has started within 30 s, and its own exit code is 1
whatever happens. Here the processes get the signal and take their time, and the exit code is that
of the first one that did not end well: 128 + the number of the signal where it has stopped for one.
The arguments are those of torchrun.

Authors
 * The TinyVoxCeleb authors 2026
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

PASSED_ON = (signal.SIGTERM, signal.SIGUSR1)


def pass_on(number, _):
    """Send a signal to the processes started here. SLURM has done so: they take it for one."""
    for children in Path("/proc/self/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)


def main(argv):
    """Run the processes to their end; returns the exit code."""
    for number in PASSED_ON:
        signal.signal(number, pass_on)
    try:
        run(parse_args(["--signals_to_handle", "SIGINT,SIGHUP,SIGQUIT", *argv]))
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        code = failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode
        if code - 128 not in PASSED_ON:
            print(f"error: process {rank} failed with exit code {code}, see above", file=sys.stderr)
        return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
