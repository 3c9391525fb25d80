"""Rates of identification, against plain loops over searches, on odd input too."""

import json
import sys

import numpy as np
import pytest

from enrolled import made_up, write_models
from local.errors import RecipeError
from local.metrics.__main__ import main
from local.metrics.identification import FALSE_ALARMS, Searches, arrange, identify
from local.scoring.backends import Backend
from local.scoring.score_list import write_scores
from local.scoring.trial_scores import score_trials
from local.scoring.trials import read_trials


def oracle(scores, same):
    """The definitions, read out: each threshold that a score may be, one search at a time."""
    searches = [list(zip(row, own, strict=True)) for row, own in zip(scores, same, strict=True)]
    mated = [search for search in searches if any(own for _, own in search)]
    strangers = [search for search in searches if not any(own for _, own in search)]

    def mate(search):
        return max(score for score, own in search if own)

    def is_first(search):
        return all(mate(search) > score for score, own in search if not own)

    values = {}
    if mated:
        values["rank_1"] = sum(map(is_first, mated)) / len(mated)
    for most in FALSE_ALARMS if mated and strangers else ():
        thresholds = [np.inf, *sorted({score for row in scores for score in row}, reverse=True)]
        lowest = np.inf
        for threshold in thresholds:
            raised = sum(max(score for score, _ in search) >= threshold for search in strangers)
            if raised > most * len(strangers):
                break
            lowest = threshold
        high = [search for search in mated if mate(search) >= lowest]
        values[f"dir_{most}"] = sum(map(is_first, high)) / len(mated)
        values[f"fnir_{most}"] = 1 - len(high) / len(mated)
    return values


@pytest.mark.parametrize("seed", range(40))
def test_rates_are_those_of_the_definitions(seed):
    """Few scores tie often; speakers have no, one or two models, in any order."""
    rng = np.random.default_rng(seed)
    num_models, num_probes = rng.integers(1, 7), rng.integers(1, 80)
    speakers = rng.integers(0, 5, num_models)
    same = speakers[None] == rng.integers(0, 8, num_probes)[:, None]
    scores = rng.normal(size=same.shape) + 1.2 * same
    if seed % 2:
        scores = scores.round()
    found = Searches(scores, same).rates()
    expected = oracle(scores, same)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name


def test_weights_are_repeated_probes():
    rng = np.random.default_rng(0)
    same = np.arange(4)[None] == rng.integers(0, 7, 50)[:, None]
    scores, times = (rng.normal(size=same.shape) + same).round(1), rng.integers(0, 4, 50)
    repeated = Searches(scores.repeat(times, axis=0), same.repeat(times, axis=0)).rates()
    assert Searches(scores, same).rates(times.astype(float)) == pytest.approx(repeated)


@pytest.mark.parametrize(
    "scores, same, expected",
    [
        ([[1, 1]], [[1, 0]], {"rank_1": 0}),  # a tie tells nobody; no strangers, no threshold
        ([[1, 0]], [[1, 0]], {"rank_1": 1}),
        ([[1, 1]], [[1, 1]], {"rank_1": 1}),  # two models of the speaker, and no other
        ([[1], [0]], [[0], [0]], {}),  # nobody is enrolled
        (
            [[2, 2], [2, 0]],
            [[1, 0], [0, 0]],
            {"rank_1": 0, **{f"dir_{f}": 0 for f in FALSE_ALARMS}} | {
                f"fnir_{f}": 1 for f in FALSE_ALARMS
            },
        ),  # as high as the stranger is too low
    ],
)  # fmt: skip
def test_odd_searches(scores, same, expected):
    assert Searches(np.array(scores, float), np.array(same, bool)).rates() == expected


def test_only_whole_searches_count():
    """A probe that was not compared with each model was not looked for."""
    enrol, test = list("abab"), list("xxyy")
    assert arrange(np.arange(4), np.arange(4), enrol, test)[0].tolist() == [[0, 1], [2, 3]]
    order = [3, 0, 2, 1]
    turned = [[side[n] for n in order] for side in (enrol, test)]
    assert sorted(arrange(np.arange(4), np.arange(4), *turned)[0].ravel()) == [0, 1, 2, 3]
    assert arrange(np.arange(3), np.arange(3), enrol[:3], test[:3]) is None
    assert arrange(np.arange(4), np.arange(4), ["a", "b", "a", "a"], test) is None
    scores, labels = np.array([0.9, 0.1, 0.2, 0.8]), np.array([1, 0, -1, 1])
    found = identify(scores, labels, enrol, test)
    assert list(found["searches"].values()) == [2, 1, 0, 1, 0]
    assert identify(scores, np.full(4, -1), enrol, test) is None


def test_intervals_resample_the_speakers_of_the_probes():
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(40), 10)
    enrol, test = np.tile(np.arange(20), 400), np.repeat(np.arange(400), 20)
    labels = (enrol == speakers[test]).astype(int)
    scores = labels * (2.5 + rng.normal(size=40)[speakers[test]]) + rng.normal(size=len(labels))
    columns = scores, labels, enrol.tolist(), test.tolist(), speakers[test].tolist()
    found = identify(*columns)
    assert found["searches"]["speakers"] == 40 and found == identify(*columns)
    assert (
        found["metrics"].keys() == oracle(scores.reshape(400, 20), labels.reshape(400, 20)).keys()
    )
    alone = identify(*columns[:2], columns[2], columns[3], columns[3])  # each probe for itself
    for name, entry in found["metrics"].items():
        assert 0 <= entry["low"] < entry["value"] < entry["high"] <= 1
        other = alone["metrics"][name]
        assert other["value"] == entry["value"]
        if "0.01" not in name:
            assert other["high"] - other["low"] < entry["high"] - entry["low"], name
    assert identify(*columns, num_bootstrap=0)["metrics"]["rank_1"]["low"] is None
    assert identify(*columns[:4])["metrics"]["rank_1"]["high"] is None


def test_time_and_memory_for_many_searches():
    """A million trials in seconds: by sorting and whole matrices."""
    rng = np.random.default_rng(0)
    same = np.arange(500)[None] == rng.integers(0, 1000, 2000)[:, None]
    searches = Searches(rng.normal(size=same.shape) + 3 * same, same)
    for _ in range(20):
        searches.rates(rng.integers(0, 3, 2000).astype(float))


@pytest.fixture
def searched(tmp_path):
    """A gallery of half the speakers, a probe list of all, and the scores of its trials."""
    table = made_up(num_speakers=12, utterances=8)
    gallery = write_models(tmp_path / "gallery.txt", table.ids[: 6 * 8])
    probes = [key for row, key in enumerate(table.ids) if row % 8 >= 4]
    path = tmp_path / "probes.txt"
    path.write_text("# who is it?\n" + "".join(f"{key}.wav\n" for key in probes))
    trials = read_trials(path, enrolment=gallery)
    scores = Backend("cosine").to_unit(score_trials(Backend("cosine"), table, trials))
    write_scores(tmp_path / "scores.txt", [(trials, scores)])
    return tmp_path, trials, scores


def test_a_probe_list_is_all_trials_of_its_probes(searched):
    folder, trials, _ = searched
    assert len(trials) == 6 * 48 and trials.test[:6] == ["s00/v2/004"] * 6
    assert trials.enrol[:7] == [f"model-s{n:02d}" for n in (0, 1, 2, 3, 4, 5, 0)]
    assert trials.labels.reshape(12, 4, 6).sum(axis=1).tolist() == (4 * np.eye(12, 6)).tolist()
    again = folder / "trials.txt"
    lines = zip(trials.labels, *trials.pairs(), strict=True)
    again.write_text("".join("{} {} {}\n".format(*line) for line in lines))
    written = read_trials(again, enrolment=trials.enrolment)
    assert written.pairs() == trials.pairs() and (written.labels == trials.labels).all()


@pytest.mark.parametrize(
    "text, message",
    [
        ("s00/v2/004\n1 model-s00 s00/v2/005\n", "probes.txt:2: malformed probe '1 model-s00"),
        ("s00/v2/004\n\n./s00/v2/004.wav\n", "probes.txt:3: './s00/v2/004.wav' is on line 1"),
    ],
)
def test_probe_lists_that_are_refused(searched, text, message):
    path = searched[0] / "probes.txt"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        read_trials(path, enrolment=searched[1].enrolment)
    with pytest.raises(RecipeError, match="malformed trial"):
        read_trials(path)


def test_probes_that_are_enrolled_or_nameless_are_left_out(searched):
    folder, trials, _ = searched
    (folder / "probes.txt").write_text("s00/v0/000\nhash\ns00/v2/004\ns11/v2/004\n")
    found = read_trials(folder / "probes.txt", enrolment=trials.enrolment)
    assert found.labels.reshape(4, 6).tolist() == [
        [-1, 0, 0, 0, 0, 0], [-1] * 6, [1, 0, 0, 0, 0, 0], [0] * 6
    ]  # fmt: skip
    assert "1 trial of a model with its own utterance" in found.remarks
    counts = identify(np.arange(24), found.labels, *found.pairs())["searches"]
    assert (counts["mated"], counts["nonmated"], counts["left_out"]) == (1, 1, 2)


def test_the_command_tells_the_rates(searched, monkeypatch, capsys):
    folder, trials, scores = searched
    arguments = ["x", "--scores", f"{folder}/scores.txt", "--trials", f"{folder}/probes.txt"]
    arguments += ["--enrolment_lists", f"{folder}/gallery.txt"]
    monkeypatch.setattr(sys, "argv", arguments)
    main()
    printed = capsys.readouterr().out
    assert "Identification: 24 probes of speakers among 6 models, 24 of others" in printed
    monkeypatch.setattr(sys, "argv", [*arguments, "--json"])
    main()
    (found,) = json.loads(capsys.readouterr().out)
    expected = oracle(scores.reshape(48, 6), trials.labels.reshape(48, 6) == 1)
    values = {name: one["value"] for name, one in found["identification"]["metrics"].items()}
    assert values == pytest.approx(expected)
    assert f"{100 * expected['dir_0.1']:.2f} %" in printed
    assert found["identification"]["searches"]["speakers"] == 12
