"""Damaged trial and score lists: a correct reading or one line that says what is wrong, at once."""

import numpy as np

from damaging import LINES, lines_doubled, read_watched, thrown
from local.scoring.score_list import check_scores, read_scores, scores_of
from local.scoring.trials import read_trials

NAMES = [f"{speaker}/x-_{u}/{u:05d}" for speaker in ("id1", "Jürgen", "id3") for u in range(8)]


def make_lines(rng, kind):
    """Trials or scored trials, in one of the forms that are read."""
    pairs = [rng.sample(NAMES, 2) for _ in range(rng.randrange(2, 60))]
    if kind == "scores":
        return [f"{rng.random()} {a} {b}" for a, b in pairs]
    labels = [int(a.split("/")[0] == b.split("/")[0]) for a, b in pairs]
    form = rng.choice(["{0} {1}.wav {2}.wav", "{1} {2} {3}", "{0},{1},{2}", "{1}\t{2}\t{0}"])
    words = ("nontarget", "target")
    return [form.format(x, *pair, words[x]) for x, pair in zip(labels, pairs, strict=True)]


@thrown(LINES, "trial list")
def test_damaged_trial_lists(tmp_path, rounds):
    path, read = tmp_path / "trials.txt", 0
    for rng in rounds:
        lines = make_lines(rng, "trials")
        path.write_bytes(rounds.damage(rng, "".join(f"{line}\n" for line in lines).encode()))
        trials = read_watched(read_trials, path)
        if trials is not None:
            read += 1
            assert len(trials) == len(trials.enrol) == len(trials.test) > 0
            assert set(trials.labels.tolist()) <= {-1, 0, 1}
            names = "".join(trials.enrol + trials.test)
            assert not any(name.split() != [name] for name in trials.enrol) and "\0" not in names
            sides = trials.speakers() or ([], [])
            for label, *pair in zip(trials.labels.tolist(), *sides, strict=bool(sides[0])):
                assert label < 0 or label == (pair[0] == pair[1])
    assert read or rounds.damage is not lines_doubled


@thrown(LINES, "score list")
def test_damaged_score_lists(tmp_path, rounds):
    path = tmp_path / "scores.txt"
    for rng in rounds:
        lines = make_lines(rng, "scores")
        whole = [line.split() for line in lines]
        wanted = tmp_path / "trials.txt"
        wanted.write_text("".join(f"-1 {first} {second}\n" for _, first, second in whole))
        trials = read_trials(wanted)
        path.write_bytes(rounds.damage(rng, "".join(f"{line}\n" for line in lines).encode()))
        found = read_watched(read_scores, path)
        if found is not None:
            assert np.isfinite(found[0]).all() and len(set(map(len, found))) == 1
        scores = read_watched(scores_of, path, [trials])
        mistakes = read_watched(check_scores, path, [trials])
        if scores is not None:
            assert len(scores[0]) == len(trials)
        if mistakes == {}:
            assert scores is not None
            assert found[1:] == trials.pairs() and ((scores[0] >= 0) & (scores[0] <= 1)).all()
        text = "".join(example for _, some in (mistakes or {}).values() for example in some)
        assert len(text) < 10_000 and "\n" not in text
