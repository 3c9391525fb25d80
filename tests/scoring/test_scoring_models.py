"""Scores of models with several enrolment sessions, against independent computations."""

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.stats import multivariate_normal

from enrolled import made_up
from local.scoring import backends
from local.scoring.backends import SCORINGS, plda_scores, unit_length
from local.scoring.fitting import fit_plda, make_backend, two_covariance

DIM = 6


@pytest.fixture(scope="module")
def train():
    table = made_up(num_speakers=30, utterances=6, dim=DIM, seed=1)
    return np.float64(table.vectors), np.array([key.split("/")[0] for key in table.ids])


@pytest.fixture(scope="module")
def trials():
    """Vectors, models of 1 to 5 of them, and trials of each model with each vector."""
    rng = np.random.default_rng(2)
    vectors = np.float64(made_up(num_speakers=5, utterances=6, dim=DIM, seed=3).vectors)
    models = [rng.choice(len(vectors), size, replace=False) for size in (1, 2, 3, 5, 2, 1, 5)]
    enrol, test = (side.ravel() for side in np.indices((len(models), len(vectors))))
    return vectors, enrol, test, models


def log_ratio(enrolled, other, mean, between, within):
    """One speaker for all to another for the last: log densities of whole sets of vectors."""

    def density(vectors):
        number = len(vectors)
        cov = np.kron(np.ones((number, number)), between) + np.kron(np.eye(number), within)
        whole = multivariate_normal(np.tile(mean, number), cov, allow_singular=False)
        return whole.logpdf(np.concatenate(vectors))

    return density([*enrolled, other]) - density(enrolled) - density([other])


def test_plda_of_several_sessions_is_the_ratio_of_the_full_densities():
    """By the book, for covariances that are not diagonal at all, and any number of sessions."""
    rng = np.random.default_rng(0)
    between, within = (np.cov(rng.normal(size=(4, 9))) for _ in range(2))
    mean, vectors = rng.normal(size=4), rng.normal(size=(9, 4))
    variances, directions = eigh(between, within)
    diagonal = (vectors - mean) @ directions
    for count in range(1, 8):
        enrolled = diagonal[:count].mean(axis=0)
        sides = np.stack([enrolled, diagonal[8]]), np.array([0]), np.array([1])
        (found,) = plda_scores(*sides, variances, np.array([count, 1]))
        expected = log_ratio(vectors[:count], vectors[8], mean, between, within)
        assert found == pytest.approx(expected, abs=1e-9)


def test_fitted_plda_of_models_is_its_own_model(train, trials):
    """Through the backend: centred, of length 1, and without directions that were left out."""
    vectors, enrol, test, models = trials
    backend = fit_plda(*train)
    unit = unit_length(train[0], train[0].mean(axis=0))
    mean, within, _ = two_covariance(unit, train[1])
    back = within @ backend.projection
    between = back * backend.between @ back.T
    scores = backend.score(vectors, enrol, test, models)
    unit = unit_length(vectors, train[0].mean(axis=0))
    for place in range(0, len(scores), 7):
        rows = models[enrol[place]]
        expected = log_ratio(unit[rows], unit[test[place]], mean, between, within)
        assert scores[place] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("name", ["z_norm", "t_norm", "s_norm", "as_norm"])
def test_norms_of_models_against_a_plain_loop(train, trials, name):
    vectors, enrol, test, models = trials
    top_n = 12
    found = make_backend(name, train, top_n).score(vectors, enrol, test, models)
    unit = [vector / np.sqrt(vector @ vector) for vector in train[0]]
    cohort = [np.mean([u for u, s in zip(unit, train[1], strict=True) if s == speaker], axis=0)
              for speaker in sorted(set(train[1]))]  # fmt: skip

    def cosine(a, b):
        return a @ b / np.sqrt((a @ a) * (b @ b))

    for number, (place, row) in enumerate(zip(enrol, test, strict=True)):
        model = sum(vectors[own] / np.linalg.norm(vectors[own]) for own in models[place])
        sides = []
        for side in (model, vectors[row]):
            scores = sorted((cosine(side, speaker) for speaker in cohort), reverse=True)
            scores = scores[:top_n] if name == "as_norm" else scores
            spread = np.std(scores, ddof=1)
            sides.append((cosine(model, vectors[row]) - np.mean(scores)) / spread)
        both = sum(sides) / 2
        expected = {"z_norm": sides[0], "t_norm": sides[1]}.get(name, both)
        assert found[number] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", SCORINGS)
def test_a_model_of_one_utterance_is_that_utterance(train, trials, name):
    vectors, enrol, test, models = trials
    backend = make_backend(name, train, 12)
    alone = [rows[:1] for rows in models]
    firsts = np.concatenate(alone)[enrol]
    expected = backend.score(vectors, firsts, test)
    assert backend.score(vectors, enrol, test, alone) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", SCORINGS)
def test_a_trial_of_a_model_does_not_see_the_others(train, trials, name, monkeypatch):
    vectors, enrol, test, models = trials
    backend = make_backend(name, train, 12)
    scores = backend.score(vectors, enrol, test, models)
    strangers = 100 * np.random.default_rng(4).normal(size=(50, DIM))
    more = backend.score(
        np.concatenate([strangers, vectors]),
        np.append(np.zeros(50, dtype=int), 1 + enrol),
        np.append(np.arange(50), 50 + test),
        [np.arange(3), *(50 + rows for rows in models)],
    )
    assert np.abs(more[50:] - scores).max() < 1e-12
    monkeypatch.setattr(backends, "ROWS", 1)
    monkeypatch.setattr(backends, "BLOCK", 100)
    order = np.random.default_rng(5).permutation(len(models))
    turned = backend.score(vectors, np.argsort(order)[enrol], test, [models[n] for n in order])
    assert np.abs(turned - scores).max() < 1e-12


def test_more_sessions_tell_more(train):
    """The right answer gains by each session, in each way of scoring."""
    table = made_up(num_speakers=20, utterances=9, dim=DIM, noise=1.5, seed=6)
    speakers = np.repeat(np.arange(20), 9)
    test = np.flatnonzero(np.arange(len(speakers)) % 9 >= 5)
    for name in SCORINGS:
        backend, rates = make_backend(name, train, 12), []
        for count in (1, 5):
            models = [np.arange(count) + 9 * speaker for speaker in range(20)]
            enrol, other = np.repeat(np.arange(20), len(test)), np.tile(test, 20)
            scores = backend.score(np.float64(table.vectors), enrol, other, models)
            best = scores.reshape(20, -1).argmax(axis=0)
            rates.append((best == speakers[test]).mean())
        assert rates[1] > rates[0], name
