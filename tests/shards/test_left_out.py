"""Audio that cannot be read: left out on demand, with its trials, and with a list of it."""

import csv
import shutil

import numpy as np
import pytest
import soundfile as sf

import not_speech
from local.errors import RecipeError
from local.scoring.trials import read_trials
from local.shards import write_shards
from local.shards.index import index_shards

SIZE = 4
BAD = ("train/a/x/3.wav", "dev/c/x/1.wav")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """44 recordings, and a list of trials of each that is to be verified."""
    root = tmp_path_factory.mktemp("left_out") / "tree"
    rng = np.random.default_rng(0)
    for split, speakers in (("train", "ab"), ("dev", "cd")):
        for speaker in speakers:
            for number in range(11):
                path = root / split / speaker / f"x/{number}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                sf.write(path, not_speech.voice(rng), 16000)
    (root / "tiny_meta.csv").write_text("id,idx\na,0\nb,1\n")
    trials = [f"1 c/x/0.wav c/x/{number}.wav\n" for number in range(1, 11)]
    trials += [f"0 c/x/{number}.wav d/x/0.wav\n" for number in range(11)]
    (root / "dev_trials.txt").write_text("".join(trials))
    return root


@pytest.fixture
def tree(good, tmp_path):
    """The same with two files that are damaged."""
    own = shutil.copytree(good, tmp_path / "tree")
    for number, name in enumerate(BAD):
        (own / name).write_bytes([b"", b"<html>"][number])
    return own


def write(tree, out, **options):
    write_shards(tree, tree / "tiny_meta.csv", out, size=SIZE, **options)


def listed(out):
    with open(out / "bad_audio.csv", newline="") as file:
        return list(csv.DictReader(file))


def shards(out):
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("shard-*.tar")}


def test_bad_audio_is_left_out_on_demand(tree, tmp_path, capsys):
    out = tmp_path / "out"
    with pytest.raises(RecipeError, match=r"^2 of 44 audio .*/1.wav: .*bad_audio.csv.* --skip_bad"):
        write(tree, out)
    assert len(listed(out)) == 2
    write(tree, out, skip_bad=True)
    told = capsys.readouterr()
    assert told.out.count("5 of 6 shards are finished already") == 2
    assert "warning: 2 of 44 files cannot be read, and are left out, first " in told.err
    assert f"warning: 2 of 21 trials of {tree / 'dev_trials.txt'} name audio that is" in told.err
    assert "dev: 21 utterances" in told.out and len(index_shards(out / "dev")) == 21
    rows = {f"{row['split']}/{row['id']}.wav": row for row in listed(out)}
    assert sorted(rows) == sorted(BAD) and rows[BAD[0]]["reason"] == "the file is empty"
    assert all(row["path"] == str(tree / name) for name, row in rows.items())
    trials = read_trials(out / "trials/dev_trials.txt")
    assert len(trials) == 19 and "c/x/1" not in {*trials.enrol, *trials.test}


def test_nothing_else_is_another(good, tree, tmp_path):
    """Shards without bad audio are as if there was none, and at once as after an error."""
    with pytest.raises(RecipeError):
        write(tree, tmp_path / "out")
    write(tree, tmp_path / "out", skip_bad=True)
    write(tree, tmp_path / "once", skip_bad=True)
    write(good, tmp_path / "good")
    files, whole = shards(tmp_path / "once"), shards(tmp_path / "good")
    assert shards(tmp_path / "out") == files
    assert sum(files[name] != whole[name] for name in whole) == 2


def test_it_is_told_again_and_stays_listed(tree, tmp_path, capsys):
    out = tmp_path / "out"
    write(tree, out, skip_bad=True)
    first = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    before = (out / "bad_audio.csv").read_bytes(), shards(out)
    written = (out / "trials/dev_trials.txt").stat().st_mtime_ns
    shutil.rmtree(out / "train")
    for options in ({"skip_bad": True}, {}):
        write(tree, out, **options)
        err = capsys.readouterr().err
        assert [line for line in err.splitlines() if line.startswith("warning")] == first
        assert ((out / "bad_audio.csv").read_bytes(), shards(out)) == before
        assert "was not compared" not in err
    assert (out / "trials/dev_trials.txt").stat().st_mtime_ns == written  # scores are newer


def test_without_bad_audio_nothing_is_listed(good, tree, tmp_path, capsys):
    out = tmp_path / "out"
    with pytest.raises(RecipeError):
        write(tree, out)
    for name in BAD:
        shutil.copy(good / name, tree / name)
    write(tree, out, skip_bad=True)
    write(good, tmp_path / "good")
    assert shards(out) == shards(tmp_path / "good")
    assert not (out / "bad_audio.csv").exists() and not (out / "trials").exists()


@pytest.mark.parametrize(
    "names, why",
    [
        ([f"dev/d/x/{number}.wav" for number in range(3)], "more than 5%"),
        ([f"train/b/x/{number}.wav" for number in range(1, 11)], "all there is of b"),
    ],
)
def test_much_bad_audio_is_not_left_out(good, tmp_path, names, why):
    """As where a disk is gone, or a package: once that is mended, all of it is there."""
    own, out = shutil.copytree(good, tmp_path / "tree"), tmp_path / "out"
    if "all" in why:
        (own / "train/b/x/0.wav").unlink()
    for name in names:
        (own / name).write_bytes(b"")
    with pytest.raises(RecipeError, match=f"{len(names)} of 4. audio .*{why}, which --skip_bad"):
        write(own, out, skip_bad=True)
    assert len(listed(out)) == len(names)
    for name in names:
        shutil.copy(good / name, own / name)
    write(own, out, skip_bad=True)
    assert sum(len(index_shards(out / split)) for split in ("train", "dev")) in (43, 44)
    assert not (out / "bad_audio.csv").exists()


def test_a_shard_of_which_nothing_is_left(good, tmp_path):
    """The last one has a single recording, which is bad."""
    own, out = shutil.copytree(good, tmp_path / "tree"), tmp_path / "out"
    (own / "dev/d/x/10.wav").unlink()
    write(own, out)
    last = {s.sample_id for s in index_shards(out / "dev/shard-000005.partial.tar")}
    shutil.rmtree(out)
    (own / f"dev/{last.pop()}.wav").write_bytes(b"")
    write(own, out, skip_bad=True)
    assert len(index_shards(out / "dev")) == 20
    write(own, out)  # finds nothing missing
