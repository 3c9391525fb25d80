"""Files that appear complete or not at all."""

import os
import socket
import subprocess
import sys

import pytest

from conftest import RECIPE
from local.files import atomic_file, atomic_folder, split_paths


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
from local.files import atomic_file, atomic_folder, split_paths
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


FILLER = """
import os, sys
from pathlib import Path
from local.files import atomic_folder
for number in range(30):
    with atomic_folder(sys.argv[1]) as folder:
        for part in range(20):
            (folder / str(part)).write_text(sys.argv[2])
"""


def test_two_fillers_of_a_folder_at_once(tmp_path):
    path = tmp_path / "folder [1]"
    command = [sys.executable, "-c", FILLER, str(path)]
    pipes = {"cwd": RECIPE, "stderr": subprocess.PIPE, "text": True}
    fillers = [subprocess.Popen([*command, letter], **pipes) for letter in "ab"]
    said = [filler.communicate()[1] for filler in fillers]
    assert [filler.returncode for filler in fillers] == [0, 0], said
    assert len({part.read_text() for part in path.iterdir()}) == 1
    assert len(list(path.iterdir())) == 20 and list(tmp_path.iterdir()) == [path]
    assert "waiting for another process that makes it" in "".join(said)


@pytest.mark.parametrize("there", [False, True])
def test_folders_that_killed_processes_left_are_removed_also_beside_one_that_is_kept(
    tmp_path, there
):
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    prefix = f".folder.{socket.gethostname()}-"
    names = [f"{int(done.stdout)}", f"{int(done.stdout)}.old", f"{os.getppid()}"]
    for name in names:
        (tmp_path / f"{prefix}{name}.partial").mkdir()
        (tmp_path / f"{prefix}{name}.partial" / "half").touch()
    if there:
        (tmp_path / "folder").mkdir()
    with atomic_folder(tmp_path / "folder", keep=True):
        pass
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [f"{prefix}{os.getppid()}.partial", "folder"]


def test_a_folder_that_is_there_is_kept_where_that_is_asked_for(tmp_path):
    for content, keep in (("first", True), ("second", True), ("third", False)):
        with atomic_folder(tmp_path / "folder", keep=keep) as folder:
            assert (folder is None) == (content == "second")
            if folder:
                (folder / content).touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "third"]


def test_a_lock_leaves_no_file_and_is_never_held_twice(tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    command = [sys.executable, "-c", COUNTER, str(tmp_path)]
    counters = [subprocess.Popen(command, cwd=RECIPE) for _ in range(4)]
    assert [process.wait() for process in counters] == [0] * 4
    assert counter.read_text() == "1200" and list(tmp_path.iterdir()) == [counter]


COUNTER = """
import sys
from pathlib import Path
from local.files import exclusive
counter = Path(sys.argv[1], "counter")
for _ in range(300):
    with exclusive(Path(sys.argv[1], ".lock")):
        counter.write_text(str(int(counter.read_text()) + 1))
"""


@pytest.mark.parametrize(
    "paths",
    [
        ["a,b/x.txt"],
        ["a,b/x.txt", "a,b/y,z.txt"],
        ["a/x.txt", "a,b/x.txt", "a/x.txt"],  # "a" exists, too
        ["a", "a,b"],
        ["none.txt", "a,b/x.txt", "nothing"],
        ["https://host/{0,1}.tar", "a,b"],
        [""],
    ],
)
def test_commas_in_the_names_of_what_exists_separate_nothing(tmp_path, monkeypatch, paths):
    monkeypatch.chdir(tmp_path)
    for name in ("a/x.txt", "a,b/x.txt", "a,b/y,z.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert split_paths(",".join(paths)) == paths
