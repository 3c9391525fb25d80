"""Signals that ask a training to stop, which it does once the step at hand is complete."""

import contextlib
import signal
from collections.abc import Iterator

# SLURM sends USR1 where a job script asks for it, and TERM at the time limit and on cancellation.
STOP_SIGNALS = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether a signal has come: `number` is that of the signal, or 0."""

    def __init__(self):
        self.number = 0

    def __call__(self, number, _):
        if number == self.number == signal.SIGINT:
            raise KeyboardInterrupt  # Ctrl-C twice: at once
        self.number = number


@contextlib.contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Take the stop signals down in a StopRequest meanwhile."""
    request = StopRequest()
    before = {number: signal.signal(number, request) for number in STOP_SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
