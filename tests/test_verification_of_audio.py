"""Any list over a folder of audio: the scores that it has through shards."""

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf

from embedding_runs import make_run
from local.corpora.convert import convert
from local.report import make_report
from local.scoring.score_list import read_scores
from local.scoring.trials import read_trials
from local.shards import write_shards
from running import one_line, verify


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def through_shards(run, small, tmp_path_factory):
    """The scores of the dev trials as they come from shards."""
    out = tmp_path_factory.mktemp("through_shards") / "s.txt"
    verify(run, [small.shards / "dev"], [small.corpus / "dev_trials.txt"], out, *QUICK)
    return read_scores(out)[0]


QUICK = ("--num_bootstrap", "0")


def score(run, folder, lists, out, *options):
    """Score lists over a folder of audio; returns the scores and the ids of the score list."""
    verify(run, [], lists, out, "--audio_folder", str(folder), *QUICK, *options)
    return read_scores(out)


def kaldi(label, *ids):
    first, second = (name.replace("/", "-") for name in ids)
    return f"{first} {second} {'target' if label else 'nontarget'}"


def wespeaker(label, first, second):
    return f"{first}.wav {second}.wav {'target' if label else 'nontarget'}"


def nemo(label, *ids):
    first, second = (f"{name.replace('/', '@')}.wav" for name in ids)
    return f"{label} {first} {second}"


def nemo_pairs(label, first, second):
    files = [f"/data/vox1/wav/{first}.wav", f"/data/vox1/wav/{second}.wav"]
    entry = {"audio_filepath": files, "duration": None, "offset": 0.0, "label": str(label)}
    return json.dumps(entry)


FORMS = {
    "VoxCeleb": lambda label, a, b: f"{label} {a}.wav {b}.wav",
    "above the folder": lambda label, a, b: f"{label} corpus/dev/{a}.wav corpus/dev/{b}.wav",
    "Kaldi": kaldi,
    "WeSpeaker": wespeaker,
    "NeMo": nemo,
    "NeMo's manifest of pairs": nemo_pairs,
    "no labels": lambda _, a, b: f"{a} {b}",
}


@pytest.mark.parametrize("form", FORMS)
def test_lists_of_all_toolkits_score_as_through_shards(run, small, through_shards, tmp_path, form):
    trials = read_trials(small.corpus / "dev_trials.txt")
    rows = zip(trials.labels.tolist(), *trials.pairs(), strict=True)
    path = tmp_path / "trials"
    path.write_text("".join(FORMS[form](*row) + "\n" for row in rows))
    # Where the speakers' folders lie deeper too, as in VoxCeleb's downloads.
    for number, folder in enumerate((small.corpus / "dev", small.corpus)):
        scores, enrol, _ = score(run, folder, [path], tmp_path / f"{number}.txt")
        assert np.abs(scores - through_shards).max() < 1e-6
        assert enrol == read_trials(path).enrol  # as the list has them
    results = json.loads((tmp_path / "0.json").read_text())
    measured = results["lists"][0]["evaluation"]
    assert results["shards"] == [] and (measured is None) == (form == "no labels")


def encode(path, signal, rate, codec):
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.float32(signal)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        for part in (frame, None):
            for packet in stream.encode(part):
                container.mux(packet)


def write(path, signal, rate, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, signal, rate, **options)


def speech_like(seconds, rate, channels=1, seed=0):
    """Noise that fades in and out, of some channels, loud."""
    time = np.linspace(0, 7, round(seconds * rate))
    signal = np.random.default_rng(seed).uniform(-0.9, 0.9, (len(time), channels))
    return np.sin(time)[:, None] * signal


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """Audio of many kinds in `tree`, and the `shards` of what the corpus 'folder' makes of it."""
    home = tmp_path_factory.mktemp("odd")
    tree = home / "tree"
    write(tree / "a/x/stereo.wav", speech_like(1.3, 44100, 2), 44100, subtype="PCM_24")
    half = speech_like(1.1, 16000)
    write(tree / "a/x/inverted.flac", np.hstack([half, -0.9 * half]), 16000)
    write(tree / "a/y/phone.wav", speech_like(1.7, 8000), 8000, subtype="ULAW")
    write(tree / "b/x/music.ogg", speech_like(1.2, 48000), 48000)
    write(tree / "b/x/loud.wav", 3 * speech_like(1.0, 22050), 22050, subtype="FLOAT")
    encode(tree / "b/y/video.m4a", speech_like(1.5, 32000)[:, 0], 32000, "aac")
    files = sorted(path for path in tree.rglob("*.*"))
    corpus = home / "corpus"
    for path in files:
        convert(path, (corpus / "dev" / path.relative_to(tree)).with_suffix(".wav"))
    # What shards take as it is, the last with more bits than 16 and louder than full scale.
    plain = {
        "c/x/short": (speech_like(0.2, 16000), {}),
        "c/x/long": (speech_like(130, 16000), {}),
        "c/y/flac": (speech_like(1.0, 16000), {"format": "FLAC"}),
        "c/z/float": (speech_like(1.0, 16000), {"subtype": "FLOAT"}),
        "c/z/over": (1.5 * speech_like(1.0, 16000), {"subtype": "FLOAT"}),
    }
    for name, (signal, options) in plain.items():
        ending = options.get("format", "wav").lower()
        for folder in (tree, corpus / "dev"):
            write(folder / f"{name}.{ending}", signal, 16000, **options)
        files.append(tree / f"{name}.{ending}")
    (corpus / "tiny_meta.csv").write_text("id,idx\n")
    write_shards(corpus, corpus / "tiny_meta.csv", home / "shards")
    ids = [str(path.relative_to(tree).with_suffix("")) for path in files]
    trials = home / "trials.txt"
    trials.write_text("".join(f"-1 {a} {b}\n" for a in ids for b in ids if a < b))
    return tree, home / "shards/dev", trials


@pytest.mark.parametrize("workers", ["0", "2"])
def test_audio_of_any_kind_scores_as_it_does_in_shards(run, odd, tmp_path, workers):
    tree, shards, trials = odd
    options = (*QUICK, "--num_workers", workers)
    verify(run, [shards], [trials], tmp_path / "shards.txt", *options)
    expected = read_scores(tmp_path / "shards.txt")[0]
    shutil.rmtree(run / "embeddings")
    found = score(run, tree, [trials], tmp_path / "plain.txt", *options)[0]
    assert len(found) == 55 and np.abs(found - expected).max() < 1e-6


def test_models_calibration_and_cohorts(run, small, tmp_path):
    """All that shards allow, and the report of it; nothing of it needs metadata."""
    dev, val = (small.corpus / f"{split}_trials.txt" for split in ("dev", "val"))
    names = dict.fromkeys(read_trials(dev).enrol)
    models, own = tmp_path / "models.txt", {}
    for name in names:
        own.setdefault(name.split("/")[0], []).append(f"/elsewhere/{name}.wav")
    models.write_text("".join(f"{who} {' '.join(files)}\n" for who, files in own.items()))
    probes = tmp_path / "probes.txt"
    probes.write_text("".join(f"{name}.wav\n" for name in dict.fromkeys(read_trials(dev).test)))
    options = ("--calibration_trials", str(val), "--enrolment_lists", f"{models},none,none")
    options += ("--scoring", "mean_subtracted", "--train_shards_dir", str(small.shards / "train"))
    options += ("--update_verifier", "False", *QUICK)
    lists = [probes, dev]
    shards = [small.shards / "dev", small.shards / "val"]
    verify(run, shards, lists, tmp_path / "shards.txt", *options)
    found = score(run, small.corpus, lists, tmp_path / "plain.txt", *options)[0]
    assert np.abs(found - read_scores(tmp_path / "shards.txt")[0]).max() < 1e-6
    html = make_report([tmp_path / "plain.json"])[0].read_text()
    assert "There is no sound" not in html and 'class="play"' in html


def test_what_cannot_be_found_or_read(run, small, tmp_path, capsys):
    folder = Path(shutil.copytree(small.corpus / "dev", tmp_path / "wav"))
    names = sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.wav"))
    trials = tmp_path / "trials.txt"

    def message(*lines, options=()):
        trials.write_text("".join(f"{line}\n" for line in lines))
        call = (run, folder, [trials], tmp_path / "s.txt", *options)
        return one_line(capsys, score, *call)

    absent = [f"{names[0]} a/x/{number}.wav" for number in range(7)]
    told = message(*absent)
    assert f"trials.txt: 7 of 8 utterances are not in {folder}, first a/x/0, a/x/1, a/x/2" in told
    assert "a/x/4, …: looked for" in told and "name the folder that holds them" in told
    models = tmp_path / "models.txt"
    own = names[0].split("/")[0]
    models.write_text(f"m {names[0]} {own}/x/9\n")
    told = message(f"m {names[1]}", options=("--enrolment_lists", str(models)))
    assert "models.txt:1: model 'm': 1 of 2 utterances are not in" in told
    shutil.copytree(folder / own, folder / "more" / own)
    shutil.copytree(folder / own, folder / "other" / own)
    assert "may be" not in message(f"{names[0]} a/x/0")
    shutil.rmtree(folder / own)
    assert f"{names[0]} may be more/{names[0]}.wav or other/" in message(f"{names[0]} {names[-1]}")
    shutil.rmtree(folder / "more")


def test_broken_files_are_told_at_once(run, small, tmp_path, capsys):
    folder, out = Path(shutil.copytree(small.corpus / "dev", tmp_path / "wav")), tmp_path / "s.txt"
    names = sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.wav"))
    trials = tmp_path / "trials.txt"
    pairs = [f"{names[0]} {name}\n" for name in names[1:5]]
    trials.write_text("".join(pairs))
    (folder / f"{names[1]}.wav").write_bytes(b"RIFF of nothing")
    (folder / f"{names[2]}.wav").write_bytes(b"")
    whole = (folder / f"{names[3]}.wav").read_bytes()
    (folder / f"{names[3]}.wav").write_bytes(whole[: len(whole) // 2])
    told = one_line(capsys, score, run, folder, [trials], out)
    assert f"{folder}: 3 of 5 audio files cannot be embedded: {names[1]}.wav: cannot be" in told
    assert f"{names[2]}.wav: empty; {names[3]}.wav: truncated: " in told
    assert "what came of the others is kept" in told
    trials.write_text(pairs[3])  # nobody asks for the broken ones
    assert len(score(run, folder, [trials], out)[0]) == 1


def test_two_files_that_are_one_utterance(run, small, tmp_path, capsys):
    flat, trials = tmp_path / "flat", tmp_path / "trials.txt"
    sources = sorted((small.corpus / "dev").rglob("*.wav"))[:2]
    for source, name in zip(sources, ("a/b/c/d.wav", "e/b/c/d.wav"), strict=True):
        (flat / name).parent.mkdir(parents=True)
        shutil.copy(source, flat / name)
    trials.write_text("a/b/c/d e/b/c/d\n")
    told = one_line(capsys, score, run, flat, [trials], tmp_path / "s.txt")
    assert "a/b/c/d.wav and e/b/c/d.wav are both the utterance b/c/d" in told


def test_one_source_of_embeddings(run, small, tmp_path, capsys):
    dev = [small.corpus / "dev_trials.txt"]
    options = ("--audio_folder", str(small.corpus))
    told = one_line(capsys, verify, run, [small.shards / "dev"], dev, tmp_path / "s.txt", *options)
    assert "give either --shards_dirs_to_evaluate or --embeddings_file or --audio_folder" in told
    told = one_line(capsys, verify, run, [], dev, tmp_path / "s.txt")
    assert "give either" in told
    told = one_line(capsys, score, run, tmp_path / "none", dev, tmp_path / "s.txt")
    assert "none: no such folder of audio" in told
