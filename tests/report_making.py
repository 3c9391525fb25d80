"""A verification run as it lies on disk, small and made up, for the tests of the report."""

import json
import re
from pathlib import Path

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from local.metrics import equal_error_rate, roc
from local.trials import make_trials, read_trials, write_trials

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
    write_embeddings(run / "embeddings" / "dev.npz", ids, vectors.astype("float32"))
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
    np.savez(path, ids=np.array(ids), vectors=vectors, num_frames=frames, about='{"dim": 16}')


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
            evaluation = evaluate(mine[known], of.labels[known], of.speakers())
            breakdowns = break_down(of, mine, 0.5 if threshold is None else threshold)
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


def evaluate(scores, labels, speakers):
    """The evaluation of one list, by simple calculation."""
    eer = equal_error_rate(scores, labels, speakers, num_bootstrap=50)
    false_alarm, miss = roc(scores, labels)
    llrs = logit(np.clip(scores, 1e-9, 1 - 1e-9))
    cllr = sum(np.logaddexp(0, s * llrs[labels == c]).mean() for s, c in ((-1, 1), (1, 0)))
    low, high = (None if np.isnan(bound) else bound for bound in eer.interval)
    values = {"eer": eer.convex_hull, "eer_interpolated": eer.interpolated}
    for prior in (0.01, 0.05):
        cost = prior * miss + (1 - prior) * false_alarm
        values[f"min_dcf_{prior}"] = cost.min() / prior
    values |= {"act_dcf_0.01": 1.0, "act_dcf_0.05": 0.9}
    values |= {"cllr": cllr / np.log(4), "min_cllr": 0.3, "auc": roc_auc_score(labels, scores)}
    metrics = {name: {"value": of, "low": None, "high": None} for name, of in values.items()}
    metrics["eer"] |= {"low": low, "high": high}
    counts = {"target": eer.num_target, "nontarget": eer.num_nontarget, "unlabelled": 0}
    return {
        "trials": {**counts, "speakers": eer.num_speakers},
        "metrics": metrics,
        "bootstrap": {"resamples": 50, "seed": 0, "over": "speakers"},
    }


def break_down(trials, scores, threshold):
    """By the sex pair, with even speakers female and odd ones male."""
    sexes = [
        [("female", "male")[int("0" + re.sub(r"\D", "", name.split("/")[0])) % 2] for name in side]
        for side in (trials.enrol, trials.test)
    ]
    groups = np.array(["-".join(sorted(pair)) for pair in zip(*sexes, strict=True)])
    found = []
    for group in sorted(set(groups)):
        labels, above = trials.labels[groups == group], scores[groups == group] >= threshold
        both = len(set(labels)) == 2
        eer = equal_error_rate(scores[groups == group], labels).convex_hull if both else None
        found.append(
            {
                "by": "sex",
                "group": group,
                "target": int((labels == 1).sum()),
                "nontarget": int((labels == 0).sum()),
                "speakers": 6,
                "eer": {"value": eer, "low": eer * 0.7, "high": eer * 1.4} if both else None,
                "miss": float((~above[labels == 1]).mean()) if 1 in labels else None,
                "false_alarm": float(above[labels == 0].mean()) if 0 in labels else None,
            }
        )
    return found
