"""Folders of noise and rooms: told apart by kind, packed once, and found again by content."""

import io
import multiprocessing
import os
import shutil

import numpy as np
import pytest
import soundfile as sf
import torch

from local.augmentation import (
    Augmentation,
    CropAugmentation,
    RecordedNoise,
    Reverb,
    choose_rooms,
    find_noise,
    find_rooms,
)
from local.augmentation.noise import KINDS
from local.errors import RecipeError
from shard_writing import member_pair, wav_bytes, write_tar

RATE = 16000


def write(path, value=0.1, count=100, rate=RATE, **options):
    """A recording that rises to a value, by which it is told from others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, np.linspace(value / 2, value, count), rate, **options)
    return path


def tone(path, hertz, seconds=1.0, rate=RATE, gain=0.5, channels=1, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    signal = gain * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    signals = np.stack([signal, *[0 * signal] * (channels - 1)], axis=1)
    sf.write(path, signals, rate, **options)
    return path


def pitch(signal):
    """The loudest frequency in Hz."""
    return np.abs(np.fft.rfft(signal)).argmax() * RATE / len(signal)


def lengths(found):
    return sorted(found.lengths)


@pytest.fixture
def musan(tmp_path):
    """As the download has it, with its texts."""
    folder = tmp_path / "data/musan"
    for number in range(4):
        tone(folder / f"noise/free-sound/noise-{number}.wav", 1000 + 10 * number)
        tone(folder / f"speech/librivox/speech-{number}.wav", 3000 + 100 * number)
    tone(folder / "music/fma/music-0.wav", 2000)
    (folder / "music/fma/LICENSE").write_text("CC BY")
    return folder


@pytest.fixture
def rirs(tmp_path):
    folder = tmp_path / "RIRS_NOISES"
    real = folder / "real_rirs_isotropic_noises"
    for place, count in (("smallroom/Room001", 1), ("mediumroom/Room002", 2)):
        write(folder / f"simulated_rirs/{place}/{place[-7:]}-00001.wav", count=1000 * count)
    tone(real / "RVB2014_type1_rir_largeroom1_far_angla.wav", 10, 0.1, channels=8)
    tone(real / "RVB2014_type1_noise_largeroom1_1.wav", 900, 0.2, channels=8)
    tone(folder / "pointsource_noises/noise-free-sound-0000.wav", 900, 0.3)
    return folder


def linked_folder(noise, elsewhere):
    write(elsewhere / "music/a.wav", count=200)
    (noise / "music").symlink_to(elsewhere / "music")
    return [100, 200], ""


def linked_file(noise, elsewhere):
    write(elsewhere / "a.flac", count=200)
    (noise / "a.flac").symlink_to(elsewhere / "a.flac")
    return [100, 200], ""


def relative_link(noise, elsewhere):
    write(elsewhere / "deep/a.wav", count=200)
    (noise / "b").symlink_to(os.path.relpath(elsewhere, noise))
    return [100, 200], ""


def circle(noise, elsewhere):
    (noise / "again").symlink_to(noise)
    (noise / "above").symlink_to(noise.parent)
    return [100], "ignored: 2 links to what is there already"


def link_to_a_sibling(noise, elsewhere):
    (noise / "y").symlink_to(noise / "x")
    return [100], "ignored: 1 links to what is there already"


def hidden_and_foreign(noise, elsewhere):
    write(noise / ".Trash-0/a.wav", count=200)
    (noise / "x/README").touch()
    return [100], "ignored: 1 hidden folder .Trash-0, 1 without extension"


KINDS_OF_LINKS = (linked_folder, linked_file, relative_link, circle, link_to_a_sibling)


@pytest.mark.parametrize("make", [*KINDS_OF_LINKS, hidden_and_foreign])
def test_all_noise_is_found_once(tmp_path, make, capsys):
    noise = tmp_path / "data/noise"
    write(noise / "x/0.wav")
    expected, told = make(noise, tmp_path / "elsewhere")
    assert lengths(find_noise(noise, tmp_path / "cache")) == expected
    err = capsys.readouterr().err
    assert told in err and bool(told) == ("ignored" in err)


def test_a_linked_noise_folder_is_followed(tmp_path):
    write(tmp_path / "disk/x/0.wav")
    (tmp_path / "noise").symlink_to(tmp_path / "disk")
    assert len(find_noise(tmp_path / "noise", tmp_path / "cache")) == 1


def test_kinds_of_musan_are_told_apart(musan, tmp_path):
    found = find_noise(musan, tmp_path / "cache")
    assert {kind: len(rows) for kind, rows in found.kinds.items()} == {
        "music": 1,
        "noise": 4,
        "speech": 4,
    }
    pitches = [pitch(found.piece(number, 0.0, RATE)) for number in range(len(found))]
    for kind, low in (("noise", 1000), ("music", 2000), ("speech", 3000)):
        assert all(low <= pitches[row] < low + 900 for row in found.kinds[kind])
    assert find_noise(musan.parent, tmp_path / "cache").kinds.keys() == found.kinds.keys()
    assert list(find_noise(musan / "speech", tmp_path / "cache").kinds) == ["speech"]
    shutil.rmtree(musan / "music")
    assert list(find_noise(musan, tmp_path / "cache").kinds) == ["noise"]  # any other folder


def test_each_kind_is_as_loud_as_it_is_customary(musan, tmp_path):
    noise = RecordedNoise(find_noise(musan, tmp_path / "cache"), probability=1.0)
    signals = torch.zeros(600, RATE)
    signals[:, ::2] = 0.1  # so that what is added can be told
    added = (Augmentation([noise])(signals, range(600)) - signals).numpy()
    spectra = np.abs(np.fft.rfft(added)) ** 2
    bands = {"noise": (500, 1500), "music": (1500, 2500), "speech": (2500, 3500)}
    powers = np.stack([spectra[:, low:high].sum(axis=1) for low, high in bands.values()])
    kinds = powers.argmax(axis=0)
    snrs = 10 * np.log10(signals.square().mean().item() / np.square(added).mean(axis=1))
    for number, kind in enumerate(bands):
        (low, high), talkers = KINDS[kind]
        ours = snrs[kinds == number]
        assert 150 < len(ours) < 250
        assert low - 0.1 < ours.min() < low + 1 and high - 1 < ours.max() < high + 0.1
        voices = [(spectrum > 0.02 * spectrum.max()).sum() for spectrum in spectra[kinds == number]]
        assert min(voices) == 1 if talkers == (1, 1) else max(voices) > 2


def test_rooms_of_rirs_noises(rirs, tmp_path):
    rooms = choose_rooms(rirs, tmp_path / "cache", number=3, seed=1)
    assert {kind: len(rows) for kind, rows in rooms.kinds.items()} == {
        "mediumroom": 1,
        "real": 1,
        "smallroom": 1,
    }
    responses = rooms.rows(torch.arange(3))
    assert responses.shape == (3, 8000) and (responses[:, 0].abs() > 0.999).all()
    drawn = [rooms.draw(np.random.default_rng(seed)) for seed in range(90)]
    assert np.bincount(drawn).min() > 15
    changed = Augmentation([Reverb(rooms, probability=1.0)])(torch.randn(4, RATE), range(4))
    assert changed.isfinite().all()
    # The simulated rooms of before, where there is no folder:
    assert len(choose_rooms("", tmp_path / "cache", number=3, seed=1)) == 3


@pytest.mark.parametrize("packed", [False, True])
def test_a_response_begins_with_its_direct_sound_and_a_short_one_ends_in_silence(tmp_path, packed):
    taps, file = np.r_[np.zeros(9000), 0.4, -0.2, 0.1], io.BytesIO()
    sf.write(file, taps, RATE, format="WAV", subtype="FLOAT" if packed else "PCM_16")
    folder = tmp_path / "rooms"
    if packed:
        folder.mkdir()
        (folder / "a.wav").write_bytes(file.getvalue())
    else:
        audio = file.getvalue()
        write_tar(folder / "shard-000000.tar", member_pair(0, "a/b/c", None, len(taps), audio))
    (response,) = find_rooms(folder, tmp_path / "cache").rows(torch.zeros(1).long())
    np.testing.assert_allclose(response[:4] / response[0], [1, -0.5, 0.25, 0], atol=1e-4)
    assert (response[3:] == 0).all()


@pytest.mark.parametrize(
    "rate, fmt, channels", [(44100, "WAV", 2), (8000, "FLAC", 1), (48000, "OGG", 1)]
)
def test_other_rates_and_formats_are_resampled(tmp_path, rate, fmt, channels):
    tone(tmp_path / f"noise/a.{fmt.lower()}", 440, rate=rate, channels=channels, format=fmt)
    found = find_noise(tmp_path / "noise", tmp_path / "cache")
    assert found.lengths == [RATE] and pitch(found.piece(0, 0.0, RATE)) == 440
    assert np.abs(found.piece(0, 0.0, RATE)).max() > 0.99  # of the first channel, at full scale


def test_long_recordings_are_cut(tmp_path, monkeypatch):
    monkeypatch.setattr("local.augmentation.recordings.LONGEST", 2.5)
    tone(tmp_path / "noise/a.wav", 440, seconds=30)
    assert find_noise(tmp_path / "noise", tmp_path / "cache").lengths == [40000]


def test_a_folder_is_packed_once_and_found_by_its_content(musan, tmp_path, monkeypatch, capsys):
    first = find_noise(musan, tmp_path / "cache")
    assert "packed once into" in capsys.readouterr().err
    moved = shutil.copytree(musan, tmp_path / "moved")  # at another time
    monkeypatch.setattr("local.augmentation.packing.resampled_blocks", None)  # nothing is decoded
    assert find_noise(moved, tmp_path / "cache").content == first.content
    assert "packed" not in capsys.readouterr().err
    monkeypatch.undo()
    tone(musan / "noise/free-sound/noise-1.wav", 1500)  # of the same size
    changed = find_noise(musan, tmp_path / "cache")
    assert changed.content != first.content
    assert len(list((tmp_path / "cache").glob("noise-*"))) == 2


def _find(folder, cache, barrier, results):
    barrier.wait()
    results.put(find_noise(folder, cache).content)


def test_two_jobs_at_once_pack_it_once(musan, tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    arguments = musan, tmp_path / "cache", barrier, results
    jobs = [context.Process(target=_find, args=arguments) for _ in range(2)]
    for job in jobs:
        job.start()
    found = {results.get(timeout=60) for _ in jobs}
    for job in jobs:
        job.join()
    names = {path.name for path in (tmp_path / "cache").iterdir()}
    assert len(found) == 1 and names == found


def test_a_killed_packing_leaves_nothing_that_counts(musan, tmp_path, monkeypatch):
    def killed(*_):
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("local.shards.members.write_manifest", killed)
        find_noise(musan, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("noise-*"))
    assert len(find_noise(musan, tmp_path / "cache")) == 9


def test_shards_are_taken_as_they_are(tmp_path):
    write_tar(
        tmp_path / "shards/shard-000000.tar", member_pair(0, "a/b/c", None, audio=wav_bytes(RATE))
    )
    found = find_noise(tmp_path / "shards", tmp_path / "cache")
    assert list(found.kinds) == ["noise"] and found.lengths == [RATE]
    assert np.array_equal(found.piece(0, 1.0, 100), found.piece(0, 0.0, RATE)[-100:])


def empty(folder):
    folder.mkdir()


def texts(folder):
    folder.mkdir()
    (folder / "a.txt").write_text("no")


def no_audio(folder):
    write(folder / "b.wav")
    (folder / "a.wav").write_text("no")


def broken(folder):
    write(folder / "a.flac", count=50000)
    (folder / "a.flac").write_bytes((folder / "a.flac").read_bytes()[:200])


def not_finite(folder):
    write(folder / "a.wav", np.nan, subtype="FLOAT")


def dead_link(folder):
    write(folder / "0.wav")
    (folder / "gone.wav").symlink_to(folder / "nothing.wav")


def silent(folder):
    write(folder / "a.wav", 0.0)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda folder: None, "noise_folder .*: no such folder"),
        (empty, "noise_folder .*: no recordings in it: expected audio files of noise"),
        (texts, r"no recordings in it.*; ignored: 1 \.txt"),
        (no_audio, "1 of 2 audio files cannot be taken for noise: .*a.wav: cannot be decoded"),
        (broken, "a.flac: cannot be decoded"),
        (not_finite, "a.wav: holds NaN"),
        (dead_link, "gone.wav: a link that leads nowhere"),
        (silent, "all 1 recordings are silent"),
    ],
)
def test_what_is_no_noise_is_one_line(tmp_path, make, message):
    make(tmp_path / "noise")
    for _ in range(2):  # nothing is left that would count the next time
        with pytest.raises(RecipeError, match=message) as error:
            find_noise(tmp_path / "noise", tmp_path / "cache")
        assert "\n" not in str(error.value)


def test_a_folder_of_noise_has_no_rooms(rirs, tmp_path):
    with pytest.raises(RecipeError, match="no recordings in it.*1 audio files are of another kind"):
        find_rooms(rirs / "pointsource_noises", tmp_path / "cache")


def test_folders_that_were_swapped_are_told_apart(musan, rirs, tmp_path):
    with pytest.raises(RecipeError, match="rir_folder .*: no recordings in it.* of another kind"):
        find_rooms(musan, tmp_path / "cache")
    with pytest.raises(RecipeError, match="noise_folder .*: no recordings in it.* of another kind"):
        find_noise(rirs / "simulated_rirs", tmp_path / "cache")
    noises = find_noise(rirs, tmp_path / "cache")  # its own noises, without its rooms
    assert 0 < len(noises) < len(list(rirs.rglob("*.wav")))


def test_a_part_without_recordings_does_nothing(musan, tmp_path):
    signals = torch.randn(8, 4000)
    assert find_noise("") is None
    assert torch.equal(
        Augmentation([RecordedNoise(None, probability=1.0)])(signals, range(8)), signals
    )
    rooms = choose_rooms("", "", number=2, seed=1)
    parts = [Reverb(rooms, probability=0.5), RecordedNoise(None, probability=0.5)]
    assert CropAugmentation(parts).recordings == ""
    found = find_noise(musan, tmp_path / "cache")
    parts = [Reverb(rooms, probability=0.5), RecordedNoise(found, probability=0.5)]
    assert CropAugmentation(parts).recordings == found.content
