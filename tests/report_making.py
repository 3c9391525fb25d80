"""A verification run as it lies on disk, small and made up, for the tests of the report."""

import json
from pathlib import Path

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from local.corpora.trial_lists import make_trials, write_trials
from local.metadata import SpeakerInfo
from local.metrics import evaluate
from local.metrics.breakdown import breakdown
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
    write_embeddings(run / "embeddings" / "dev.npz", ids, vectors)
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
    scores = np.concatenate([cosines(vectors, rows, of) for of in trials])
    if calibrated:
        labels = np.concatenate([of.labels for of in trials])
        known = labels >= 0
        model = LogisticRegression(class_weight="balanced").fit(scores[known, None], labels[known])
        scores = expit(model.decision_function(scores[:, None]))
    return write_result(run, trials, scores, calibrated=calibrated, rows=rows)


def write_embeddings(path, ids, vectors):
    """An embedding cache."""
    path.parent.mkdir(exist_ok=True)
    frames = np.arange(len(ids)) * 100 + 32000
    np.savez(
        path, ids=np.array(ids), vectors=np.float32(vectors), num_frames=frames, about='{"dim": 16}'
    )


def write_result(run, trials, scores, *, calibrated=False, rows=None, stem="scores"):
    """The score list and its JSON, as speaker_verification.py leaves them."""
    columns = [(a, b) for of in trials for a, b in zip(of.enrol, of.test, strict=True)]
    with open(run / f"{stem}.txt", "w") as fout:
        fout.writelines(f"{s} {a} {b}\n" for s, (a, b) in zip(scores, columns, strict=True))
    threshold = 0.99 if calibrated else None
    result = {
        "command": f"python speaker_verification.py hparams/verification.yaml --checkpoint {run}",
        "run": str(run),
        "score_file": str(run / f"{stem}.txt"),
        "scoring": "cosine",
        "calibrated": calibrated,
        "seed": 0,
        "versions": {"python": "3.11.7", "torch": "2.13.0", "speechbrain": "1.1.2"},
        "threshold": threshold,
        "decision": {"p_target": 0.01, "c_miss": 1.0, "c_fa": 1.0} if calibrated else None,
        "shards": [str(run / "shards" / "dev")],
        "embeddings": [str(path) for path in sorted((run / "embeddings").glob("*.npz"))],
        "lists": [],
    }
    start = 0
    for of in trials:
        mine = scores[start : start + len(of)]
        start += len(of)
        known = of.labels >= 0
        evaluation, breakdowns = None, []
        if known.any():
            speakers = of.speakers()
            evaluation = evaluate(mine, of.labels, speakers, num_bootstrap=50)
            if speakers is not None:
                options = {"people": people(speakers), "accepted": mine >= (threshold or 0.5)}
                breakdowns = breakdown(mine, of.labels, speakers, **options)
        result["lists"].append(
            {
                "name": Path(of.path).stem,
                "path": of.path,
                "num_trials": len(of),
                "evaluation": evaluation,
                "breakdown": breakdowns,
            }
        )
    path = run / f"{stem}.json"
    path.write_text(json.dumps(result))
    return path


def people(speakers):
    """Speakers with even numbers are female, those with odd ones male."""
    numbers = {name: int(name.strip("id") or 0) for side in speakers for name in side}
    return {
        name: SpeakerInfo(("female", "male")[number % 2], "", "")
        for name, number in numbers.items()
    }
