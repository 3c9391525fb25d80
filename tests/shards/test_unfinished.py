"""Shards that were finished when the writer was stopped: they are taken up, and nothing else."""

import contextlib
import io
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
import soundfile as sf

import not_speech
from conftest import RECIPE
from local.errors import RecipeError
from local.shards import shard_file, split_writing, write_shards
from warm_python import warm_python

SIZE = 3


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """26 recordings in three splits, among them some with nothing but hum, or silent."""
    root = tmp_path_factory.mktemp("unfinished") / "tree"
    rng = np.random.default_rng(0)
    for split, speakers, count in (("train", "ab", 6), ("dev", "cd", 5), ("eval", "e", 4)):
        for speaker in speakers:
            for number in range(count):
                path = root / split / speaker / f"x/{number}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                kinds = (not_speech.voice, not_speech.hum, lambda _: np.zeros(9000))
                sf.write(path, kinds[number % 4 % 3](rng), 16000)
    (root / "tiny_meta.csv").write_text("id,idx\na,0\nb,1\n")
    return root


def contents(out):
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def write(tree, out, **options):
    write_shards(tree, tree / "tiny_meta.csv", out, **{"size": SIZE, **options})
    return contents(out)


@pytest.fixture(scope="module")
def undisturbed(tree):
    """The files of a call that nobody stops, and its warnings."""
    with contextlib.redirect_stderr(io.StringIO()) as err:
        files = write(tree, tree.with_name("undisturbed"))
    return files, [line for line in err.getvalue().splitlines() if line.startswith("warning")]


KILLED = """
import itertools, os, signal, sys
from local.shards import split_writing, unfinished, writing
module, name, number = eval(sys.argv[1]), sys.argv[2], itertools.count(1)
original = getattr(module, name)
def kill(*arguments, **options):
    if next(number) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **options)
setattr(module, name, kill)
writing.write_shards(*sys.argv[4:], size=3)
"""
MOMENTS = (  # the function before whose call of this number it is killed, and shards that stay
    ("split_writing", "pack", 3, 2),
    ("split_writing.Unfinished", "keep", 5, 4),
    ("split_writing", "write_record", 2, 10),
    ("writing", "forget", 1, 10),
)


def killed(tree, out, *moment):
    command = [warm_python(), "-c", KILLED, *map(str, moment), tree, tree / "tiny_meta.csv", out]
    answer = subprocess.run(list(map(str, command)), cwd=RECIPE, capture_output=True, text=True)
    assert answer.returncode == -signal.SIGKILL, answer.stderr


@pytest.mark.parametrize("module, name, number, stay", MOMENTS)
def test_a_killed_writer_is_taken_up(
    tree, tmp_path, undisturbed, capsys, module, name, number, stay
):
    out = tmp_path / "out"
    killed(tree, out, module, name, number)
    before = {path.stat().st_mtime_ns for path in out.rglob("shard-*.tar")}
    write(tree, out)
    said, err = capsys.readouterr()
    assert contents(out) == undisturbed[0] and not list(out.rglob(".*"))
    assert [line for line in err.splitlines() if line.startswith("warning")] == undisturbed[1]
    assert len(undisturbed[1]) == 3
    finished = re.findall(r": (\d+) of \d shards are finished already", said)
    assert sum(map(int, finished)) == (stay if "forget" not in name else 0)
    after = {path.stat().st_mtime_ns for path in out.rglob("shard-*.tar")}
    assert len(after & before) == stay


def stop(tree, out, number):
    """Interrupt the writer before the shard of this number."""
    numbers = itertools.count(1)

    def pack(*arguments):
        if next(numbers) == number:
            raise KeyboardInterrupt
        return shard_file.pack(*arguments)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(split_writing, "pack", pack)
        write(tree, out)


def test_at_any_moment(tree, tmp_path, undisturbed):
    out, command = tmp_path / "out", [warm_python(), "-m", "local.shards", "--size", str(SIZE)]
    command += ["--in", str(tree), "--meta", str(tree / "tiny_meta.csv"), "--out", str(out)]
    for moment in (0, 2, 5):
        with subprocess.Popen(command, cwd=RECIPE, stderr=-3, stdout=-3) as process:
            end = time.monotonic() + 20
            while process.poll() is None and time.monotonic() < end:
                if len(list(out.rglob("*shard*"))) > moment:
                    break
            process.kill()
    write(tree, out)
    assert contents(out) == undisturbed[0] and not list(out.rglob(".*"))


def no_note(folder):
    (folder / ".train.notes/shard-000000.tar.json").unlink()


def half_a_note(folder):
    path = folder / ".train.notes/shard-000000.tar.json"
    path.write_text(path.read_text()[:-9])


def of_others(folder):
    for path in folder.glob(".*.notes/*"):
        note = json.loads(path.read_text())
        note["origin"]["files"] = "0" * 64
        path.write_text(json.dumps(note))


def cut(folder):
    path = folder / ".train.partial/shard-000000.tar"
    os.truncate(path, path.stat().st_size - 512)


def altered(folder):
    path = folder / ".train.partial/shard-000000.tar"
    state, content = path.stat(), bytearray(path.read_bytes())
    content[9000] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def more(folder):
    (folder / ".train.partial/.shard-000001.tar.elsewhere-7.partial").write_bytes(b"half")
    (folder / ".train.partial/shard-000009.tar").write_bytes(b"of another number")


SPOILT = {no_note: 2, half_a_note: 2, of_others: 0, cut: 2, altered: 2, more: 3}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_what_is_damaged_or_of_others_is_written_anew(tree, tmp_path, undisturbed, capsys, spoil):
    stop(tree, tmp_path / "out", 4)
    spoil(tmp_path / "out")
    write(tree, tmp_path / "out")
    told = capsys.readouterr()
    assert contents(tmp_path / "out") == undisturbed[0]
    assert f"out/train: {SPOILT[spoil]} of 4 shards" in told.out or not SPOILT[spoil]
    assert "finished shards of a call that was stopped are not used" in told.err


@pytest.mark.parametrize("option", [{"size": 4}, {"check": False}])
def test_other_options_start_anew(tree, tmp_path, capsys, option):
    stop(tree, tmp_path / "out", 4)
    files = write(tree, tmp_path / "out", **option)
    assert "train: 3 finished shards of a call that was stopped are not" in capsys.readouterr().err
    assert files == write(tree, tmp_path / "again", **option)


def test_a_file_that_was_mended_starts_its_shard_anew(tree, tmp_path, capsys):
    own = shutil.copytree(tree, tmp_path / "tree")
    stop(own, tmp_path / "out", 6)
    sf.write(own / "train/a/x/0.wav", not_speech.voice(np.random.default_rng(9)), 16000)
    files = write(own, tmp_path / "out")
    assert "out/train: 3 of 4 shards are finished already" in capsys.readouterr().out
    assert files == write(own, tmp_path / "again")


def test_an_error_and_faulty_audio_keep_what_is_finished(tree, tmp_path):
    own, out = shutil.copytree(tree, tmp_path / "tree"), tmp_path / "out"
    stop(own, out, 6)
    (tmp_path / "other.csv").write_text("id,idx\na,0\n")
    with pytest.raises(RecipeError, match="has no class index"):
        write_shards(own, tmp_path / "other.csv", out, size=SIZE)
    assert len(list(out.glob(".train.partial/*.tar"))) == 4
    (own / "dev/c/x/0.wav").write_bytes(b"")
    with pytest.raises(RecipeError, match="shards without them stay"):
        write(own, out)
    assert [path.name for path in out.glob("[!.]*")] == ["bad_audio.csv"]
    assert len(list(out.glob(".*.partial/*.tar"))) == 9  # of ten
    shutil.copy(tree / "dev/c/x/0.wav", own / "dev/c/x")
    assert write(own, out) == write(own, tmp_path / "again")


LIMITED = """
import resource, sys
from local.shards.__main__ import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), -1))
del sys.argv[1]
main()
"""


def test_a_disk_that_fills_up_keeps_what_is_finished(tree, tmp_path):
    """As far as that can be had: no file may be longer than the shards but for one."""
    own, out = shutil.copytree(tree, tmp_path / "tree"), tmp_path / "out"
    longest = np.tile(not_speech.voice(np.random.default_rng(9)), 9)
    sf.write(own / "dev/c/x/0.wav", longest, 16000)
    command = [warm_python(), "-c", LIMITED, str(2 * len(longest)), "--in", own, "--size", SIZE]
    command += ["--meta", own / "tiny_meta.csv", "--out", out]
    answer = subprocess.run(list(map(str, command)), cwd=RECIPE, capture_output=True, text=True)
    assert answer.returncode == 1
    error = answer.stderr.strip().splitlines()[-1]
    assert "/shard-000000.tar: cannot be written: it would be larger than a file may be" in error
    assert error.endswith("shards are finished, and stay")
    stay = int(error.split()[-6])
    assert stay >= 4 and len(list(out.glob(".*.partial/*.tar"))) == stay
    assert write(own, out) == write(own, tmp_path / "again")


def test_no_room_is_told_before_anything_is_written(tree, tmp_path):
    own = shutil.copytree(tree, tmp_path / "tree")
    path = own / "dev/c/x/0.wav"
    try:
        os.truncate(path, min(2 * shutil.disk_usage(tmp_path).free, 15 << 40))  # takes no room
    except OSError:
        pytest.skip("no file may be as large as this disk here")
    with pytest.raises(
        RecipeError, match=r"out: shards need about [\d,.]+ GiB, and [\d,.]+ [GM]iB a"
    ):
        write(own, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))
