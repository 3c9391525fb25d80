"""Embeddings: the same whatever the batch and the length."""

import functools
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from speechbrain.inference.classifiers import EncoderClassifier

from conftest import RECIPE
from embedding_runs import LENGTHS, NETWORKS, chain, embed, make_run, random_run, shards_of_noise
from local.bundle import batching, encode, load_encoder
from local.embeddings import batches, embedder, get_embeddings
from local.embeddings.batches import cut, plan_batches
from local.errors import RecipeError
from local.shards import MappedShards, index_shards, read_shards
from local.shards.audio import decode, repeat_to
from local.training.checksums import write_checksums
from shard_writing import member_pair, wav_bytes, write_tar

shards = pytest.fixture(shards_of_noise, scope="module")
run = pytest.fixture(random_run)


def one_at_a_time(run, folder):
    """The definition: SpeechBrain's own interface on each utterance by itself."""
    source = str(run / "inference")
    encoder = EncoderClassifier.from_hparams(source=source, overrides={"pretrained_path": source})
    signals = [decode(audio, sample) for sample, audio in read_shards(index_shards(folder).shards)]
    return np.stack(
        [
            encoder.encode_batch(torch.from_numpy(repeat_to(signal, 8000))).flatten().numpy()
            for signal in signals
        ]
    )


def cosines(first, second):
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (first * second).sum(axis=1) / norms


# The company in the batch ------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_the_company_in_the_batch_changes_nothing(name, shards, tmp_path):
    hparams, rule = NETWORKS[name]
    run = make_run(tmp_path / "run", hparams)
    assert batching(load_encoder(run, "cpu")) == rule
    expected = one_at_a_time(run, shards)
    found = get_embeddings(run, [shards], device="cpu", batch_size=4)
    assert found.ids == [sample.key for sample in index_shards(shards)]
    assert found.num_frames.tolist() == list(LENGTHS)
    assert found.vectors.dtype == np.float32 and found.vectors.shape == expected.shape
    assert cosines(found.vectors, expected).min() > 0.99999
    # All noise sounds alike to a network: around the mean the differences count.
    mean = expected.mean(axis=0)
    assert cosines(found.vectors - mean, expected - mean).min() > 0.999
    shutil.rmtree(run / "embeddings")
    again = get_embeddings(run, [shards], device="cpu", batch_size=4)
    assert np.array_equal(again.vectors, found.vectors)


def test_masks_give_what_equal_lengths_give(run, shards, monkeypatch):
    batches = []  # the lengths in each: the results need not differ in a single bit

    def noted(encoder, signals):
        batches[-1].append([len(signal) for signal in signals])
        return encode(encoder, signals)

    monkeypatch.setattr(embedder, "encode", noted)
    found = []
    for rule in ("mixed", "equal", "single"):
        monkeypatch.setattr(embedder, "batching", lambda _, rule=rule: rule)
        batches.append([])
        found.append(get_embeddings(run, [shards], device="cpu").vectors)
        shutil.rmtree(run / "embeddings")
    mixed, equal, single = batches
    assert any(len(set(batch)) > 1 for batch in mixed)
    assert all(len(set(batch)) == 1 for batch in equal) and max(map(len, equal)) > 1
    assert all(len(batch) == 1 for batch in single)
    for vectors in found[1:]:
        assert np.abs(found[0] - vectors).max() < 1e-5 * np.abs(found[0]).max()


def test_half_precision_is_near_and_stored_in_full(run, shards):
    full = get_embeddings(run, [shards], device="cpu")
    half = get_embeddings(run, [shards], device="cpu", precision="bf16")
    assert half.vectors.dtype == np.float32
    assert (half.vectors != full.vectors).any()
    assert cosines(half.vectors, full.vectors).min() > 0.999
    alone = get_embeddings(run, [shards], device="cpu", precision="bf16", batch_size=1)
    assert cosines(half.vectors, alone.vectors).min() > 0.9999


def test_plans_hold_every_piece_once_within_bounds():
    rng = np.random.default_rng(0)
    for mixed in (True, False):
        for _ in range(20):
            lengths = rng.integers(1, 30, rng.integers(1, 200)).tolist()
            bounds = {"max_frames": 60, "sorted_frames": 400}
            batches = plan_batches(lengths, 5, mixed=mixed, **bounds)
            assert sorted(chain(batches)) == list(range(len(lengths)))
            for batch in batches:
                of_batch = [lengths[number] for number in batch]
                assert len(batch) <= 5 and len(batch) * max(of_batch) <= 60
                assert mixed or len(set(of_batch)) == 1
                # What is read together lies together.
                assert sum(lengths[min(batch) : max(batch)]) <= 400
    (batch,) = plan_batches([7, 9, 7], 5, mixed=True)
    assert batch == [1, 0, 2]
    assert plan_batches([100], 5, mixed=True, max_frames=60) == [[0]]


def test_audio_lies_where_it_is_located(shards):
    index = index_shards(shards)
    mapped = MappedShards(index)
    for row, (_, audio) in enumerate(read_shards(index.shards)):
        assert mapped.audio(row) == audio


# Long audio --------------------------------------------------------------------------------------


def test_windows_cover_an_utterance():
    for length in (1, 99, 100, 101, 200, 250, 1001):
        pieces = cut([length], max_frames=100)
        covered = np.zeros(length, dtype=int)
        for piece in pieces:
            covered[piece.start : piece.start + piece.num_frames] += 1
            assert piece.num_frames <= 100
        assert len(pieces) == -(-length // 100) and len({p.num_frames for p in pieces}) == 1
        assert covered.min() == 1 and covered.sum() < length + len(pieces)


def test_a_long_utterance_is_the_mean_of_its_windows(run, shards, monkeypatch):
    monkeypatch.setattr(embedder, "cut", functools.partial(cut, max_frames=16000))
    decoded = []

    def watched(file, sample, **window):
        decoded.append(window["num_frames"])
        return decode(file, sample, **window)

    monkeypatch.setattr(batches, "decode", watched)
    found = get_embeddings(run, [shards], device="cpu")
    assert max(decoded) <= 16000 and len(decoded) == len(LENGTHS) + 3
    encoder = load_encoder(run, "cpu")
    for row, (_, audio) in enumerate(read_shards(index_shards(shards).shards)):
        if LENGTHS[row] == 24000:
            sample = index_shards(shards)[row]
            signal = torch.from_numpy(decode(audio, sample))
            halves = [encoder.encode_batch(half).flatten() for half in signal.split(12000)]
            mean = (halves[0] + halves[1]) / 2
            assert found.vectors[row] == pytest.approx(mean.numpy(), rel=1e-5)


MEMORY = """
import resource, sys
from local.embeddings import get_embeddings
for folder in sys.argv[2:]:
    get_embeddings(sys.argv[1], [folder], device="cpu")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.long
def test_memory_does_not_grow_with_the_audio(run, tmp_path):
    folders = []
    minute = np.random.default_rng(0).integers(-9999, 9999, 60 * 16000, dtype=np.int16)
    for minutes in (2, 60):
        folder = tmp_path / f"{minutes}min"
        frames = minutes * 60 * 16000
        audio = io.BytesIO()
        sf.write(audio, np.tile(minute, minutes), 16000, format="WAV")
        pair = member_pair(0, "a/x/0", None, frames, audio.getvalue())
        write_tar(folder / "shard-000000.tar", pair)
        folders.append(folder)
    command = [sys.executable, "-c", MEMORY, str(run), *map(str, folders)]
    answer = subprocess.run(command, cwd=RECIPE, capture_output=True, text=True, check=True)
    short, long = map(int, answer.stdout.split())  # kB
    # The hour is 115 MB encoded, 230 MB decoded and more in the network.
    assert long - short < 110_000


def test_a_generator_of_folders_gives_the_embeddings_of_each(run, shards):
    expected = get_embeddings(run, [shards], device="cpu")
    found = get_embeddings(run, (folder for folder in [shards]), device="cpu")
    assert found.ids == expected.ids and np.array_equal(found.vectors, expected.vectors)


# Errors ------------------------------------------------------------------------------------------


def test_a_network_that_has_diverged(run, shards):
    path = run / "inference/embedding_model.ckpt"
    state = torch.load(path)
    for factor, message in ((float("nan"), "not finite.*diverged; train with a lo"), (0, "zero")):
        torch.save({key: value * factor for key, value in state.items()}, path)
        write_checksums(path.parent, "*.ckpt")
        with pytest.raises(RecipeError, match=f"8 embeddings are {message}"):
            get_embeddings(run, [shards], device="cpu")
    assert not (run / "embeddings").exists()


@pytest.mark.parametrize(
    "options, message",
    [
        (["--precision", "fp16"], "--precision fp16: a CPU has none"),
        (["--precision", "fp8"], "--precision fp8: expected one of fp32, bf16, fp16"),
        (["--device", "gpu"], "--device gpu: expected cpu or cuda"),
        (["--batch_size", "0"], "batch_size 0, num_workers 0: expected at least 1 and 0"),
        (["--shards", "nowhere"], "expected shards named shard-*.tar"),
    ],
)
def test_wrong_options_are_one_line(run, shards, tmp_path, capsys, options, message):
    with pytest.raises(SystemExit):
        embed(run, [shards], tmp_path / "out.npz", *options)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line


@pytest.mark.parametrize("num_workers", ["0", "2"])
def test_bad_audio_is_one_line(run, tmp_path, capsys, num_workers):
    members = member_pair(0, "a/x/0") + member_pair(1, "b/x/1", audio=wav_bytes()[:9000])
    write_tar(tmp_path / "dev/shard-000000.tar", members)
    with pytest.raises(SystemExit):
        embed(run, [tmp_path / "dev"], tmp_path / "out.npz", "--num_workers", num_workers)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(lines) == 1 and "b/x/1: the audio holds" in lines[0]
    assert not (tmp_path / "out.npz").exists()


def test_no_run(shards, tmp_path, capsys):
    with pytest.raises(SystemExit):
        embed(tmp_path, [shards], tmp_path / "out.npz")
    assert "no trained network here" in capsys.readouterr().err


def test_progress_and_the_record(run, shards, tmp_path, capsys):
    embed(run, [shards], tmp_path / "out.npz")
    shown = capsys.readouterr().err
    assert "embedding dev" in shown and "8/8" in shown and "utt/s" in shown
    with np.load(tmp_path / "out.npz", allow_pickle=False) as arrays:
        about = json.loads(str(arrays["about"]))
    assert about["precision"] == "fp32" and len(about["checkpoint"]) == 64
    assert [Path(shard["path"]).name for shard in about["shards"]] == [
        "shard-000000.tar",
        "shard-000001.partial.tar",
    ]
