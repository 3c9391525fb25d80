"""A verification run as it lies on disk, small and made up, and its report as HTML."""

import json
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from local.corpora.trial_lists import make_trials, write_trials
from local.embeddings import Embeddings, write_embeddings
from local.metadata import SpeakerInfo
from local.metrics import evaluate
from local.metrics.breakdown import breakdown
from local.report import make_report
from local.results import ListResult, Results, write_results
from local.scoring.score_list import write_scores
from local.scoring.trials import read_trials

LOG = "epoch,lr,train_loss,train_accuracy,valid_loss,valid_accuracy,valid_eer\n"


def cosines(vectors, rows, trials):
    """Cosine scores in [0, 1] of the trials of a list."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    enrol, test = ([rows[name] for name in side] for side in (trials.enrol, trials.test))
    return (np.einsum("td,td->t", unit[enrol], unit[test]) + 1) / 2


def write_run(run, *, calibrated=False, noise=1.0, num_speakers=12, labelled=True):
    """A run folder with scores of made-up embeddings; returns the path of its scores.json."""
    run, rng = Path(run), np.random.default_rng(0)
    run.mkdir(parents=True, exist_ok=True)
    ids = [f"id{s:02d}/video{u // 3}/{u:05d}" for s in range(num_speakers) for u in range(8)]
    centres = rng.normal(size=(num_speakers, 16))
    vectors = np.repeat(centres, 8, axis=0) + noise * rng.normal(size=(len(ids), 16))
    rows = {name: row for row, name in enumerate(ids)}
    write_cache(run / "embeddings" / "dev.npz", ids, vectors)
    lists = {"eval_trials_no_gt": [(-1, *rng.choice(ids, 2)) for _ in range(50)]}
    if labelled:
        firsts = range(0, len(ids), 8)
        speakers = {ids[first].split("/")[0]: ids[first : first + 8] for first in firsts}
        lists = {"dev_trials": make_trials(speakers, num_trials=600, seed=0), **lists}
    paths = [run / f"{name}.txt" for name in lists]
    for path, trials in zip(paths, lists.values(), strict=True):
        write_trials(path, trials)
    epochs = [(n, 0.003, 50 / n**3, 1 - 1 / n, 6 / n, 1 - 1 / n, 0.3 / n) for n in range(1, 9)]
    log = "".join(f"{','.join(map(str, row))}\n" for row in epochs)
    (run / "train_log.csv").write_text(LOG + log)
    (run / "experiment.yaml").write_text(
        "# > python train_speaker_embeddings.py hparams/prototype.yaml --shard_folder <SHARDS> \\\n"
        "# >     --seed 1337\n# The prototype.\n\nrandom_seed: 1337\nepochs: 8\n"
    )
    (run / "shards/dev").mkdir(parents=True)
    for number in range(2):
        (run / f"shards/dev/shard-{number:06d}.tar").touch()
    (run / "env.log").write_text("SpeechBrain system description\nPython version:\n3.11.7\n")
    trials = [read_trials(path) for path in paths]
    scores = np.concatenate([cosines(vectors, rows, each) for each in trials])
    if calibrated:
        labels = np.concatenate([each.labels for each in trials])
        known = labels >= 0
        model = LogisticRegression(class_weight="balanced").fit(scores[known, None], labels[known])
        scores = expit(model.decision_function(scores[:, None]))
    return write_result(run, trials, scores, calibrated=calibrated)


def write_cache(path, ids, vectors):
    """A file of cached embeddings."""
    frames = np.arange(len(ids)) * 100 + 32000
    write_embeddings(path, Embeddings(ids, np.float32(vectors), frames, {"dim": 16}))


def write_list(path, labels, enrol, test):
    """A trial list, as it is read back."""
    write_trials(path, zip(labels, enrol, test, strict=True))
    return read_trials(path)


def write_result(run, trials, scores, *, calibrated=False, stem="scores"):
    """The score list and its JSON, as speaker_verification.py leaves them."""
    threshold = 0.99 if calibrated else None
    parts = np.split(scores, np.cumsum([len(each) for each in trials])[:-1])
    scored = list(zip(trials, parts, strict=True))
    write_scores(run / f"{stem}.txt", scored)
    results = Results(
        command=f"python speaker_verification.py hparams/verification.yaml --checkpoint {run}",
        run=str(run),
        score_file=str(run / f"{stem}.txt"),
        scoring="cosine",
        calibrated=calibrated,
        calibration_trials=None,
        seed=0,
        versions={"python": "3.11.7", "torch": "2.13.0", "speechbrain": "1.1.2"},
        threshold=threshold,
        decision={"p_target": 0.01, "c_miss": 1.0, "c_fa": 1.0} if calibrated else None,
        shards=[str(run / "shards" / "dev")],
        embeddings=[str(path) for path in sorted((run / "embeddings").glob("*.npz"))],
        lists=[measure(*pair, threshold or 0.5) for pair in scored],
    )
    path = run / f"{stem}.json"
    write_results(path, results)
    return path


def measure(trials, scores, threshold):
    """What a verification measures of one list."""
    evaluation, groups = None, []
    if trials.has_labels:
        speakers = trials.speakers()
        evaluation = evaluate(scores, trials.labels, speakers, num_bootstrap=50)
        if speakers is not None:
            options = {"people": people(speakers), "accepted": scores >= threshold}
            groups = breakdown(scores, trials.labels, speakers, **options)
    return ListResult(Path(trials.path).stem, trials.path, len(trials), evaluation, groups)


def people(speakers):
    """Speakers with even numbers are female, those with odd ones male."""
    numbers = {name: int(name.strip("ids") or 0) for side in speakers for name in side}
    return {
        name: SpeakerInfo(("female", "male")[number % 2], "", "")
        for name, number in numbers.items()
    }


def own_run(folder):
    """A calibrated run that a test may spoil, its scores.json as `about`, written by `save`."""
    path = write_run(folder, calibrated=True)
    about = json.loads(path.read_text())
    return SimpleNamespace(
        run=folder, json=path, about=about, save=lambda: path.write_text(json.dumps(about))
    )


class Page(HTMLParser):
    """What the tests look at in an HTML page."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.tags, self.links, self.values, self.words = [], Counter(), [], {}, []
        self._metric = None
        self.html = path.read_text()
        self.feed(self.html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags[tag] += 1
        if "id" in attributes:
            self.ids.append(attributes["id"])
        for name in ("href", "src", "xlink:href"):
            if name in attributes:
                self.links.append(attributes[name])
        self._metric = attributes.get("data-metric", self._metric)
        if tag == "data":
            self.values.setdefault(self._metric, []).append(float(attributes["value"]))

    def handle_data(self, data):
        self.words.append(data)


def report(*paths, out=None):
    return Page(make_report(paths, out)[0])
