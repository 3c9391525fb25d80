"""What is wrong with audio that can be read is told when shards are written, as of a folder."""

import io

import numpy as np
import pytest
import soundfile as sf

import not_speech
from local.corpora.folder import prepare_folder
from local.errors import RecipeError
from local.shards import MappedShards, index_shards, prepare_split, write_shards

LOUD = 0.5 * np.sin(np.arange(16000) / 10)
RNG = np.random.default_rng(0)
TOLD = {
    "silent": (np.zeros(16000), "are silent"),
    "offset": (np.full(16000, 0.2), "are silent"),
    "one": (np.full(1, 0.1), "are silent"),
    "floor": (0.001 * RNG.standard_normal(16000), "are nearly silent (peaks below -40 dB)"),
    "square": (np.clip(9 * LOUD, -1, 1), "are clipped"),
    "short": (LOUD[:7999], "are shorter than 0.5 s"),
    "beyond": (3 * LOUD, "are louder than full scale, and scaled to it"),
    "overload": (1.02 * 2 * LOUD, "are louder than full scale, and scaled to it"),
    "hum": (not_speech.hum(RNG), "hold no speech"),
    "music": (not_speech.chords(RNG), "hold no speech"),
}


def write(path, signal, subtype="FLOAT", fmt="WAV"):
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, signal, 16000, subtype=subtype, format=fmt)


@pytest.fixture
def tree(tmp_path):
    for number, split in enumerate(("train", "train", "dev", "dev")):
        voice = not_speech.voice(np.random.default_rng(number))
        write(tmp_path / "tree" / split / f"{split}1/x/{number}.wav", voice, "PCM_16")
    (tmp_path / "meta.csv").write_text("id,idx\ntrain1,0\ntrain2,1\n")
    return tmp_path


def write_all(tree, **options):
    write_shards(tree / "tree", tree / "meta.csv", tree / "shards", **options)


@pytest.mark.parametrize("name", TOLD)
@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16"])
def test_what_is_wrong_is_told_and_goes_in(tree, capsys, name, subtype):
    signal, fault = TOLD[name]
    path = tree / f"tree/dev/dev1/x/{name}.wav"
    write(path, signal, subtype)
    if subtype == "PCM_16" and "louder" in fault:
        fault = "are clipped"  # which the writer of the file has done
    write_all(tree)
    out, err = capsys.readouterr()
    assert f"warning: 1 of 5 files {fault}, first {path}\n" in err and "warning" not in out
    assert not ("louder" in fault and "are clipped" in err)
    assert len(index_shards(tree / "shards/dev")) == 3


def test_a_folder_of_speakers_gets_the_same_lines(tree, tmp_path, capsys):
    for name, (signal, _) in TOLD.items():
        write(tree / f"tree/dev/dev1/x/{name}.wav", signal)
    write_all(tree)
    shards = {line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")}
    for path in (tree / "tree").rglob("*.wav"):
        for speaker in range(4):
            target = tree / f"data/s{speaker}/{path.stem}/x.wav"
            target.parent.mkdir(parents=True)
            target.write_bytes(path.read_bytes())
    prepare_folder(tree / "data", tmp_path / "corpus")
    folder = {line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")}

    def kinds(lines):
        return {line.split(" files ")[1].split(", first")[0] for line in lines if " files " in line}

    assert kinds(shards) == kinds(folder) and len(kinds(shards)) == 6


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("scale", [100, 32768])
def test_floats_on_the_scale_of_integers_are_named(tree, subtype, scale):
    write(tree / "tree/dev/dev1/x/a.wav", scale * LOUD, subtype)
    with pytest.raises(RecipeError, match=r"1 of 5 .*x/a.wav: found samples up to .* by 32768"):
        write_all(tree)
    assert [path.name for path in tree.glob("shards/[!.]*")] == ["bad_audio.csv"]


@pytest.mark.parametrize("fmt, subtype", [("WAV", "FLOAT"), ("WAV", "DOUBLE"), ("OGG", "VORBIS")])
def test_moderate_peaks_are_scaled_not_clipped(tree, fmt, subtype):
    path = tree / "tree/eval/wav/a.wav"
    write(path, 3 * LOUD, subtype, fmt)
    write_all(tree)
    shards = MappedShards(prepare_split(tree / "shards/eval", "eval", tree / "index"))
    samples = shards.samples(0) / 32768
    read = sf.read(io.BytesIO(path.read_bytes()))[0]
    assert np.abs(samples - read / np.abs(read).max()).max() < 1e-4


def test_a_speaker_without_any_speech(tree, capsys):
    rng = np.random.default_rng(0)
    for number, sound in enumerate(not_speech.SOUNDS):
        write(tree / f"tree/train/train2/x/{number}.wav", sound(rng), "PCM_16")
        write(tree / f"tree/eval/wav/{number}.flac", sound(rng), "PCM_16", "FLAC")
    write_all(tree)
    err = capsys.readouterr().err
    count = len(not_speech.SOUNDS)
    assert f"warning: {2 * count} of {2 * count + 4} files hold no speech, first " in err
    assert "warning: 1 of 3 speakers have no recording with speech, first train2: leave" in err


def test_without_the_check_nothing_is_told(tree, capsys):
    write(tree / "tree/dev/dev1/x/a.wav", not_speech.white(RNG))
    write_all(tree, check=False)
    assert "warning" not in capsys.readouterr().err


def test_good_speech_is_told_nothing_of(tree, capsys):
    write_all(tree)
    assert "warning" not in capsys.readouterr().err
