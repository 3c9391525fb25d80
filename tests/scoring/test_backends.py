"""Scoring against plain loops and brute force; the rule that trials do not see each other."""

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.stats import multivariate_normal
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import cosine_similarity

from local.errors import RecipeError
from local.scoring import backends
from local.scoring.backends import SCORINGS, Backend, cohort_statistics, plda_scores, unit_length
from local.scoring.fitting import fit_plda, make_backend, speaker_means, two_covariance

DIM = 12


def speech(num_speakers, utterances, seed=0, dim=DIM, spread=0.7):
    """Simulated embeddings around a mean that is not 0, and their speakers."""
    rng = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(num_speakers), utterances)
    means = rng.normal(size=(num_speakers, dim)) * np.linspace(2.0, 0.1, dim)
    noise = rng.normal(size=(len(speakers), dim)) * spread
    return 1 + means[speakers] + noise, np.array([f"id{speaker:05d}" for speaker in speakers])


def random_trials(count, vectors, seed=0):
    return np.random.default_rng(seed).integers(0, len(vectors), (2, count))


@pytest.fixture(scope="module")
def train():
    return speech(30, 3, seed=1)


@pytest.fixture(scope="module")
def evaluation():
    vectors, speakers = speech(15, 4, seed=2)
    return vectors, speakers, *random_trials(500, vectors)


def test_cosine_and_mean_subtraction_against_sklearn(train, evaluation):
    vectors, _, enrol, test = evaluation
    assert Backend("cosine").score(vectors, enrol, test) == pytest.approx(
        cosine_similarity(vectors)[enrol, test], abs=1e-12
    )
    mean = train[0].mean(axis=0)
    assert make_backend("mean_subtracted", train).score(vectors, enrol, test) == pytest.approx(
        cosine_similarity(vectors - mean)[enrol, test], abs=1e-12
    )


@pytest.mark.parametrize("name", ["z_norm", "t_norm", "s_norm", "as_norm"])
def test_norms_against_a_plain_loop(train, evaluation, name):
    vectors, _, enrol, test = evaluation
    top_n = 12
    found = make_backend(name, train, top_n).score(vectors, enrol, test)
    directions = train[0] / np.linalg.norm(train[0], axis=1, keepdims=True)
    cohort = [directions[train[1] == speaker].mean(axis=0) for speaker in sorted(set(train[1]))]

    def cosine(a, b):
        return a @ b / np.sqrt((a @ a) * (b @ b))

    for number, (first, second) in enumerate(zip(enrol, test, strict=True)):
        score = cosine(vectors[first], vectors[second])
        sides = []
        for side in (first, second):
            scores = sorted((cosine(vectors[side], speaker) for speaker in cohort), reverse=True)
            scores = np.array(scores[:top_n] if name == "as_norm" else scores)
            spread = np.sqrt(((scores - scores.mean()) ** 2).sum() / (len(scores) - 1))
            sides.append((score - scores.mean()) / spread)
        both = (sides[0] + sides[1]) / 2
        expected = {"z_norm": sides[0], "t_norm": sides[1]}.get(name, both)
        assert found[number] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", SCORINGS)
def test_a_trial_does_not_see_the_others(train, evaluation, name, monkeypatch):
    """The rule of the field: other evaluation trials and utterances change nothing."""
    vectors, _, enrol, test = evaluation
    backend = make_backend(name, train, 12)
    all_scores = backend.score(vectors, enrol, test)
    order = np.random.default_rng(3).permutation(len(enrol))
    shuffled = backend.score(vectors, enrol[order], test[order])
    assert np.abs(shuffled - all_scores[order]).max() < 1e-12
    few = backend.score(vectors, enrol[:7], test[:7])
    assert np.abs(few - all_scores[:7]).max() < 1e-12
    strangers = 100 * np.random.default_rng(4).normal(size=(50, DIM))
    more = backend.score(
        np.concatenate([strangers, vectors]),
        np.concatenate([enrol + 50, np.arange(50)]),
        np.concatenate([test + 50, np.arange(50)[::-1]]),
    )
    assert np.abs(more[: len(enrol)] - all_scores).max() < 1e-12
    monkeypatch.setattr(backends, "ROWS", 1)
    monkeypatch.setattr(backends, "BLOCK", 100)  # a few trials, or utterances, at a time
    assert np.abs(backend.score(vectors, enrol, test) - all_scores).max() < 1e-12


@pytest.mark.parametrize("name", SCORINGS)
def test_sides_may_be_swapped_where_the_scoring_says_so(train, evaluation, name):
    vectors, _, enrol, test = evaluation
    backend = make_backend(name, train, 12)
    there, back = backend.score(vectors, enrol, test), backend.score(vectors, test, enrol)
    if name in ("z_norm", "t_norm"):
        other = make_backend({"z_norm": "t_norm", "t_norm": "z_norm"}[name], train)
        assert np.abs(there - back).max() > 0.01
        back = other.score(vectors, test, enrol)
    assert there == pytest.approx(back, abs=1e-12)


@pytest.mark.parametrize("name", SCORINGS)
def test_every_scoring_tells_speakers_apart(train, evaluation, name):
    vectors, speakers, enrol, test = evaluation
    other = enrol != test
    backend = make_backend(name, train, 12)
    scores = backend.score(vectors.astype(np.float32), enrol, test)
    assert scores.dtype == np.float64
    same = speakers[enrol] == speakers[test]
    assert roc_auc_score(same[other], scores[other]) > 0.85
    unit = backend.to_unit(scores)
    assert ((unit >= 0) & (unit <= 1)).all() and len(np.unique(unit)) > 0.98 * len(
        np.unique(scores)
    )
    assert (np.diff(unit[np.argsort(scores)]) >= 0).all()


@pytest.mark.parametrize("name", SCORINGS)
def test_backends_survive_npz(train, evaluation, name, tmp_path):
    vectors, _, enrol, test = evaluation
    backend = make_backend(name, train, 12)
    np.savez(tmp_path / "backend.npz", **backend.to_arrays())
    with np.load(tmp_path / "backend.npz", allow_pickle=False) as arrays:
        again = Backend.from_arrays(arrays)
    assert (again.name, again.top_n) == (backend.name, backend.top_n)
    assert (again.score(vectors, enrol, test) == backend.score(vectors, enrol, test)).all()


def test_cohorts_too_small_and_without_spread(train, evaluation, caplog):
    vectors, _, enrol, test = evaluation
    backend = make_backend("as_norm", train, top_n=300)
    assert "cohort has 30 speakers, fewer than top_n 300" in caplog.text
    s_norm = make_backend("s_norm", train).score(vectors, enrol, test)
    assert backend.score(vectors, enrol, test) == pytest.approx(s_norm, abs=1e-12)
    few = train[1] < "id00009"
    with pytest.raises(RecipeError, match="cohort of 9 training speakers: expected 10"):
        make_backend("s_norm", (train[0][few], train[1][few]))
    with pytest.raises(RecipeError, match="top_n 5"):
        make_backend("as_norm", train, top_n=5)
    same = np.ones((20, DIM))
    flat = make_backend("as_norm", (same, np.arange(20).astype(str)), top_n=10)
    scores = flat.score(vectors, enrol, test)
    assert np.isfinite(scores).all() and np.abs(scores).max() < 3


def test_odd_vectors():
    vectors = np.array([[0.0, 0.0], [1.0, 0.0], [1e-150, 0.0], [1e150, 1e150]])
    scores = Backend("cosine").score(vectors, np.array([0, 1, 3]), np.array([1, 2, 1]))
    assert np.isfinite(scores).all() and scores[0] == 0
    mean, spread = cohort_statistics(vectors[:1], np.ones((3, 2)))
    assert (mean, spread) == (0, 1)
    nothing = np.empty(0, dtype=int)
    assert Backend("cosine").score(vectors, nothing, nothing).shape == (0,)


@pytest.mark.parametrize("train", [None, (np.empty((0, 3)), [])])
def test_training_embeddings_are_asked_for(train):
    for name in SCORINGS[1:]:
        with pytest.raises(RecipeError, match=f"{name} needs the training embeddings"):
            make_backend(name, train)
    with pytest.raises(RecipeError, match="scoring 'cosin': expected one of cosine, "):
        make_backend("cosin", train)
    with pytest.raises(RecipeError, match="1 of 2 training embeddings are not finite"):
        make_backend("plda", (np.array([[1.0], [np.nan]]), ["a", "b"]))


def test_plda_scores_are_gaussian_likelihood_ratios():
    """Against the two joint densities, for covariances that are not diagonal at all."""
    rng = np.random.default_rng(0)
    dim = 4
    between, within = (np.cov(rng.normal(size=(dim, 9))) for _ in range(2))
    mean, vectors = rng.normal(size=dim), rng.normal(size=(6, dim))
    variances, directions = eigh(between, within)
    enrol, test = np.array([0, 1, 2, 3, 0]), np.array([1, 2, 5, 4, 0])
    found = plda_scores((vectors - mean) @ directions, enrol, test, variances)
    total = between + within
    same = np.block([[total, between], [between, total]])
    different = np.block([[total, 0 * between], [0 * between, total]])
    for score, *rows in zip(found, enrol, test, strict=True):
        pair = np.concatenate([vectors[row] - mean for row in rows])
        expected = multivariate_normal(cov=same).logpdf(pair)
        expected -= multivariate_normal(cov=different).logpdf(pair)
        assert score == pytest.approx(expected, abs=1e-9)


def test_fitted_plda_is_its_own_model(train, evaluation):
    """The arrays of the backend give the densities' ratio of the covariances that were fitted."""
    vectors, enrol, test = evaluation[0], evaluation[2][:20], evaluation[3][:20]
    backend = fit_plda(*train)
    mean, within, between = two_covariance(unit_length(train[0], train[0].mean(axis=0)), train[1])
    # Directions without between-speaker variance were left out: to the covariance without them.
    back = within @ backend.projection
    between = back * backend.between @ back.T
    total = between + within
    same = np.block([[total, between], [between, total]])
    apart = np.block([[total, 0 * between], [0 * between, total]])
    scores = backend.score(vectors, enrol, test)
    lengths = unit_length(vectors, train[0].mean(axis=0)) - mean
    for score, *rows in zip(scores, enrol, test, strict=True):
        pair = np.concatenate([lengths[row] for row in rows])
        expected = multivariate_normal(cov=same).logpdf(pair)
        expected -= multivariate_normal(cov=apart).logpdf(pair)
        assert score == pytest.approx(expected, abs=1e-6)


def test_covariances_are_recovered_from_speakers_of_any_size():
    rng = np.random.default_rng(5)
    counts = rng.integers(1, 6, 4000)  # many with a single utterance
    speakers = np.repeat(np.arange(4000), counts)
    between, within = np.diag([4.0, 1.0, 0.0]), np.array([[2, 1, 0], [1, 2, 0], [0, 0, 0.5]])
    means = rng.multivariate_normal([1, 2, 3], between, size=4000)
    vectors = means[speakers] + rng.multivariate_normal(np.zeros(3), within, size=len(speakers))
    mean, found_within, found_between = two_covariance(vectors, speakers)
    assert mean == pytest.approx([1, 2, 3], abs=0.15)
    assert found_within == pytest.approx(within, abs=0.08)
    assert found_between == pytest.approx(between, abs=0.3)


def test_where_data_abound_plda_agrees_with_speechbrain():
    from speechbrain.processing.PLDA_LDA import PLDA, Ndx, StatObject_SB, fast_PLDA_scoring

    vectors, speakers = speech(1500, 5, seed=6, dim=6)
    vectors = unit_length(vectors, vectors.mean(axis=0))

    def stat(vectors, speakers):
        none = np.array([None] * len(vectors))
        names = np.array([f"u{row}" for row in range(len(vectors))], dtype="|O")
        ones = np.ones((len(vectors), 1))
        return StatObject_SB(speakers.astype("|O"), names, none, none, ones, vectors.copy())

    theirs = PLDA(rank_f=6, nb_iter=15)
    theirs.plda(stat(vectors, speakers))
    held_out = speech(30, 2, seed=7, dim=6)[0]
    held_out = unit_length(held_out, held_out.mean(axis=0))
    names = np.array([f"u{row}" for row in range(len(held_out))], dtype="|O")
    side = stat(held_out, names)
    matrix = fast_PLDA_scoring(
        side, side, Ndx(models=names, testsegs=names), theirs.mean, theirs.F, theirs.Sigma
    )
    enrol, test = np.triu_indices(len(held_out))
    order = [list(matrix.modelset).index(name) for name in names]
    expected = matrix.scoremat[np.ix_(order, order)][enrol, test]
    mean, within, between = two_covariance(vectors, speakers)
    variances, directions = eigh(between, within)
    found = plda_scores((held_out - mean) @ directions, enrol, test, variances.clip(0))
    assert np.corrcoef(found, expected)[0, 1] > 0.999
    assert np.median(np.abs(found - expected)) < 0.05 * np.std(expected)


@pytest.mark.parametrize(
    "num_speakers, utterances, dim", [(6, 3, 128), (2, 2, 5), (100, 2, 192), (3, 50, 4), (8, 4, 1)]
)
def test_plda_from_little_is_finite_and_better_than_chance(num_speakers, utterances, dim):
    spread = 0.3
    vectors, speakers = speech(num_speakers, utterances, dim=dim, spread=spread)
    backend = make_backend("plda", (vectors, speakers))
    held_out, names = speech(20, 3, seed=9, dim=dim, spread=spread)
    enrol, test = np.triu_indices(len(held_out), 1)
    scores = backend.score(held_out, enrol, test)
    assert np.isfinite(scores).all() and (backend.between > 0).all()
    if num_speakers >= 6 and dim > 1:
        assert roc_auc_score(names[enrol] == names[test], scores) > 0.8


def test_plda_of_repeated_single_and_constant_utterances():
    vectors, speakers = speech(8, 2)
    # Each speaker's two utterances are equal: nothing varies within a speaker.
    copies = make_backend("plda", (vectors[::2].repeat(2, axis=0), speakers))
    assert np.isfinite(copies.score(vectors, np.array([0, 0]), np.array([1, 2]))).all()
    # A speaker of one utterance counts as a speaker, and says nothing about the noise.
    alone = np.concatenate([speakers[:-1], ["alone"]])
    scores = make_backend("plda", (vectors, alone)).score(vectors, np.array([0]), np.array([1]))
    assert np.isfinite(scores).all()
    constant = make_backend("plda", (np.ones((16, DIM)), speakers))
    assert (constant.score(vectors, np.array([0]), np.array([1])) == 0).all()
    assert (constant.to_unit(np.zeros(1)) == 0.5).all()
    with pytest.raises(RecipeError, match="16 training utterances of 16 speakers: expected two"):
        make_backend("plda", (vectors, np.arange(16)))
    with pytest.raises(RecipeError, match="of 1 speakers"):
        make_backend("plda", (vectors, np.zeros(16)))


def test_speaker_means_against_a_loop():
    rng = np.random.default_rng(0)
    vectors, speakers = rng.normal(size=(50, 3)), rng.integers(0, 7, 50).astype(str)
    means, numbers, counts = speaker_means(vectors, speakers)
    for number, name in enumerate(sorted(set(speakers))):
        assert means[number] == pytest.approx(vectors[speakers == name].mean(axis=0))
        assert counts[number] == (speakers == name).sum()
        assert (speakers[numbers == number] == name).all()


@pytest.mark.parametrize("mean", [0.0, np.linspace(-1, 1, 30)])
def test_unit_vectors_of_blocks_are_those_of_all_at_once(mean, monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(700, 30)).astype(np.float32)
    vectors[5] = mean
    centred = vectors.astype(np.float64) - mean
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    expected = centred / np.maximum(norms, np.finfo(np.float64).tiny)
    monkeypatch.setattr("local.scoring.backends.BLOCK", 30 * 64)
    assert (unit_length(vectors, mean) == expected).all()
