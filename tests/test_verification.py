"""From a run folder to scores, EER and picture; the bundle in SpeechBrain's own interfaces."""

import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from anonymous_shards import write_anonymous_shards
from conftest import RECIPE
from local.metrics import evaluate, summary
from local.scoring.trials import read_trials
from local.shards import index_shards, read_shards
from local.shards.audio import decode
from running import ECAPA, TINY_ECAPA, train, verify
from warm_python import warm_python

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def evaluation(small, tmp_path_factory):
    """Dev utterances under anonymous names, and a trial list on them without labels."""
    folder = tmp_path_factory.mktemp("evaluation")
    names = write_anonymous_shards(small, folder)
    pairs = zip(names, names[::-1], strict=True)
    (folder / "eval_trials_no_gt.txt").write_text("".join(f"-1 {a} {b}\n" for a, b in pairs))
    return folder


def test_score_list_in_the_order_of_the_lists(run, small, evaluation, tmp_path, capsys):
    lists = [small.corpus / "dev_trials.txt", evaluation / "eval_trials_no_gt.txt"]
    shards = [small.shards / "dev", evaluation / "shards/eval"]
    lines = verify(run, shards, lists, tmp_path / "scores.txt")
    trials = [read_trials(path) for path in lists]
    expected = [pair for of in trials for pair in zip(of.enrol, of.test, strict=True)]
    assert [tuple(line.split()[1:]) for line in lines] == expected
    scores = np.array([float(line.split()[0]) for line in lines])
    assert ((scores >= 0) & (scores <= 1)).all()
    dev = trials[0]
    eer = summary(evaluate(scores[: len(dev)], dev.labels, dev.speakers()))
    printed = capsys.readouterr().out
    assert f"dev_trials: {eer}" in printed
    assert f"eval_trials_no_gt: {len(trials[1])} trials scored; without labels" in printed
    assert (tmp_path / "scores_det.png").read_bytes().startswith(b"\x89PNG")
    assert f"dev_trials: {eer}" in (tmp_path / "scores_eer.txt").read_text()


def test_dev_eer_is_the_one_that_training_reported(run, small, tmp_path):
    verify(run, [small.shards / "dev"], [small.corpus / "dev_trials.txt"], tmp_path / "s.txt")
    tested = float(re.search(r"test eer: (\S+)", (run / "train_log.txt").read_text())[1])
    scored = float(re.search(r"EER (\S+)%", (tmp_path / "s_eer.txt").read_text())[1]) / 100
    assert scored == pytest.approx(tested, abs=6e-5)  # both are printed with four digits


def test_val_eer_is_the_one_that_chose_the_checkpoint(run, small, tmp_path):
    verify(run, [small.shards / "val"], [small.corpus / "val_trials.txt"], tmp_path / "s.txt")
    names = [path.name for path in (run / "save").iterdir()]
    best = min(float(re.search(r"val-eer_(\S+)", name)[1]) for name in names)
    scored = float(re.search(r"EER (\S+)%", (tmp_path / "s_eer.txt").read_text())[1]) / 100
    assert scored == pytest.approx(best, abs=1e-4)


def test_folders_whose_names_hold_commas(small, tmp_path):
    home = tmp_path / "Smith,John & sons"
    shutil.copytree(small.corpus.parent, home)
    here = SimpleNamespace(corpus=home / "corpus", shards=home / "shards")
    run = train(here, home / "run")
    lists = [here.corpus / "dev_trials.txt", here.corpus / "val_trials.txt"]
    shards = [here.shards / "dev", here.shards / "val"]
    lines = verify(run, shards, lists, run / "scores.txt", "--scoring", "mean_subtracted")
    assert len(lines) == sum(len(read_trials(path)) for path in lists)
    trials = ",".join(map(str, lists))
    for command in (
        ("local.metrics", "--scores", run / "scores.txt", "--trials", trials),
        ("local.scoring", "check", run / "scores.txt", "--trials", trials),
        ("local.report", run, "--out", home / "report.html"),
    ):
        command = [warm_python(), "-m", *map(str, command)]
        done = subprocess.run(command, cwd=RECIPE, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


LOAD = """
import sys, json, soundfile, torch
from speechbrain.inference import EncoderClassifier
folder, first, second = sys.argv[1:]
signal = torch.from_numpy(soundfile.read(first, dtype="float32")[0])
encoder = EncoderClassifier.from_hparams(source=folder)
encoder.hparams.label_encoder.ignore_len()
embedding = encoder.encode_batch(signal)
centred = encoder.encode_batch(signal, normalize=True)
probabilities, _, index, label = encoder.classify_batch(signal)
other = encoder.encode_batch(encoder.load_audio(second))
score = torch.cosine_similarity(embedding, other, dim=-1)
print(json.dumps({
    "shape": list(embedding.shape),
    "moved": bool((embedding != centred).any()),
    "classes": probabilities.shape[-1],
    "label": label[0],
    "score": score.item(),
}))
"""


@pytest.mark.parametrize("network", ["prototype", "ecapa"])
def test_bundle_in_speechbrain_interfaces_from_elsewhere(run, small, tmp_path, network):
    if network == "ecapa":
        run = train(small, tmp_path / "ecapa", *TINY_ECAPA, hparams=ECAPA)
    trials = read_trials(small.corpus / "dev_trials.txt")
    first, second = (
        small.corpus / "dev" / f"{side[0]}.wav" for side in (trials.enrol, trials.test)
    )
    command = [warm_python(), "-c", LOAD, str(run / "inference"), str(first), str(second)]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(answer.stdout.splitlines()[-1])
    speakers = {path.name for path in (small.corpus / "train").iterdir()}
    assert found["shape"] == [1, 1, 16 if network == "ecapa" else 128]
    assert found["moved"] and found["classes"] == 6 and found["label"] in speakers
    lines = verify(run, [small.shards / "dev"], [trials.path], tmp_path / "scores.txt")
    assert found["score"] == pytest.approx(2 * float(lines[0].split()[0]) - 1, abs=1e-4)


def test_labels_of_the_bundle_are_the_training_speakers(run, small, tmp_path):
    from speechbrain.inference import EncoderClassifier

    encoder = EncoderClassifier.from_hparams(source=str(run / "inference"))
    encoder.hparams.label_encoder.ignore_len()
    index = index_shards(small.shards / "train")
    names = {sample.class_idx: sample.speaker_id for sample in index}
    decoded = encoder.hparams.label_encoder.decode_torch(torch.arange(len(names)))
    assert decoded == [names[idx] for idx in range(len(names))]


def test_a_moved_run_still_scores_with_its_own_code(run, small, tmp_path):
    lists = [small.corpus / "dev_trials.txt"]
    before = verify(run, [small.shards / "dev"], lists, tmp_path / "before.txt")
    moved = shutil.copytree(run, tmp_path / "moved")
    assert verify(moved, [small.shards / "dev"], lists, tmp_path / "after.txt") == before
    # The inference folder alone is enough.
    alone = verify(moved / "inference", [small.shards / "dev"], lists, tmp_path / "alone.txt")
    assert alone == before


def test_every_utterance_is_embedded_whole(run, small, tmp_path):
    """The scores follow from embeddings of whole utterances, one at a time, by the definition."""
    from speechbrain.inference import EncoderClassifier

    encoder = EncoderClassifier.from_hparams(source=str(run / "inference"))
    embeddings = {}
    for sample, audio in read_shards(index_shards(small.shards / "dev").shards):
        signal = torch.from_numpy(decode(audio, sample))
        assert len(signal) == sample.num_frames
        embeddings[sample.key] = encoder.encode_batch(signal).squeeze()
    lists = [small.corpus / "dev_trials.txt"]
    for line in verify(run, [small.shards / "dev"], lists, tmp_path / "scores.txt"):
        score, first, second = line.split()
        cosine = torch.cosine_similarity(embeddings[first], embeddings[second], dim=0)
        assert float(score) == pytest.approx((cosine.item() + 1) / 2, abs=1e-5)
