"""Embeddings beside the run: found by content, and never those of something else."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from conftest import RECIPE
from embedding_runs import LENGTHS, embed, make_run, make_shards, random_run, shards_of_noise
from local.embeddings import (
    Embeddings,
    batches,
    cache,
    embedder,
    get_embeddings,
    read_embeddings,
    write_embeddings,
)
from local.errors import RecipeError
from local.training.checksums import write_checksums

shards = pytest.fixture(shards_of_noise, scope="module")
run = pytest.fixture(random_run)


def no_network(monkeypatch):
    """From here on nothing can be computed."""

    def fail(*_):
        raise AssertionError("the network was loaded")

    monkeypatch.setattr(embedder, "load_encoder", fail)


def test_what_is_cached_needs_no_network(run, shards, tmp_path, monkeypatch, capsys):
    first = get_embeddings(run, [shards], device="cpu")
    no_network(monkeypatch)
    again = get_embeddings(run / "inference", [shards, shards], device="cpu")
    assert again.ids == first.ids and again.about == first.about
    assert np.array_equal(again.vectors, first.vectors)
    moved = shutil.copytree(run, tmp_path / "moved")
    get_embeddings(moved, [shards], device="cpu")
    capsys.readouterr()
    embed(run, [shards], tmp_path / "out.npz")
    assert capsys.readouterr().out.endswith("8 utterances, 16 dimensions (from the cache)\n")
    assert read_embeddings(tmp_path / "out.npz", run).about == first.about


@pytest.mark.long
def test_what_is_cached_imports_no_speechbrain(run, shards, tmp_path):
    get_embeddings(run, [shards], device="cpu")
    code = "import sys; from local.embeddings.__main__ import main; main(sys.argv[1:]);"
    code += "print(any(name.startswith('speechbrain') for name in sys.modules))"
    options = ["--shards", str(shards), "--out", str(tmp_path / "out.npz"), "--device", "cpu"]
    command = [sys.executable, "-c", code, str(run), *options]
    answer = subprocess.run(command, cwd=RECIPE, capture_output=True, text=True, check=True)
    assert answer.stdout.endswith("(from the cache)\nFalse\n")


def test_a_cache_of_many_is_found_without_the_network(run, tmp_path, monkeypatch):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/shard-000000.tar").write_bytes(b"never read")
    store = cache.EmbeddingCache(run / "inference", tmp_path / "dev", "fp32")
    ids = [f"id{number % 100}/video-{number // 10}/{number}" for number in range(5000)]
    vectors = np.ones((5000, 192), np.float32)
    store.store(Embeddings(ids, vectors, np.ones(5000, np.int64), store.about))
    no_network(monkeypatch)
    assert get_embeddings(run, [tmp_path / "dev"], device="cpu").ids == ids


def hashed(monkeypatch):
    """The files that are read for their digest from here on."""
    read = []
    digest = cache.hashlib.file_digest
    watched = lambda file, name: read.append(file.name) or digest(file, name)  # noqa: E731
    monkeypatch.setattr(cache.hashlib, "file_digest", watched)
    return read


def test_shards_that_are_known_are_not_read(run, shards, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "CLOCK_TICK", 0)
    own = shutil.copytree(shards, tmp_path / "dev")
    get_embeddings(run, [own], device="cpu")
    no_network(monkeypatch)
    read = hashed(monkeypatch)
    get_embeddings(run, [own], device="cpu")
    assert read == []
    # Touched, copied, renamed: read once, recognised, and known from then on.
    os.utime(own / "shard-000000.tar")
    copied = shutil.copytree(own, tmp_path / "other name")
    for folder, count in ((own, 1), (own, 0), (copied, 2), (copied, 0)):
        read.clear()
        get_embeddings(run, [folder], device="cpu")
        assert len(read) == count


def same_names_other_audio(own, tmp_path):
    """Ids, lengths, sizes and times of modification as before, all audio another."""
    make_shards(tmp_path / "new", seed=100)
    for new in (tmp_path / "new").iterdir():
        old = own / new.name
        assert new.stat().st_size == old.stat().st_size
        times = (old.stat().st_atime_ns, old.stat().st_mtime_ns)
        os.utime(new, ns=times)
        new.replace(old)
        assert old.stat().st_mtime_ns == times[1]


def test_corpora_of_the_same_names_are_never_mixed(run, shards, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "CLOCK_TICK", 0)
    own = shutil.copytree(shards, tmp_path / "dev")
    first = get_embeddings(run, [own], device="cpu")
    same_names_other_audio(own, tmp_path)
    second = get_embeddings(run, [own], device="cpu")
    assert second.ids == first.ids
    assert np.abs(second.vectors - first.vectors).max() > 0.01
    assert len(list((run / "embeddings").iterdir())) == 2
    shutil.rmtree(run / "embeddings")
    assert np.array_equal(get_embeddings(run, [own], device="cpu").vectors, second.vectors)


def test_a_change_within_a_tick_of_the_clock_is_seen(run, shards, tmp_path, monkeypatch):
    own = shutil.copytree(shards, tmp_path / "dev")
    standing = cache.shard_states(sorted(own.iterdir()))
    monkeypatch.setattr(cache, "CLOCK_TICK", 10**18)  # a busy machine takes its time
    monkeypatch.setattr(cache, "shard_states", lambda _: [dict(state) for state in standing])
    first = get_embeddings(run, [own], device="cpu")
    same_names_other_audio(own, tmp_path)
    second = get_embeddings(run, [own], device="cpu")
    assert (second.vectors != first.vectors).any()


def other_parameters(run):
    shutil.rmtree(run)
    make_run(run, seed=1)


def other_code(run):
    with open(run / "inference/speaker_models/prototype.py", "a") as fout:
        fout.write("# changed\n")


def other_hyperparameters(run):
    path = run / "inference/hyperparams.yaml"
    path.write_text(path.read_text().replace("norm_type: global", "norm_type: sentence") + "\n#\n")


@pytest.mark.parametrize("change", [other_parameters, other_code, other_hyperparameters])
def test_another_checkpoint_has_its_own(run, shards, tmp_path, change, monkeypatch):
    first = get_embeddings(run, [shards], device="cpu")
    write_embeddings(tmp_path / "old.npz", first)
    kept = shutil.copytree(run / "embeddings", tmp_path / "kept")
    change(run)
    shutil.copytree(kept, run / "embeddings", dirs_exist_ok=True)
    with pytest.raises(RecipeError, match="old.npz: belongs to another checkpoint") as error:
        read_embeddings(tmp_path / "old.npz", run)
    assert "\n" not in str(error.value)
    no_network(monkeypatch)
    with pytest.raises(AssertionError, match="the network was loaded"):
        get_embeddings(run, [shards], device="cpu")


def test_embeddings_of_a_network_that_is_gone_go(run, shards, tmp_path):
    get_embeddings(run, [shards], device="cpu")
    get_embeddings(run, [shards], device="cpu", precision="bf16")
    old = set((run / "embeddings").iterdir())
    mine = run / "embeddings/mine.npz"  # nobody else's business
    write_embeddings(mine, get_embeddings(run, [shards], device="cpu"))
    with open(run / "inference/embedding_model.ckpt", "ab") as fout:
        fout.write(b"trained further")
    write_checksums(run / "inference", "*.ckpt")
    get_embeddings(run, [shards], device="cpu")
    left = set((run / "embeddings").iterdir())
    assert len(old) == 2 and not left & old and mine in left and len(left) == 2


def test_another_precision_has_its_own(run, shards, monkeypatch):
    get_embeddings(run, [shards], device="cpu")
    no_network(monkeypatch)
    with pytest.raises(AssertionError, match="the network was loaded"):
        get_embeddings(run, [shards], device="cpu", precision="bf16")


DAMAGES = {
    "cut off": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "not npz": lambda content: b"not npz",
    "a byte of the vectors": lambda content: flip(content, b"vectors.npy", 300),
    "a byte of the record": lambda content: flip(content, b"about.npy", 300),
}


def flip(content, member, offset):
    place = content.index(member) + offset
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_cache_is_made_again(run, shards, damage, capsys):
    first = get_embeddings(run, [shards], device="cpu")
    (path,) = (run / "embeddings").iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    capsys.readouterr()
    again = get_embeddings(run, [shards], device="cpu")
    (line,) = [li for li in capsys.readouterr().err.splitlines() if str(path) in li]
    assert (
        line.startswith("embedding once more, as the cache cannot be used: ") and "damaged" in line
    )
    assert np.array_equal(again.vectors, first.vectors)
    assert np.array_equal(read_embeddings(path).vectors, first.vectors)


def test_a_cache_under_a_wrong_name_is_not_used(run, shards, capsys):
    first = get_embeddings(run, [shards], device="cpu")
    (path,) = (run / "embeddings").iterdir()
    about = {**first.about, "checkpoint": "0" * 64}
    write_embeddings(path, replace(first, vectors=first.vectors + 1, about=about))
    again = get_embeddings(run, [shards], device="cpu")
    assert "holds other embeddings than its name tells" in capsys.readouterr().err
    assert np.array_equal(again.vectors, first.vectors)


def test_interrupted_writing_leaves_nothing(run, shards, monkeypatch):
    def interrupted(fout, **arrays):
        fout.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", interrupted)
        with pytest.raises(KeyboardInterrupt):
            get_embeddings(run, [shards], device="cpu")
    assert list((run / "embeddings").iterdir()) == []


def test_a_run_that_cannot_be_written_does_not_stop_the_work(run, shards, tmp_path, capsys):
    (run / "embeddings").write_text("a file where the folder would be")
    embed(run, [shards], tmp_path / "out.npz")
    printed = capsys.readouterr()
    assert f"{run}/embeddings: cannot be written" in printed.err
    assert len(read_embeddings(tmp_path / "out.npz", run)) == len(LENGTHS)


def test_shards_that_change_meanwhile(run, shards, tmp_path, monkeypatch):
    own = shutil.copytree(shards, tmp_path / "dev")

    def touching(*arguments):
        yield from batches.read_batches(*arguments)
        os.utime(own / "shard-000000.tar", ns=(1, 1))

    monkeypatch.setattr(embedder, "read_batches", touching)
    with pytest.raises(RecipeError, match="shard-000000.tar: changed while it was read"):
        get_embeddings(run, [own], device="cpu")
    assert not (run / "embeddings").exists()
