"""Embeddings of audio files beside the run: found by content, one file at a time."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from embedding_runs import make_run, random_run
from local.embeddings import (
    Embedder,
    embedder,
    from_files,
    kept_files,
    plain_audio,
    read_embeddings,
)
from local.embeddings.__main__ import main
from local.errors import RecipeError
from shard_writing import wav_bytes

LENGTHS = (16000, 30007, 5000, 16000, 24000)
FILES = {f"s{n % 2}/y/{n}": f"s{n % 2}/y/{n}.wav" for n in range(len(LENGTHS))}

run = pytest.fixture(random_run)


@pytest.fixture
def folder(tmp_path):
    for number, length in enumerate(LENGTHS):
        write(tmp_path / "wav", number, length)
    return tmp_path / "wav"


def write(folder, number, length, seed=0):
    path = folder / f"s{number % 2}/y/{number}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav_bytes(length, seed=seed + number, fade=number))


def embed(run, folder, names=FILES, **options):
    network = Embedder(run, device="cpu", progressbar=False, **options)
    return network.embed_files(folder, dict(names))


def nothing_is_read(monkeypatch):
    """From here on no audio can be read, and nothing computed."""

    def fail(*_, **__):
        raise AssertionError("audio was read")

    monkeypatch.setattr(from_files, "read_plain", fail)
    monkeypatch.setattr(embedder, "load_encoder", fail)


@pytest.fixture(autouse=True)
def exact_clock(monkeypatch):
    monkeypatch.setattr(plain_audio, "CLOCK_TICK", 0)


def test_a_second_call_reads_no_audio(run, folder, monkeypatch):
    first, (place,) = embed(run, folder)
    nothing_is_read(monkeypatch)
    some = dict(list(FILES.items())[3:1:-1])
    for names in (FILES, some):
        again, places = embed(run / "inference", folder, names)
        assert places == [place] and again.ids == list(names)
        assert np.array_equal(again.vectors, first.vectors[first.rows(names)])
    assert first.num_frames.tolist() == list(LENGTHS)
    assert read_embeddings(place, run).ids == sorted(FILES)


def test_only_what_is_named_is_read_and_the_rest_later(run, folder, monkeypatch):
    read = []
    plain = from_files.read_plain
    monkeypatch.setattr(
        from_files, "read_plain", lambda path, known: read.append(path.name) or plain(path)
    )
    names = list(FILES.items())
    embed(run, folder, names[:2])
    embed(run, folder, names[1:])
    assert sorted(read) == [f"{number}.wav" for number in range(len(LENGTHS))]
    assert len(list((run / "embeddings").glob("*.npz"))) == 1


def test_a_folder_that_was_moved_needs_no_network(run, folder, tmp_path, monkeypatch):
    first, _ = embed(run, folder)
    moved = shutil.copytree(folder, tmp_path / "other")
    (moved / "s0/y/0.wav").rename(moved / "s0/y/7.wav")
    names = {"s0/y/7" if key == "s0/y/0" else key: None for key in FILES}
    names = {key: f"{key}.wav" for key in names}
    monkeypatch.setattr(embedder, "load_encoder", None)
    found, _ = embed(run, moved, names)
    assert np.array_equal(found.vectors, first.vectors)
    nothing_is_read(monkeypatch)
    embed(run, moved, names)


def test_audio_that_changed_is_embedded_anew(run, folder):
    """Also where name, length, size and time of modification are those of before."""
    first, _ = embed(run, folder)
    changed = folder / FILES["s1/y/1"]
    before = changed.stat()
    write(folder, 1, LENGTHS[1], seed=9)
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert changed.stat().st_size == before.st_size
    second, (place,) = embed(run, folder)
    moved = np.abs(first.vectors - second.vectors).max(axis=1) > 1e-3
    assert moved.tolist() == [key == "s1/y/1" for key in first.ids]
    assert len(read_embeddings(place)) == len(FILES)


def test_a_change_within_a_tick_of_the_clock_is_seen(run, folder, monkeypatch):
    """Also where the tick is over when the file that was read is embedded at last."""
    monkeypatch.setattr(plain_audio, "CLOCK_TICK", 10**15)
    make, now = from_files.make_table, time.time_ns

    def much_later(rows):
        with monkeypatch.context() as patch:
            patch.setattr(time, "time_ns", lambda: now() + 10**16)
            return make(rows)

    monkeypatch.setattr(from_files, "make_table", much_later)
    standing = {path: from_files.stamp_of(folder / path) for path in FILES.values()}
    monkeypatch.setattr(from_files, "_stamps", lambda *_: standing)
    first, _ = embed(run, folder)
    write(folder, 1, LENGTHS[1], seed=9)
    assert (embed(run, folder)[0].vectors != first.vectors).any()


def test_company_and_workers_change_nothing(run, folder, monkeypatch):
    expected, (place,) = embed(run, folder)
    for gathered, options in ((1, {}), (40_000, {"batch_size": 2}), (10**9, {"num_workers": 2})):
        os.unlink(place)
        monkeypatch.setattr(from_files, "GATHERED", gathered)
        found, _ = embed(run, folder, **options)
        assert found.ids == expected.ids
        assert np.abs(found.vectors - expected.vectors).max() < 1e-5


def test_what_was_embedded_before_a_kill_is_kept(run, folder, monkeypatch):
    monkeypatch.setattr(from_files, "KEPT_AT_ONCE", 1)
    plain = from_files.read_plain

    def killed(path, known):
        if path.name == "3.wav":
            raise KeyboardInterrupt
        return plain(path, known)

    with monkeypatch.context() as patch:
        patch.setattr(from_files, "read_plain", killed)
        with pytest.raises(KeyboardInterrupt):
            embed(run, folder)
    (place,) = (run / "embeddings").glob("*.npz")
    assert read_embeddings(place).ids == ["s0/y/0", "s0/y/2", "s0/y/4", "s1/y/1"]
    read = []
    monkeypatch.setattr(
        from_files, "read_plain", lambda path, known: read.append(path) or plain(path)
    )
    assert len(embed(run, folder)[0]) == len(FILES) and read == [folder / "s1/y/3.wav"]


@pytest.mark.parametrize("workers", [0, 2])
def test_what_was_embedded_before_ctrl_c_is_kept(run, folder, monkeypatch, workers):
    monkeypatch.setattr(from_files, "GATHERED", 1)  # samples: each file is embedded as it comes
    watched = from_files._watched

    def interrupted(rows, bar):
        for number, row in enumerate(watched(rows, bar)):
            if number == 3:
                raise KeyboardInterrupt
            yield row

    monkeypatch.setattr(from_files, "_watched", interrupted)
    with pytest.raises(KeyboardInterrupt):
        embed(run, folder, num_workers=workers)
    (place,) = (run / "embeddings").glob("*.npz")
    assert len(read_embeddings(place)) == 3


def test_two_jobs_keep_the_work_of_both(run, folder):
    jobs = [kept_files.KeptFiles(run / "inference", folder, "fp32") for _ in range(2)]
    vectors = np.ones((1, 16), np.float32)
    for job, name in zip(jobs, ("a.wav", "b.wav"), strict=True):
        stamp = kept_files.Stamp(1, 2, 3)
        job.store(kept_files.make_table({name: (stamp, name.encode() * 6 + b"xx", vectors[0], 9)}))
    assert read_embeddings(jobs[0].path).ids == ["a", "b"]
    assert not list((run / "embeddings").glob(".*"))


def test_another_network_or_precision_has_its_own(run, folder, tmp_path, monkeypatch):
    embed(run, folder)
    embed(run, folder, precision="bf16")
    assert len(list((run / "embeddings").iterdir())) == 2
    old = set((run / "embeddings").iterdir())
    shutil.copytree(
        make_run(tmp_path / "new", seed=1) / "inference", run / "inference", dirs_exist_ok=True
    )
    first = embed(run, folder)[0]
    assert not old & set((run / "embeddings").iterdir())
    assert first.about["checkpoint"]


@pytest.mark.parametrize("damage", ["cut off", "other shapes", "NaN"])
def test_a_damaged_file_is_made_again(run, folder, damage, capsys):
    first, (place,) = embed(run, folder)
    if damage == "cut off":
        content = Path(place).read_bytes()
        Path(place).write_bytes(content[: len(content) // 2])
    else:
        with np.load(place) as arrays:
            arrays = dict(arrays)
        arrays["num_frames"] = arrays["num_frames"][1:] if damage != "NaN" else arrays["num_frames"]
        arrays["vectors"][0, 0] = np.nan
        np.savez(place, **arrays)
    capsys.readouterr()
    again, _ = embed(run, folder)
    told = capsys.readouterr().err
    assert np.array_equal(again.vectors, first.vectors) and len(read_embeddings(place)) == 5
    assert "\n" not in told.strip() and (damage == "cut off" or f"{place}: damaged" in told)


def test_a_run_that_cannot_be_written_does_not_stop_the_work(run, folder, capsys):
    (run / "embeddings").write_text("a file where the folder would be")
    assert len(embed(run, folder)[0]) == len(FILES)
    assert f"{run}/embeddings: cannot be written" in capsys.readouterr().err


def test_files_that_go_or_change_meanwhile(run, folder, monkeypatch):
    (folder / "s0/y/0.wav").unlink()
    (folder / "s1/y/1.wav").unlink()
    (folder / "s1/y/1.wav").symlink_to("nowhere.wav")
    states = iter(range(100))
    plain = from_files.read_plain
    stamp = plain.__globals__["stamp_of"]

    def moving(path):
        found = stamp(path)
        return found._replace(mtime_ns=next(states)) if str(path).endswith("3.wav") else found

    monkeypatch.setitem(plain.__globals__, "stamp_of", moving)
    with pytest.raises(RecipeError, match="3 of 5 audio files cannot be embedded") as error:
        embed(run, folder)
    assert "s0/y/0.wav: No such file or directory; s1/y/1.wav: No such" in str(error.value)
    assert "s1/y/3.wav: changed while it was read" in str(error.value)


def test_the_command(run, folder, tmp_path, capsys):
    arguments = [str(run), "--audio_folder", str(folder), "--out", str(tmp_path / "out.npz")]
    main([*arguments, "--device", "cpu", "--num_workers", "1"])
    assert capsys.readouterr().out.endswith("out.npz: 5 utterances, 16 dimensions\n")
    found = read_embeddings(tmp_path / "out.npz", run)
    assert found.ids == sorted(FILES)
    assert np.allclose(found.vectors, embed(run, folder, dict(sorted(FILES.items())))[0].vectors)
    with pytest.raises(SystemExit):
        main([*arguments, "--shards", "x"])


def test_a_kept_id_that_may_be_two_files_is_refused(run, folder):
    """Of files in two folders, each scored in a call of its own, ids end with the same parts."""
    shutil.copytree(folder, folder / "louder")
    for number, length in enumerate(LENGTHS):
        write(folder / "louder", number, length, seed=99)
    embed(run, folder)
    name = "s0/y/0"
    found, (place,) = embed(run, folder, {name: f"louder/{FILES[name]}"})
    assert len(found) == 1
    with pytest.raises(RecipeError, match="trials.txt: s0/y/0 may be louder/s0/y/0 or s0/y/0: "):
        read_embeddings(place).rows(["s1/y/1", name], "trials.txt")
    assert read_embeddings(place).rows(["s1/y/1"]).tolist() == [4]
