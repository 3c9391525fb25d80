"""Error rates by group of trials: sex, nationality, duration, known or unknown speakers.

A system whose errors fall on one group looks fine in a single number.

Authors
 * The TinyVoxCeleb authors 2026
"""

import itertools

import numpy as np

from local.metrics.evaluation import LabelledTrials, evaluate

SECONDS = (0, 2, 4, 8, 16, np.inf)  # bounds of the groups by duration
SAMPLE_RATE = 16000


def breakdown(
    scores,
    labels,
    speakers,
    *,
    people=None,
    num_frames=None,
    threshold=None,
    num_bootstrap=200,
    seed=0,
):
    """Error rates of the trials by group.

    Arguments
    ---------
    scores, labels : numpy.ndarray
        Shape (trials,); unlabelled trials are left out.
    speakers : pair of sequences of str
        The speakers of the two sides of each trial.
    people : dict of str to SpeakerInfo, optional
        What is known of the speakers, see `read_speakers`.
    num_frames : pair of numpy.ndarray, optional
        Length of the two sides of each trial, in audio samples at 16 kHz.
    threshold : float, optional
        At and above it a trial is accepted; by default that of the equal error rate of all trials.
    num_bootstrap, seed : int
        As for `evaluate`.

    Returns
    -------
    list of dict
        For each group: "by" and "group" name it; "target", "nontarget" and "speakers" count;
        "eer" with "value", "low" and "high", None for a group of one kind of trial; "miss" and
        "false_alarm" rates at the threshold, each None without trials of its kind.
    """
    scores, labels = np.asarray(scores, dtype=float), np.asarray(labels)
    speakers = [np.asarray(side) for side in speakers]
    if threshold is None:
        threshold = LabelledTrials(scores, labels).sorted.eer_threshold()
    entries = []
    for by, groups in _groupings(speakers, people, num_frames):
        names = [name for name in dict.fromkeys(groups.tolist()) if name]
        for name in names if by == "duration" else sorted(names):
            chosen = (groups == name) & (labels >= 0)
            if chosen.any():
                sides = [side[chosen] for side in speakers]
                options = {"num_bootstrap": num_bootstrap, "seed": seed}
                entry = _group(scores[chosen], labels[chosen], sides, threshold, **options)
                entries.append({"by": by, "group": name, **entry})
    return entries


def _groupings(speakers, people, num_frames):
    """Name the group of each trial, "" where it is not known; once for each kind of group."""
    for by, value in (("sex", "sex"), ("nationality", "nationality"), ("speaker", "known")):
        values = {name: getattr(person, value) for name, person in (people or {}).items()}
        sides = [np.array([values.get(name) or "" for name in side.tolist()]) for side in speakers]
        if all((side == "").all() for side in sides):
            continue
        first, second = np.sort(sides, axis=0)
        pairs = np.char.add(np.char.add(first, "-"), second)
        if by == "nationality":  # pairs of countries would be many and small
            pairs = np.where(first == second, first, "two nationalities")
        yield by, np.where((first == "") | (second == ""), "", pairs)
    if num_frames is not None:
        seconds = np.minimum(*num_frames) / SAMPLE_RATE
        names = np.array([_span(low, high) for low, high in itertools.pairwise(SECONDS)])
        yield "duration", names[np.digitize(seconds, SECONDS[1:-1])]


def _span(low, high):
    if not low:
        return f"under {high} s"
    return f"{low} to {high} s" if np.isfinite(high) else f"{low} s and more"


def _group(scores, labels, speakers, threshold, **options):
    targets, nontargets = scores[labels == 1], scores[labels == 0]
    eer = None
    if len(targets) and len(nontargets):
        eer = evaluate(scores, labels, speakers, **options)["metrics"]["eer"]
    return {
        "target": len(targets),
        "nontarget": len(nontargets),
        "speakers": len(np.unique(np.concatenate(speakers))),
        "eer": eer,
        "miss": float((targets < threshold).mean()) if len(targets) else None,
        "false_alarm": float((nontargets >= threshold).mean()) if len(nontargets) else None,
    }
