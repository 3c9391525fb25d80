"""Processes that read audio files: in order, all at once, and gone however the reading ends."""

import os
import pickle
import signal
import subprocess
import sys
import time
from multiprocessing import Barrier, Value
from pathlib import Path

import numpy as np
import pytest

from conftest import RECIPE
from local.errors import RecipeError
from local.shards import readers, write_shards
from local.shards.places import Utterance
from local.shards.readers import IN_FLIGHT, SLOT, Readers
from shard_writing import wav_bytes


def files(folder, sizes):
    """Files of zeros of these sizes, which take no room on the disk."""
    for number, size in enumerate(sizes):
        path = folder / str(number)
        path.touch()
        os.truncate(path, size)
        yield Utterance(f"s/x/{number}", str(path), size)


def on_cores(monkeypatch, cores):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(cores))


def number_of(utterance):
    return int(utterance.id.rpartition("/")[2])


def read(utterance):
    number = number_of(utterance)
    content = pickle.PickleBuffer(bytes([number % 256]) * utterance.size)
    return utterance, content, np.arange(number)


SIZES = [0, 1, 70000, SLOT - 200000, SLOT, SLOT + 1, 5 * SLOT, *[9000] * 90]


@pytest.mark.parametrize("cores", [1, 2, 3, 16])
def test_answers_come_in_the_order_of_the_files(tmp_path, monkeypatch, cores):
    on_cores(monkeypatch, cores)
    paths = list(files(tmp_path, SIZES))
    with Readers(read) as reader:
        for part in (paths[::-1], paths[:40], []):
            found = []
            for utterance, content, numbers in reader(part):
                number = number_of(utterance)
                assert bytes(content) == bytes([number % 256]) * SIZES[number]
                assert np.array_equal(numbers, np.arange(number))
                found.append(utterance)
            assert found == part


@pytest.mark.parametrize("sizes", [[100 << 20] * 6, [30 << 20] * 9, [1, 100 << 20] * 5])
def test_long_files_are_in_memory_one_by_one(tmp_path, monkeypatch, sizes):
    on_cores(monkeypatch, 6)
    begun, most = Value("q"), 0

    def begin(utterance):
        with begun.get_lock():
            begun.value += utterance.size
        return utterance

    taken = 0
    with Readers(begin) as reader:
        for number, utterance in enumerate(reader(files(tmp_path, sizes))):
            time.sleep(0.02)  # in which others would be begun
            most = max(most, begun.value - taken)
            taken += utterance.size
            assert number_of(utterance) == number
    assert number == len(sizes) - 1 and most <= max(*sizes, IN_FLIGHT) + 1


@pytest.mark.parametrize("cores", [1, 2, 5])
def test_short_files_are_read_on_all_cores(tmp_path, monkeypatch, cores):
    on_cores(monkeypatch, cores)
    barrier = Barrier(cores, timeout=20)  # which as many files have to reach together
    paths, asked = list(files(tmp_path, [SLOT // 2] * cores * 4)), []
    with Readers(lambda path: barrier.wait() >= 0 and path) as reader:
        found = reader(asked.append(path) or path for path in paths)
        assert next(found) == paths[0] and len(asked) <= 2 * cores + 2
        assert list(found) == paths[1:]


def test_a_process_that_is_killed_is_told_in_a_line(tmp_path):
    paths = list(files(tmp_path, [10] * 3))
    with (
        pytest.raises(RecipeError, match=r"that read .*/0, or one of 3 files .* ended with -9;"),
        Readers(lambda path: os.kill(os.getpid(), signal.SIGKILL)) as reader,
    ):
        list(reader(paths))


def test_what_a_process_raises_is_raised(tmp_path):
    def fail(utterance):
        raise RecipeError(f"{number_of(utterance)}: bad")

    with pytest.raises(RecipeError, match="^0: bad$"), Readers(fail) as reader:
        list(reader(files(tmp_path, [10])))


@pytest.mark.parametrize("cores", [1, 2, 7])
def test_shards_and_messages_do_not_depend_on_the_number_of_processes(
    tmp_path, monkeypatch, capsys, cores
):
    monkeypatch.setattr(readers, "SLOT", 1 << 17)  # of one or two files
    for number in range(30):
        path = tmp_path / f"tree/dev/s{number % 7}/x/{number}.{'wav' if number % 3 else 'flac'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wav_bytes(9000 + 2500 * number, seed=number, fmt=path.suffix[1:].upper()))
    (tmp_path / "meta.csv").write_text("id,idx\n")
    told = []
    for name, count in (("one", 1), ("many", cores)):
        on_cores(monkeypatch, count)
        write_shards(tmp_path / "tree", tmp_path / "meta.csv", tmp_path / name, size=8)
        out, err = capsys.readouterr()
        told.append((out, [line for line in err.splitlines() if line.startswith("warning")]))
    assert told[0] == told[1] and "hold no speech" in str(told)
    one, many = (sorted((tmp_path / name / "dev").iterdir()) for name in ("one", "many"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in many]
    (tmp_path / "tree/dev/s3/x/3.flac").write_bytes(b"")
    (tmp_path / "tree/dev/s4/x/11.wav").write_bytes(wav_bytes()[:-9])
    errors = []
    for count in (1, cores):
        on_cores(monkeypatch, count)
        with pytest.raises(RecipeError) as error:
            write_shards(tmp_path / "tree", tmp_path / "meta.csv", tmp_path / "none", size=8)
        errors.append(str(error.value))
    assert errors[0] == errors[1] and errors[0].startswith("2 of 30 audio files")
    assert [path.name for path in tmp_path.glob("none/[!.]*")] == ["bad_audio.csv"]


@pytest.mark.long
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_the_writer(tmp_path, sent):
    for number in range(3000):
        path = tmp_path / f"tree/dev/s/x/{number}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wav_bytes(16000, seed=number % 5, fmt="FLAC") if number < 5 else b"")
        if number >= 5:
            path.unlink()
            path.hardlink_to(path.with_stem(str(number % 5)))
    (tmp_path / "meta.csv").write_text("id,idx\n")
    words = [sys.executable, "-m", "local.shards", "--in", tmp_path / "tree", "--meta"]
    words += [tmp_path / "meta.csv", "--out", tmp_path / "out"]
    with subprocess.Popen(list(map(str, words)), cwd=RECIPE, stderr=subprocess.DEVNULL) as writer:
        children = Path(f"/proc/{writer.pid}/task/{writer.pid}/children")
        while not (family := children.read_text().split()):
            time.sleep(0.01)
        time.sleep(0.2)
        writer.send_signal(sent)
    end = time.monotonic() + 5
    while any(Path(f"/proc/{number}/exe").exists() for number in family):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert family and not [path for path in (tmp_path / "out").iterdir() if path.name[0] != "."]
