"""Calibration against known likelihood ratios, by hand, and across speakers."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logit

from local.errors import RecipeError
from local.scoring.calibration import cross_validated_llrs, fit_calibration, fit_weighted
from local.scoring.decisions import Calibration, quality_measures, to_probability
from local.scoring.likelihood_ratios import cllr, threshold


def gaussian_scores(num_target, num_nontarget, distance=2.0, seed=0):
    """Scores of unit variance around +-distance/2: their true ratio is distance times the score."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [num_target, num_nontarget])
    return rng.normal(size=len(labels)) + distance * (labels - 0.5), labels


def speaker_trials(num_speakers, utterances=4, seed=0, distance=3.0):
    """All pairs of utterances: scores, labels and the speakers of both sides."""
    names = np.repeat([f"id{number}" for number in range(num_speakers)], utterances)
    enrol, test = np.triu_indices(len(names), 1)
    labels = (names[enrol] == names[test]).astype(int)
    scores = np.random.default_rng(seed).normal(size=len(labels)) + distance * labels
    return scores, labels, (names[enrol].tolist(), names[test].tolist())


@pytest.mark.parametrize("prior", [0.5, 0.1, 0.01])
@pytest.mark.parametrize("counts", [(20_000, 20_000), (2_000, 40_000)])
def test_true_ratios_are_recovered_whatever_the_counts_and_the_prior(prior, counts):
    scores, labels = gaussian_scores(*counts)
    calibration = fit_calibration(5 * scores - 3, labels, prior=prior)
    assert calibration(np.array([-3.0, 2.0])) == pytest.approx([0.0, 2.0], abs=0.15)
    truth = cllr(2 * scores, labels)
    assert cllr(calibration(5 * scores - 3), labels) == pytest.approx(truth, abs=0.005)


def test_ordinary_fits_are_those_without_penalty():
    """Against the optimum of Cllr itself, found by another method."""
    scores, labels = gaussian_scores(300, 3000, seed=1)
    best = minimize(lambda w: cllr(w[0] * scores + w[1], labels), [1.0, 0.0], tol=1e-10)
    found = fit_calibration(scores, labels)
    assert cllr(found(scores), labels) == pytest.approx(best.fun, abs=1e-5)
    assert [*found.weights, found.offset] == pytest.approx(best.x, rel=0.02, abs=0.02)


@pytest.mark.parametrize("gap", [1.0, 1e-6, 1e6])
def test_separable_scores_do_not_diverge(gap):
    labels = np.repeat([1, 0], 50)
    scores = gap * (labels + np.random.default_rng(0).uniform(-0.3, 0.3, 100))
    llrs = fit_calibration(scores, labels)(scores)
    assert np.abs(llrs).max() < 30
    assert (llrs[labels == 1] > 2).all() and (llrs[labels == 0] < -2).all()


def test_constant_and_reversed_scores(caplog):
    labels = np.array([1, 0, 0, 0])
    assert fit_calibration(np.full(4, 0.7), labels)(np.array([0.7, 9.0])) == pytest.approx(0)
    assert "turned round" not in caplog.text
    scores, labels = gaussian_scores(100, 100)
    assert fit_calibration(-scores, labels).weights[0] < 0
    assert "targets score lower than non-targets" in caplog.text


def test_trials_without_label_go_into_no_fit():
    scores, labels = gaussian_scores(50, 50)
    more = np.append(scores, [1e6, -1e6])
    assert fit_calibration(more, np.append(labels, [-1, -1])) == fit_calibration(scores, labels)
    measures = np.arange(102.0)[:, None]
    whole = fit_calibration(more, np.append(labels, [-1, -1]), measures)
    assert whole == fit_calibration(scores, labels, measures[:100])
    assert whole.high == [99.0]


@pytest.mark.parametrize(
    "scores, labels, prior, message",
    [
        ([1.0, 2.0], [0, 0], 0.5, "0 target and 2 non-target trials to fit on"),
        ([1.0, 2.0], [1, -1], 0.5, "1 target and 0 non-target trials"),
        ([1.0, 2.0], [-1, -1], 0.5, "0 target and 0 non-target"),
        ([], [], 0.5, "0 target and 0 non-target"),
        ([1.0, np.nan], [1, 0], 0.5, "1 of 2 trials have scores or measures not finite"),
        ([-np.inf, np.nan], [1, 0], 0.5, "2 of 2 trials"),
        ([1.0, 2.0], [1, 0], 0.0, "prior 0.0: expected"),
        ([1.0, 2.0], [1, 0], np.nan, "prior nan: expected"),
    ],
)
def test_lists_that_cannot_be_fitted(scores, labels, prior, message):
    with pytest.raises(RecipeError, match=message):
        fit_calibration(scores, labels, prior=prior)


def test_json_and_back():
    rng = np.random.default_rng(0)
    scores, labels = gaussian_scores(50, 50)
    measures = rng.normal(size=(100, 4))
    calibration = fit_calibration(scores, labels, measures)
    again = Calibration(**json.loads(json.dumps(asdict(calibration))))
    assert again == calibration
    assert (again(scores, measures) == calibration(scores, measures)).all()
    with pytest.raises(ValueError, match="1 values a trial, fitted: 5"):
        calibration(scores)
    with pytest.raises(ValueError, match="4 quality measures, fitted: 0"):
        fit_calibration(scores, labels)(scores, measures)


def test_quality_measures_by_hand_and_from_both_sides():
    vectors = np.array([[3.0, 4.0], [0.0, 1.0], [0.0, 0.0]], dtype=np.float32)
    frames = np.array([16_000, 8_000, 0])
    found = quality_measures(vectors, frames, np.array([0, 2]), np.array([1, 0]))
    assert found[0] == pytest.approx(np.log([8_000, 16_000, 1, 5]))
    assert np.isfinite(found).all()
    swapped = quality_measures(vectors, frames, np.array([1, 0]), np.array([0, 2]))
    assert (found == swapped).all()


def test_quality_helps_where_it_matters_and_is_not_trusted_beyond_what_was_seen():
    """Scores of short trials say less; a length that was never seen counts as the longest seen."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 20_000)
    shift = rng.uniform(0, 3, 20_000)  # all scores of a trial rise with its quality
    scores = rng.normal(size=20_000) + 2 * (labels - 0.5) + shift
    measures = np.stack([shift, np.full(20_000, 4.0)], axis=1)
    with_quality = fit_calibration(scores, labels, measures)
    found = cllr(with_quality(scores, measures), labels)
    assert found == pytest.approx(cllr(2 * (scores - shift), labels), abs=0.003)
    assert found < cllr(fit_calibration(scores, labels)(scores), labels) - 0.1
    # The second measure never varied: it has no say, wherever it is.
    far = with_quality(np.zeros(2), np.array([[3.0, 4.0], [300.0, -400.0]]))
    assert far[0] == pytest.approx(far[1], abs=1e-3)


def test_no_speaker_is_in_both_fit_and_result(monkeypatch):
    scores, labels, speakers = speaker_trials(11)
    first, second = map(np.array, speakers)
    fits = []

    def spy(scores, *rest):
        fits.append(set(scores[:, 0]))
        return fit_weighted(scores, *rest)

    monkeypatch.setattr("local.scoring.calibration.fit_weighted", spy)
    llrs = cross_validated_llrs(scores, labels, speakers)
    monkeypatch.undo()
    assert len(fits) == 15  # 5 folds, and their 10 pairs
    for number, (score, llr) in enumerate(zip(scores, llrs, strict=True)):
        mine = {first[number], second[number]}
        others = {s for s, a, b in zip(scores, first, second, strict=True) if not {a, b} & mine}
        # Fits that could have given this ratio: none of their trials has a speaker of it.
        clean = [fitted for fitted in fits if fitted <= others]
        assert clean
        possible = [
            fit_calibration(scores[rows], labels[rows])(np.array([score]))[0]
            for rows in (np.isin(scores, list(fitted)) for fitted in clean)
        ]
        assert np.abs(np.array(possible) - llr).min() < 1e-9
        if number == 60:
            break


def test_nothing_of_a_trials_speakers_changes_its_ratio():
    scores, labels, speakers = speaker_trials(8)
    measures = np.random.default_rng(1).normal(size=(len(scores), 2))
    llrs = cross_validated_llrs(scores, labels, speakers, measures)
    first, second = map(np.array, speakers)
    rng = np.random.default_rng(5)
    for number in range(0, len(scores), 37):
        mine = {first[number], second[number]}
        spoilt = np.isin(first, list(mine)) | np.isin(second, list(mine))
        spoilt[number] = False
        others = [np.where(spoilt, 9 * rng.normal(size=len(scores)), scores)]
        others += [np.where(spoilt, 1 - labels, labels), speakers]
        others += [np.where(spoilt[:, None], 9 * rng.normal(size=measures.shape), measures)]
        changed = cross_validated_llrs(*others)
        assert changed[number] == llrs[number]
        assert np.abs(changed - llrs)[~spoilt].max() > 0.01  # others were fitted on them


def test_cross_validation_is_by_seed_and_not_by_order():
    scores, labels, speakers = speaker_trials(9)
    llrs = cross_validated_llrs(scores, labels, speakers, seed=1)
    order = np.random.default_rng(0).permutation(len(scores))
    shuffled = [np.array(side)[order] for side in speakers]
    again = cross_validated_llrs(scores[order], labels[order], shuffled, seed=1)
    assert again == pytest.approx(llrs[order], abs=1e-6)
    swapped = cross_validated_llrs(scores, labels, speakers[::-1], seed=1)
    assert swapped == pytest.approx(llrs, abs=1e-6)
    assert np.abs(cross_validated_llrs(scores, labels, speakers, seed=2) - llrs).max() > 1e-3
    assert cllr(llrs, labels) == pytest.approx(
        cllr(fit_calibration(scores, labels)(scores), labels), abs=0.05
    )


@pytest.mark.parametrize("num_speakers", [4, 5, 6, 7])
def test_four_speakers_are_enough(num_speakers):
    scores, labels, speakers = speaker_trials(num_speakers)
    measures = np.random.default_rng(0).normal(size=(len(scores), 4))
    for quality in (None, measures):
        llrs = cross_validated_llrs(scores, labels, speakers, quality)
        assert np.isfinite(llrs).all() and cllr(llrs, labels) < 1


def test_too_few_speakers():
    scores, labels, speakers = speaker_trials(3)
    with pytest.raises(RecipeError, match="have 3 speakers, and .* takes 4 or more"):
        cross_validated_llrs(scores, labels, speakers)
    with pytest.raises(RecipeError, match="do not tell their speakers"):
        cross_validated_llrs(scores, labels, None)
    scores, labels, speakers = speaker_trials(4)
    alone = (labels == 0) | (np.array(speakers[0]) == "id0")  # targets of one speaker only
    with pytest.raises(RecipeError, match="without the speakers? .*id0.*: 0 target and"):
        cross_validated_llrs(
            scores[alone], labels[alone], [np.array(side)[alone] for side in speakers]
        )


def test_threshold_minimises_the_cost():
    llrs, labels = gaussian_scores(200_000, 200_000)
    llrs = 2 * llrs  # true ratios
    for p_target, c_miss, c_fa in [(0.5, 1, 1), (0.05, 1, 1), (0.2, 10, 1), (0.5, 1, 5)]:

        def cost(at, p_target=p_target, c_miss=c_miss, c_fa=c_fa):
            miss, false_alarm = (llrs[labels == 1] < at).mean(), (llrs[labels == 0] >= at).mean()
            return p_target * c_miss * miss + (1 - p_target) * c_fa * false_alarm

        chosen = threshold(p_target, c_miss, c_fa)
        assert cost(chosen) <= min(cost(at) for at in np.linspace(-6, 6, 61)) + 1e-3
    for wrong in [
        (0, 1, 1),
        (1, 1, 1),
        (0.5, 0, 1),
        (0.5, 1, -1),
        (np.nan, 1, 1),
        (0.5, np.inf, 1),
    ]:
        with pytest.raises(RecipeError, match="expected a probability between 0 and 1 and costs"):
            threshold(*wrong)


def test_probabilities_are_of_the_ratio_and_have_a_logit():
    llrs = np.array([-1e4, -3.0, 0.0, 0.5, 1e4])
    found = to_probability(llrs)
    assert found[1:4] == pytest.approx(1 / (1 + np.exp(-llrs[1:4])))
    assert np.isfinite(logit(found)).all() and (np.diff(found) > 0).all()
    assert np.isfinite(logit(np.array([float(repr(p)) for p in found.tolist()]))).all()
