"""A command of the recipe that SIGKILL strikes: after some seconds, or before a file changes."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks import RECIPE

# Runs `python ARGUMENTS`; counts how often it opens for writing, renames, makes or removes
# something in a folder, and kills its processes before one of these. Writes down their number.
COUNTING = """
import atexit, os, runpy, signal, sys
_, folder, fatal, notes, *sys.argv = sys.argv
main, group, count = os.getpid(), os.getpgrp() == os.getpid(), 0
def watch(event, about):
    global count
    if event == "open":
        changes = isinstance(about[2], int) and about[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    else:
        changes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink")
    if changes and os.getpid() == main and isinstance(about[0], (str, os.PathLike)):
        path = os.fspath(about[0])
        if os.path.isabs(path) and path.startswith(folder) or event in ("os.remove", "os.rmdir"):
            count += 1
            if count == int(fatal):
                os.killpg(0, 9) if group else os.kill(main, 9)
if notes:
    atexit.register(lambda: os.getpid() == main and open(notes, "w").write(str(count)))
sys.addaudithook(watch)
if sys.argv[0] == "-m":
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
else:
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")
"""
# What no two runs have alike: logs with the time of each line, and TensorBoard's event files, whose
# names and records hold the time and the number of the process. Of a checkpoint, the time in its
# CKPT.yaml is left out, and the checksum of that file in its manifest.
LOGS = ("log.txt", "env.log")
EVENTS = "events.out.tfevents."
TIMES = {
    "CKPT.yaml": re.compile(rb"^unixtime: .*\n", re.MULTILINE),
    "checksums.json": re.compile(rb'"CKPT.yaml": \[[\s\d,]*\]'),
}


class Moment(NamedTuple):
    """When a command is killed: after so many seconds, or before so many changes of its files."""

    seconds: float | None = None
    change: int = 0


class Ended(NamedTuple):
    """How a process ended: its exit code, what it said, after how many seconds."""

    code: int
    said: str
    seconds: float


@dataclass
class Command:
    """What is typed, behind `python`, the folder that it fills, and a copy of what is there before.

    `refused` is what a second one of it may say when it ends with 1 as another is at work.
    """

    name: str
    arguments: list[str]
    folder: Path
    before: Path | None = None
    refused: str | None = None
    python: str = sys.executable

    def reset(self):
        """Put the folder back to what it was before the command."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.before:
            shutil.copytree(self.before, self.folder, symlinks=True)

    def run(self, moment: Moment | None = None, delay: float = 0.0) -> Ended:
        """Start it after a delay, kill its processes at a moment, and wait for its end."""
        time.sleep(delay)
        seconds, change = moment or Moment()
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        arguments = list(map(str, self.arguments))
        if change:
            arguments = ["-c", COUNTING, str(self.folder), str(change), "", *arguments]
        begin = time.monotonic()
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(
                [self.python, *arguments],
                cwd=RECIPE,
                env=environment,
                stdout=said,
                stderr=said,
                process_group=0,
            )
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                for number in _family(process.pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(number, signal.SIGKILL)
                process.wait()
            said.seek(0)
            return Ended(process.returncode, said.read(), time.monotonic() - begin)

    def measure(self) -> tuple[int, float]:
        """Run it undisturbed: how many changes of files it makes, and its seconds."""
        begin = time.monotonic()
        with tempfile.NamedTemporaryFile("r") as notes:
            counted = ["-c", COUNTING, str(self.folder), "0", notes.name, *self.arguments]
            subprocess.run(
                list(map(str, [self.python, *counted])),
                cwd=RECIPE,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                capture_output=True,
                check=True,
            )
            return int(notes.read()), time.monotonic() - begin

    def left(self) -> dict[str, str]:
        """Digests of all that is in the folder, hidden files too, by their paths in it."""
        return {
            str(path.relative_to(self.folder)): _digest(path)
            for path in sorted(self.folder.rglob("*"))
            if not path.name.startswith(EVENTS)
        }


def _family(process):
    """A process and all below it: those of torchrun are in groups of their own."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    family = {process}
    while more := {number for number, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def _digest(path):
    if path.is_dir():
        return "a folder"
    if path.name in LOGS:
        return "a log"
    content = path.read_bytes()
    if path.name in TIMES:
        content = TIMES[path.name].sub(b"", content)
    return hashlib.sha256(content).hexdigest()
