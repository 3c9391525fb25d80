"""Scores of trials from embeddings, and trials without them."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from local.embeddings import Embeddings, read_embeddings, write_embeddings
from local.errors import RecipeError
from local.scoring.trial_scores import cosine_scores
from local.scoring.trials import TrialList, read_trials
from local.scoring.utterances import find_utterances


def random_embeddings(count=20, dim=5):
    vectors = np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32)
    return {f"s{number % 4}/x/{number}": vector for number, vector in enumerate(vectors)}


def all_pairs(keys):
    pairs = [(a, b) for a in keys for b in keys]
    labels = np.array([int(a.split("/")[0] == b.split("/")[0]) for a, b in pairs])
    return TrialList(labels, [a for a, _ in pairs], [b for _, b in pairs], "all pairs")


def test_against_sklearn():
    embeddings = random_embeddings()
    scores = cosine_scores(embeddings, all_pairs(list(embeddings)))
    expected = cosine_similarity(np.stack(list(embeddings.values())))
    assert scores == pytest.approx(expected.ravel(), abs=1e-6)


def test_more_trials_than_a_block():
    embeddings = random_embeddings()
    keys = list(embeddings)
    rows = np.random.default_rng(1).integers(0, 20, (70_000, 2))
    trials = TrialList(np.full(70_000, -1), *([keys[row] for row in side] for side in rows.T))
    expected = cosine_similarity(np.stack(list(embeddings.values())))[tuple(rows.T)]
    assert cosine_scores(embeddings, trials) == pytest.approx(expected, abs=1e-6)


def test_missing_utterances_are_counted_and_named():
    trials = all_pairs(["b/x/1", *(f"a/x/{number}" for number in range(7))])
    with pytest.raises(RecipeError, match="63 of 64 trials .* in no shard, 7 in all") as error:
        find_utterances(trials, {"b/x/1"})
    assert "a/x/4" in str(error.value) and "a/x/5" not in str(error.value)
    with pytest.raises(RecipeError, match="in no shard"):
        cosine_scores({"b/x/1": np.ones(2)}, trials)


def test_embeddings_that_are_not_finite():
    embeddings = {**random_embeddings(3), "bad/x/0": np.array([1, np.nan, 0, 0, 0])}
    with pytest.raises(RecipeError, match="1 embeddings are not finite, e.g. bad/x/0"):
        cosine_scores(embeddings, all_pairs(list(embeddings)))


@pytest.mark.parametrize("zero", [[0], [1], [0, 1]])
def test_embeddings_of_zeros_are_refused(tmp_path, zero):
    vectors = np.ones((2, 3), np.float32)
    vectors[zero] = 0
    path = tmp_path / "embeddings.npz"
    write_embeddings(path, Embeddings(["a/x/0", "b/y/0"], vectors, np.array([8, 9]), {}))
    message = f"npz: {len(zero)} of 2 embeddings are zero throughout, e.g. {'ab'[zero[0]]}/"
    with pytest.raises(RecipeError, match=message):
        read_embeddings(path)


def test_why_a_list_has_no_labels(tmp_path):
    path = tmp_path / "trials.txt"
    for text, why in (
        ("1 a/x/0 a/x/0.wav\n1 b/y/0 ./b/y/0\n", "all are of an utterance with itself"),
        ("-1 a/x/0 b/x/0\n1 b/y/0 b/y/0\n", "without labels there is no EER"),
    ):
        path.write_text(text)
        trials = read_trials(path)
        assert not trials.has_labels and trials.unlabelled.startswith(why)
