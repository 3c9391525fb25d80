"""Shards that a command writes to its standard output: ``pipe:command``."""

import io

from webdataset.gopen import gopen

from local.errors import RecipeError


def is_pipe(source):
    """Whether a source names a command.

    Arguments
    ---------
    source : str or Path

    Returns
    -------
    bool
    """
    return str(source).startswith("pipe:")


def open_pipe(source):
    """Run a command and read what it writes.

    Arguments
    ---------
    source : str
        "pipe:" and a command for the shell.

    Returns
    -------
    io.BufferedReader
        At its end it raises a RecipeError if the command has failed. Closed before its end it
        leaves the command to notice, as `command | head` does.
    """
    return io.BufferedReader(_Output(source), 1 << 20)


class _Output(io.RawIOBase):
    def __init__(self, source):
        self.source = source
        self.pipe = gopen(source, "rb")

    def readable(self):
        return True

    def readinto(self, buffer):
        count = self.pipe.stream.readinto(buffer)
        if not count and (status := self.pipe.proc.wait()):
            raise RecipeError(
                f"{self.source}: the command has failed with exit code {status}; what it said "
                "stands above, if anything"
            )
        return count

    def close(self):
        if not self.closed:
            self.pipe.ignore_errors = True
            self.pipe.close()
        super().close()
