"""Enrolment lists: what is read, what is refused, and how trials find their models in them."""

import numpy as np
import pytest

from enrolled import made_up, write_models, write_trials_of_models
from local.errors import RecipeError
from local.metrics.breakdown import side_lengths
from local.scoring.backends import Backend
from local.scoring.decisions import quality_measures
from local.scoring.enrolment import pair_lists, read_enrolment
from local.scoring.trial_scores import score_trials
from local.scoring.trials import read_trials
from local.scoring.utterances import find_utterances


def write(folder, text, name="models.txt"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "m1 a/x/0.wav a/x/1\n\nm2 b/x/0\n",
        "m1\ta/x/0   /data/wav/a/x/1.WAV\r\nm2\tb/x/0\r\n",
        "m1,a/x/0,a/x/1\nm2, b/x/0\n",
        "m1;a/x/0;a/x/1\nm2;b/x/0\n",
        "\ufeffmodel utterances\nm1 a/x/0 a/x/1\nm2 b/x/0\n",
        "# who: m1\nm1 a/x/0 a/x/1\n# m3 a/x/3\nm2 b/x/0",
    ],
)
def test_the_forms_of_a_list(tmp_path, text):
    models = read_enrolment(write(tmp_path, text))
    assert list(models.models) == ["m1", "m2"]
    assert [name[-5:] for name in models.find("m1").utterances] == ["a/x/0", "a/x/1"]
    assert models.find("m2").utterances == ["b/x/0"] and models.find("m3") is None


def test_a_first_line_of_ids_is_no_head_line(tmp_path):
    models = read_enrolment(write(tmp_path, "model1 utt1 utt2\nmodel2 utt3\n"))
    assert list(models.models) == ["model1", "model2"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("m1 a/x/0\n\nm2\n", "models.txt:3: malformed model 'm2': expected 'model utterance "),
        ("m1,a/x/0\nm2 a/x/1\n", "models.txt:2: malformed model 'm2 a/x/1': expected 'model,utt"),
        ("m a/x/0\nn b/x/0\nm a/x/1\n", "models.txt:3: model 'm' is on line 1 already"),
        ("m a/x/0 a/x/1 ./a/x/0.wav\n", "txt:1: model 'm' has the utterance 'a/x/0' twice"),
        ("m a/x/0\nn a/x/0 b/x/0 c/x/0\n", "txt:2: model 'n' has utterances of 3 speakers, a, b,"),
        ("# nothing\n\n", "models.txt: the enrolment list is empty"),
        ("m a/x\x000\n", "is no id but damage"),
        ('{"m": ["a/x/0"]}', "no enrolment list, but JSON"),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    with pytest.raises(RecipeError, match=message):
        read_enrolment(write(tmp_path, text))
    with pytest.raises(RecipeError, match="no such enrolment list"):
        read_enrolment(tmp_path / "none.txt")


def test_trials_of_models(tmp_path):
    """A model may have the name of an utterance, or of a file: the two sides are told apart."""
    models = read_enrolment(write(tmp_path, "a/x/0 a/x/0 a/x/1\nbert.wav b/x/0 b/x/1\n"))
    text = "1 a/x/0 a/x/2.wav\n0 a/x/0 b/x/2\n1 bert b/x/2\n0 bert.wav a/x/0\n"
    trials = read_trials(write(tmp_path, text, "trials.txt"), enrolment=models)
    assert trials.pairs()[0] == ["a/x/0", "a/x/0", "bert", "bert"] and not trials.remarks
    assert trials.speakers() == (["a", "a", "b", "b"], ["a", "b", "b", "a"])
    assert trials.named() == ["a/x/2", "b/x/2", "a/x/0", "a/x/1", "b/x/0", "b/x/1"]
    known = sorted(trials.named())
    enrol, test, rows = trials.rows(lambda names: np.array([known.index(name) for name in names]))
    assert enrol.tolist() == [0, 0, 1, 1] and test.tolist() == [2, 5, 5, 0]
    assert [own.tolist() for own in rows] == [[0, 1], [3, 4]]


def test_a_model_with_its_own_utterance_counts_nowhere(tmp_path, caplog):
    models = read_enrolment(write(tmp_path, "m a/x/0 a/x/1\nn b/x-y/0\nkaldi c-x-0 c-x-1\n"))
    pairs = ["1 m a/x/1.wav", "1 m a/x/2", "1 n b-x-y-0", "0 n b/x/y-0", "1 kaldi c/x/0"]
    path = write(tmp_path, "\n".join([*pairs, pairs[1]]), "trials.txt")
    with pytest.raises(RecipeError, match="trials.txt:4: label 0 contradicts"):
        read_trials(path, enrolment=models)
    path.write_text(path.read_text().replace("0 n b/x/y-0", "1 n b/x/y-0"))
    trials = read_trials(path, enrolment=models)
    assert trials.labels.tolist() == [-1, 1, -1, 1, -1, 1]
    said = "3 trials of a model with its own utterance (left out of the metrics); 1 trial repeated"
    assert said in trials.remarks and said in caplog.text
    counted = read_trials(path, enrolment=models, self_trials=True)
    assert counted.labels.tolist() == [1] * 6 and "counted as any other" in counted.remarks
    own = read_trials(write(tmp_path, "1 m a/x/0\n1 m a/x/1\n", "own.txt"), enrolment=models)
    assert own.unlabelled.startswith("all are of a model with its own utterance")


def test_labels_and_models_are_checked_with_line_numbers(tmp_path):
    models = read_enrolment(write(tmp_path, "m a/x/0 a/x/1\nn b/x/0\n"))
    path = write(tmp_path, "1 m a/x/2\n\n0 o b/x/2\n", "trials.txt")
    with pytest.raises(RecipeError, match="trials.txt:3: 'o' is none of the 2 models of .*models"):
        read_trials(path, enrolment=models)
    path.write_text("1 m a/x/2\n0 n a/x/2\n# \n1 n a/x/2\n")
    with pytest.raises(RecipeError, match="trials.txt:4: label 1 contradicts the speaker ids of b"):
        read_trials(path, enrolment=models)


def test_utterances_that_are_in_no_shard(tmp_path):
    models = read_enrolment(write(tmp_path, "unused q/x/0\nm a/x/0 a/x/9\nn b-x-0 b-x-1\n"))
    path = write(tmp_path, "1 m a/x/2\n1 n b/x/2\n", "trials.txt")
    trials = read_trials(path, enrolment=models)
    keys = ["a/x/0", "a/x/2", "b/x/0", "b/x/1", "b/x/2"]
    message = "models.txt:2: model 'm': 1 of 2 utterances are in no shard, first a/x/9"
    with pytest.raises(RecipeError, match=message):
        find_utterances(trials, keys)
    found = find_utterances(trials, [*keys, "a/x/9"])  # and not q/x/0, which no trial needs
    assert found.speakers() == (["a", "b"], ["a", "b"])
    assert set(found.named()) == {*keys, "a/x/9"}
    with pytest.raises(RecipeError, match="trials.txt: 1 of 2 trials name utterances that are in"):
        find_utterances(trials, [*keys[:-1], "a/x/9"])
    two = read_enrolment(write(tmp_path, "m a-x-0 b-x-0\n"))
    trials = read_trials(write(tmp_path, "-1 m a/x/2\n", "trials.txt"), enrolment=two)
    with pytest.raises(RecipeError, match="models.txt:1: model 'm' has utterances of 2 speakers"):
        find_utterances(trials, keys)


def test_lists_and_their_models_in_order(tmp_path):
    first, second = write(tmp_path, "m a/x/0\n"), write(tmp_path, "n a/x/0\n", "others.txt")
    assert pair_lists(["t1", "t2"], [""]) == {"t1": None, "t2": None}
    found = pair_lists(["t1", "t2"], [str(first)])
    assert found["t1"] is found["t2"] and found["t1"].find("m")
    found = pair_lists(["t1", "t2", "t1"], [str(first), str(second)])  # one calibrates by itself
    assert found["t1"].find("m") and found["t2"].find("n")
    assert pair_lists(["t1", "t2"], [str(first), "none"])["t2"] is None
    with pytest.raises(RecipeError, match="2 enrolment lists for 3 trial lists"):
        pair_lists(["t1", "t2", "t3"], [str(first), str(second)])


def test_cosine_of_models_is_that_of_the_mean_of_unit_vectors(tmp_path):
    table = made_up()
    models = write_models(tmp_path / "models.txt", table.ids)
    path = write_trials_of_models(tmp_path / "trials.txt", models, table.ids)
    trials = read_trials(path, enrolment=models)
    rows = {key: row for row, key in enumerate(table.ids)}
    unit = np.array([vector / np.sqrt(vector @ vector) for vector in np.float64(table.vectors)])
    for mean in (None, table.vectors.mean(axis=0)):
        backend = Backend("cosine" if mean is None else "mean_subtracted", mean=mean)
        if mean is not None:
            unit = np.array([vector / np.sqrt(vector @ vector) for vector in table.vectors - mean])
        scores = score_trials(backend, table, trials)
        for score, name, test in zip(scores, *trials.pairs(), strict=True):
            model = sum(unit[rows[one]] for one in models.find(name).utterances)
            expected = model @ unit[rows[test]] / np.sqrt(model @ model)
            assert score == pytest.approx(expected, abs=1e-6)


def test_measures_of_models():
    """A model is as long as all its utterances, and its norm is their mean."""
    vectors, frames = np.array([[3.0, 4.0], [0, 1], [0, 8]]), np.array([100, 200, 1000])
    rows = np.array([1, 0]), np.array([2, 0]), [np.array([0, 1]), np.array([2])]
    measures = np.exp(quality_measures(vectors, frames, *rows))
    assert measures == pytest.approx(np.array([[1000, 1000, 8, 8], [100, 300, 3, 5]]))
    assert [side.tolist() for side in side_lengths(frames, *rows)] == [[1000, 300], [1000, 100]]
