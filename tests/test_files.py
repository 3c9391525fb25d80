"""Files that appear complete or not at all."""

import os
import socket
import subprocess
import sys

import pytest

from conftest import RECIPE
from local.files import atomic_file


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "scores [1].txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_file(path) as fout:
        fout.write("new")
        raise ZeroDivisionError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    path = tmp_path / "scores [1].txt"
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    host = socket.gethostname()
    dead = tmp_path / f".{path.name}.{host}-{int(done.stdout)}.partial"
    alive = tmp_path / f".{path.name}.{host}-{os.getppid()}.partial"
    elsewhere = tmp_path / f".{path.name}.other-node-1.partial"
    for left in (dead, alive, elsewhere):
        left.write_text("half")
    with atomic_file(path) as fout:
        fout.write("new")
    assert path.read_text() == "new"
    assert not dead.exists() and alive.exists() and elsewhere.exists()


WRITER = """
import sys
from local.files import atomic_file
for number in range(200):
    with atomic_file(sys.argv[1]) as fout:
        for _ in range(50):
            fout.write(sys.argv[2] * 1000)
            fout.flush()
"""


def test_two_writers_at_once(tmp_path):
    path = tmp_path / "scores.txt"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), letter], cwd=RECIPE)
        for letter in "ab"
    ]
    contents = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            contents.add(path.read_text())
    assert [writer.returncode for writer in writers] == [0, 0]
    assert contents <= {"a" * 50_000, "b" * 50_000}
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
