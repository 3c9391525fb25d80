"""Files that appear complete or not at all."""

import contextlib
import errno
import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from conftest import RECIPE
from local.errors import RecipeError, WriteError
from local.files import atomic_file, atomic_folder, check_writable, split_paths
from local.stored import is_damaged


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
from local.files import atomic_file, atomic_folder, check_writable, split_paths
for number in range(200):
    with atomic_file(sys.argv[1]) as fout:
        for _ in range(50):
            fout.write(sys.argv[2] * 1000)
            fout.flush()
"""


def test_what_stdout_goes_to_is_written_to_and_never_replaced(tmp_path):
    """As /dev/null, which root could replace; also where it is a file with another name."""
    read, write = os.pipe()
    check_writable(f"/proc/self/fd/{write}")
    with atomic_file(f"/proc/self/fd/{write}", "wb") as fout:
        fout.write(b"text")
    os.close(write)
    assert os.read(read, 9) == b"text"
    os.close(read)
    script = "from local.files import atomic_file\nprint('before', flush=True)\n"
    script += "with atomic_file('/proc/self/fd/1') as fout: fout.write('text')"
    with open(tmp_path / "out.txt", "w") as out:
        subprocess.run([sys.executable, "-c", script], cwd=RECIPE, stdout=out, check=True)
    assert (tmp_path / "out.txt").read_text() == "before\ntext"


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


FULL_DISK = """
import os, resource, sys
from pathlib import Path
import numpy as np
from local.errors import one_line_errors
from local.files import atomic_file, atomic_folder
kind, path = sys.argv[1], Path(sys.argv[2])
def write(target):
    if kind == "text":
        target.write("x" * 100_000)
    elif kind == "arrays":
        np.savez(target, a=np.zeros(100_000), b=np.zeros(100_000))
    elif kind == "picture":
        from matplotlib.figure import Figure
        figure = Figure()
        figure.add_subplot().plot(range(10))
        figure.savefig(target, format="png", dpi=150)
    elif kind == "copies":
        import shutil
        shutil.copytree("local/corpora", target / "code")
    elif kind == "network":
        import torch
        torch.save(torch.zeros(100_000), target / "network.ckpt")
    elif kind == "audio":
        import tarfile
        with tarfile.open(target / "x.tar", "w") as archive:
            archive.add("local/corpora")
with one_line_errors():
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
    if kind in ("text", "arrays", "picture"):
        with atomic_file(path, "w" if kind == "text" else "wb") as fout:
            write(fout)
    else:
        with atomic_folder(path) as folder:
            write(folder)
"""


@pytest.mark.parametrize("kind", ["text", "arrays", "picture", "copies", "network", "audio"])
def test_a_full_disk_is_told_in_one_line_and_leaves_what_was_there(tmp_path, kind):
    path = tmp_path / "result"
    if kind in ("text", "arrays", "picture"):
        path.write_text("old")
    else:
        path.mkdir()
        (path / "old").touch()
    before = sorted(tmp_path.rglob("*"))
    command = [sys.executable, "-c", FULL_DISK, kind, str(path)]
    done = subprocess.run(command, cwd=RECIPE, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {path}: cannot be written: ")
    assert line.endswith(", then give the same command again")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "number, words",
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the quota is used up"),
        (errno.EIO, "the disk fails"),
        (errno.EROFS, "the disk is read-only"),
        (errno.EACCES, "no permission"),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_whatever_a_disk_refuses_is_told_with_what_to_do(
    tmp_path, monkeypatch, number, words, call
):
    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(*(("builtins.open", refused) if call == "open" else (os, call, refused)))
    told = pytest.raises(RecipeError, match=f"scores.txt: cannot be written: {words}")
    with told, atomic_file(tmp_path / "scores.txt") as fout:
        fout.write("new")
    assert list(tmp_path.iterdir()) == []


def test_what_is_read_meanwhile_is_not_called_unwritable(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "scores.txt"):
        (tmp_path / "absent.txt").read_text()


@pytest.mark.parametrize("make", [atomic_file, atomic_folder])
def test_what_gets_its_name_is_on_the_disk_before(tmp_path, monkeypatch, make):
    calls = []

    def logged(call, function):
        def inner(what, *others):
            name = os.readlink(f"/proc/self/fd/{what}") if call == "fsync" else str(what)
            calls.append((call, os.path.relpath(name, tmp_path)))
            return function(what, *others)

        return inner

    for call in ("fsync", "replace"):
        monkeypatch.setattr(os, call, logged(call, getattr(os, call)))
    with make(tmp_path / "result") as target:
        if make is atomic_file:
            target.write("new")
        else:
            (target / "deep").mkdir()
            (target / "deep" / "file").write_text("new")
    own = f".result.{socket.gethostname()}-{os.getpid()}.partial"
    inside = {own} if make is atomic_file else {own, f"{own}/deep", f"{own}/deep/file"}
    *synced, replaced, last = calls
    assert {name for call, name in synced if call == "fsync"} == inside
    assert (replaced, last) == (("replace", own), ("fsync", "."))


@pytest.mark.parametrize("count", [3, 300])
def test_all_that_a_folder_holds_is_on_the_disk_before(tmp_path, count):
    with atomic_folder(tmp_path / "result") as target:
        for number in range(count):
            (target / f"{number}").write_text("new")
    assert len(list((tmp_path / "result").iterdir())) == count


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "inference").mkdir()
    (tmp_path / "inference" / "network").write_text("old")
    replace = os.replace

    def failing(source, target):
        if Path(target).name == "inference" and not Path(source).name.endswith(".old.partial"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(WriteError), atomic_folder(tmp_path / "inference") as target:
        (target / "network").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["inference"]
    assert (tmp_path / "inference" / "network").read_text() == "old"


@pytest.mark.parametrize(
    "damage, expected",
    [
        (lambda content: content, False),
        (lambda content: b"", True),
        (lambda content: bytes(len(content)), True),
        (lambda content: content[:700], True),
        (lambda content: content[: len(content) // 2], True),
        (lambda content: content[:5000] + bytes(4096) + content[9096:], True),
        (lambda content: b"epochs: 3\n", False),
        (lambda content: b"epochs: 3\n" + bytes(4096), True),
    ],
)
def test_damaged_files_are_known(tmp_path, damage, expected):
    path = tmp_path / "network.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/0", bytes(range(1, 201)) * 100)
    path.write_bytes(damage(path.read_bytes()))
    assert is_damaged(path) == expected


@pytest.mark.parametrize(
    "text", ["a.txt, b.txt", "a.txt,b.txt,", " a.txt ,,b.txt", ",a.txt,\tb.txt, ,"]
)
def test_blanks_and_nothing_between_the_paths_of_a_list(text):
    assert split_paths(text) == ["a.txt", "b.txt"]


def test_blanks_that_belong_to_a_path_stay(tmp_path):
    for name in ("Smith, John", " a"):
        (tmp_path / name).mkdir()
    with contextlib.chdir(tmp_path):
        assert split_paths("x, Smith, John, a, b") == ["x", "Smith, John", " a", "b"]
    assert (split_paths(""), split_paths(",")) == ([""], [","])
