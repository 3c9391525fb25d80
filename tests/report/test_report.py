"""The report: what is on the page and what is not there; TensorBoard's projector."""

import html
import json
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from report_making import write_embeddings, write_result, write_run
from scipy.stats import norm
from sklearn.calibration import calibration_curve
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
from werkzeug.test import Client

from local.errors import RecipeError
from local.metrics import roc
from local.metrics.det import LIMITS, deviates, thin
from local.report import export_projector, make_report
from local.report.__main__ import main
from local.report.projection import flatten
from local.report.reading import read_results
from local.report.scores import as_llrs, reliability
from local.report.sections import worst_trials
from local.scoring.trials import TrialList


class Page(HTMLParser):
    """What the tests look at in an HTML page."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.tags, self.links, self.values, self.words = [], Counter(), [], {}, []
        self._metric = None
        self.html = path.read_text()
        self.feed(self.html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags[tag] += 1
        if "id" in attributes:
            self.ids.append(attributes["id"])
        for name in ("href", "src", "xlink:href"):
            if name in attributes:
                self.links.append(attributes[name])
        self._metric = attributes.get("data-metric", self._metric)
        if tag == "data":
            self.values.setdefault(self._metric, []).append(float(attributes["value"]))

    def handle_data(self, data):
        self.words.append(data)


def report(*paths, out=None):
    return Page(make_report(paths, out)[0])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A calibrated run."""
    folder = tmp_path_factory.mktemp("report") / "ours"
    write_run(folder, calibrated=True)
    return folder


@pytest.fixture(scope="module")
def page(run):
    return report(run)


@pytest.fixture
def own(run, tmp_path):
    """A copy that a test may spoil, with its scores.json as `about`, to be written by `save`."""
    folder = shutil.copytree(run, tmp_path / "own")
    path = folder / "scores.json"
    text = path.read_text().replace(str(run), str(folder))
    path.write_text(text)
    about = json.loads(text)
    return SimpleNamespace(
        run=folder, json=path, about=about, save=lambda: path.write_text(json.dumps(about))
    )


def test_metrics_are_those_of_the_json(run, page):
    of = json.loads((run / "scores.json").read_text())["lists"][0]
    metrics = of["evaluation"]["metrics"]
    assert {name: [metric["value"]] for name, metric in metrics.items()} == page.values
    eer = metrics["eer"]
    interval = f"{eer['value']:.2%} (95% interval {eer['low']:.2%} to {eer['high']:.2%})"
    assert f"The EER on dev_trials is {interval}: 600 trials of 12 speakers." in page.text


def test_page_says_how_it_was_made(run, page):
    for words in (
        "python train_speaker_embeddings.py hparams/prototype.yaml --shard_folder <SHARDS>",
        f"python speaker_verification.py hparams/verification.yaml --checkpoint {run}",
        "python 3.11.7, torch 2.13.0",
        "p_target 0.01, c_miss 1, c_fa 1",
        "random_seed: 1337",
        "SpeechBrain system description",
        f"dev_trials 600 trials: {run}/dev_trials.txt",
        f"shards 2 archives: {run}/shards/dev",
        f"embeddings 96 utterances: {run}/embeddings/dev.npz",
        "Seed of the training 1337",
        "eval_trials_no_gt: 50 trials scored; without labels of both kinds",
    ):
        assert words in page.text


def test_page_is_complete_and_needs_no_network(page):
    # DET, histogram, calibration, groups, map, and three of the training
    assert page.tags["svg"] == page.tags["figure"] == 8
    assert not page.tags["script"] and not page.tags["img"] and not page.tags["object"]
    assert [link for link in page.links if not link.startswith(("#", "data:"))] == []
    assert "@import" not in page.html
    assert set(re.findall(r"url\((.)", page.html)) <= {"#"}


def test_ids_are_unique_and_references_lead_to_them(page):
    assert [name for name, times in Counter(page.ids).items() if times > 1] == []
    wanted = {link[1:] for link in page.links if link.startswith("#")}
    wanted |= set(re.findall(r"url\(#([^)]*)\)", page.html))
    wanted |= set(re.findall(r'aria-labelledby="([^"]*)"', page.html))
    assert wanted and wanted <= set(page.ids)


def test_equal_input_gives_equal_bytes(run, page, tmp_path):
    again, _ = make_report([run], tmp_path / "again.html")
    assert again.read_text() == page.html


def test_what_users_name_is_escaped(own):
    evil = "<script>&amp;'$x$"
    for path in own.run.glob("*.txt"):
        path.write_text(path.read_text().replace("id00/", f"{evil}/"))
    with np.load(own.run / "embeddings/dev.npz") as arrays:
        ids = [name.replace("id00/", f"{evil}/") for name in arrays["ids"].tolist()]
        write_embeddings(own.run / "embeddings/dev.npz", ids, arrays["vectors"])
    text = own.json.read_text()
    for name in ('"sex"', '"female-female"', '"dev_trials"'):
        text = text.replace(name, json.dumps(evil))
    own.json.write_text(text)
    (own.run / "experiment.yaml").write_text(f"# > {evil}\n")
    page = report(own.run)
    assert page.tags["script"] == 0
    drawn = [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", page.html)]
    assert evil in drawn  # in the legend of the map
    assert any(text.startswith(f"{evil}: ") for text in drawn)  # beside the bars
    # Headline, heading, group, tables, command, map: as it is, neither markup nor mathematics.
    assert page.text.count(evil) > 10 and page.text.count("<script") == page.text.count(evil)


def test_worst_trials_against_a_loop():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(-1, 2, 60), rng.random(60).round(2)
    names = [f"a/b/{number}" for number in range(60)]
    scored = SimpleNamespace(trials=TrialList(labels, names, names[::-1]), scores=scores)
    worst = worst_trials(scored, 3)
    rows = list(zip(scores.tolist(), names, names[::-1], labels, strict=True))
    targets = sorted((row[:3] for row in rows if row[3] == 1), key=lambda row: row[0])
    nontargets = sorted((row[:3] for row in rows if row[3] == 0), key=lambda row: -row[0])
    assert worst == {"non-target": nontargets[:3], "target": targets[:3]}


def test_reliability_against_scikit_learn():
    rng = np.random.default_rng(1)
    scores = rng.uniform(0.01, 0.99, 400)
    labels = (rng.random(400) < scores).astype(int)
    surplus = np.flatnonzero(labels == labels.mean().round())[: abs(400 - 2 * labels.sum())]
    scores, labels = np.delete(scores, surplus), np.delete(labels, surplus)
    assert labels.mean() == 0.5  # where the probability at even prior is that in the list
    observed, predicted = calibration_curve(labels, scores, n_bins=10)
    points = np.array(reliability(scores, labels))
    np.testing.assert_allclose(points[:, 0], predicted, rtol=1e-9)
    np.testing.assert_allclose(points[:, 1], observed, rtol=1e-9)
    assert (points[:, 2] <= observed).all() and (observed <= points[:, 3]).all()
    assert points[:, 4].sum() == len(labels)


def test_perfect_calibration_holds_at_any_share_of_targets():
    """Log-likelihood ratios of two normal distributions, 4 % of the trials targets."""
    rng = np.random.default_rng(2)
    labels = (rng.random(50_000) < 0.04).astype(int)
    llrs = rng.normal(np.where(labels == 1, 4.0, -4.0), np.sqrt(8.0))
    points = np.array(reliability(1 / (1 + np.exp(-llrs)), labels))
    inside = (points[:, 2] <= points[:, 0]) & (points[:, 0] <= points[:, 3])
    assert inside.sum() >= len(points) - 1


def test_llrs_of_probabilities_stay_finite():
    assert as_llrs([0.0, 0.5, 1.0]).tolist() == [-15.0, 0.0, 15.0]


def test_thin_curve_is_the_same_to_the_eye():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 50_000)
    false_alarm, miss = roc(rng.normal(labels * 2.0), labels)
    kept = thin(false_alarm, miss)
    assert len(kept) <= 1001 and (np.diff(kept) > 0).all()
    x, y = deviates(false_alarm, miss)
    width = np.diff(norm.ppf(LIMITS))[0]
    shown = (x > norm.ppf(LIMITS[0])) & (x < norm.ppf(LIMITS[1])) & (y < norm.ppf(LIMITS[1]))
    off = np.abs(np.interp(x[shown], x[kept], y[kept]) - y[shown])
    assert off.max() < 3 * width / 400  # a third of a millimetre on a phone


def test_map_is_seeded_and_separates_speakers():
    rng = np.random.default_rng(4)
    vectors = np.repeat(rng.normal(size=(2, 8)), 15, axis=0) + 0.05 * rng.normal(size=(30, 8))
    points = flatten(vectors)
    np.testing.assert_array_equal(points, flatten(vectors))
    first, second = points[:15], points[15:]
    spread = max(np.ptp(first, axis=0).max(), np.ptp(second, axis=0).max())
    assert np.linalg.norm(first.mean(axis=0) - second.mean(axis=0)) > spread


def test_comparison_of_two_runs(run, tmp_path, capsys):
    other = write_run(tmp_path / "other", noise=2.5)
    main([str(run), str(tmp_path / "other"), "--out", str(tmp_path / "both.html")])
    assert f"report: {tmp_path / 'both.html'}" in capsys.readouterr().out
    page = Page(tmp_path / "both.html")
    lists = [json.loads(path.read_text())["lists"] for path in (run / "scores.json", other)]
    assert page.values["eer"] == [of[0]["evaluation"]["metrics"]["eer"]["value"] for of in lists]
    ours, others = (f"{eer:.2%}" for eer in page.values["eer"])
    assert re.search(f"On dev_trials the EER of ours is {ours} .*, against {others} ", page.text)
    assert "The scores are not calibrated" in page.text
    assert page.tags["svg"] == 11  # the DET curves, groups and training curves are shared
    for name in ("ours", "other"):
        assert f"{name}: EER" in page.html  # in the legend of the DET curves
        assert f"{name}, valid" in page.html  # in that of the training curves


def test_lists_of_one_name_but_other_trials_are_not_compared(run, tmp_path):
    write_run(tmp_path / "other", num_speakers=10)
    page = report(run, tmp_path / "other", out=tmp_path / "both.html")
    assert page.text.count("Trials: dev_trials") == 2
    assert "against" not in page.text
    assert "The EER of ours on dev_trials" in page.text


def test_two_score_lists_of_one_run(own, tmp_path):
    result = read_results([own.run])[0]
    scores = np.concatenate([of.scores for of in result.lists])
    write_result(own.run, [of.trials for of in result.lists], 1 - scores, stem="reversed")
    page = report(own.json, own.run / "reversed.json", out=tmp_path / "both.html")
    assert "own/scores vs own/reversed" in page.text
    assert page.text.count("val EER") and page.html.count("Training: val EER") == 1


def test_a_moved_run_is_found(own, run, tmp_path):
    text = own.json.read_text().replace(str(own.run), str(tmp_path / "gone"))
    own.json.write_text(text)
    assert report(own.run).tags["svg"] == 8


def test_sections_without_content_say_so(own):
    own.about["embeddings"] = [str(own.run / "gone.npz")]
    dev = own.about["lists"][0]
    dev["breakdown"] = []
    for metric in dev["evaluation"]["metrics"].values():
        metric["low"] = metric["high"] = None
    own.save()
    for name in ("train_log.csv", "experiment.yaml", "env.log"):
        (own.run / name).unlink()
    page = report(own.run)
    for words in (
        "There is no map",
        "No groups: no metadata",
        "too few, or not known, for intervals",
        "(no interval: too few speakers)",
        "The run has no training log",
        "The command was not recorded",
        "Hyperparameters (experiment.yaml): not there",
    ):
        assert words in page.text
    assert page.tags["svg"] == page.tags["figure"] == 3


def test_lists_without_labels_only(tmp_path):
    path = write_run(tmp_path / "run", labelled=False)
    page = report(path)
    assert "there are no error rates to show" in page.text
    assert "All embeddings" in page.text
    assert page.tags["svg"] == 4  # the map and the training curves


def test_no_errors_at_all(own):
    """Separable scores: the DET curve runs along the axes, the histogram has two bars."""
    dev = read_results([own.run])[0].lists[0]
    for name in ("train_log.csv", "embeddings/dev.npz"):  # nothing new to see there
        (own.run / name).unlink()
    write_result(own.run, [dev.trials], np.where(dev.trials.labels == 1, 0.9, 0.1))
    page = report(own.run)
    assert page.values["eer"] == [0.0]
    write_result(own.run, [dev.trials], np.full(len(dev.trials), 0.5))
    assert report(own.run).values["eer"] == [0.5]


def test_groups_with_one_kind_of_trials_have_no_eer(page):
    assert "% false alarm" in page.html  # of the female-male trials
    assert re.search(r"sex: female-male 0 \d+ 12 . . . \d+", page.text)


def test_anonymous_ids_have_a_map_without_speakers(tmp_path):
    path = write_run(tmp_path / "run", labelled=False)
    rng = np.random.default_rng(0)
    names = [f"{number:08x}" for number in range(40)]
    write_embeddings(path.parent / "embeddings/dev.npz", names, rng.normal(size=(40, 4)))
    trials = TrialList(np.arange(20) % 2, names[:20], names[20:], str(tmp_path / "run/list.txt"))
    columns = zip(trials.labels, trials.enrol, trials.test, strict=True)
    (tmp_path / "run/list.txt").write_text("".join(f"{a} {b} {c}\n" for a, b, c in columns))
    page = report(write_result(path.parent, [trials], rng.random(20)))
    assert "20 trials of unknown speakers" in page.text
    assert "Map of 40 embeddings" in page.html
    assert "colour and marker of its own" not in page.text


def test_many_trials_stay_light(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"id{number // 25:02d}/video/{number:05d}" for number in range(1200)]
    path = write_run(tmp_path / "run", labelled=False)
    write_embeddings(path.parent / "embeddings/dev.npz", names, rng.normal(size=(1200, 192)))
    sides = rng.choice(1200, (2, 50_000))
    labels = (sides[0] // 25 == sides[1] // 25).astype(int)
    enrol, test = ([names[row] for row in side] for side in sides)
    trials = TrialList(labels, enrol, test, str(path.with_name("list.txt")))
    columns = zip(labels, enrol, test, strict=True)
    path.with_name("list.txt").write_text("".join(f"{a} {b} {c}\n" for a, b, c in columns))
    write_result(path.parent, [trials], rng.normal(labels * 0.3 + 0.4, 0.1).clip(0, 1))
    out, _ = make_report([path])
    assert out.stat().st_size < 1e6
    assert "1,000 of 1,200 utterances" in out.read_text()


def spoil(own, how):
    """Do to a run what happens to runs."""
    if how == "no run":
        shutil.rmtree(own.run)
    elif how == "no JSON":
        own.json.unlink()
    elif how == "cut JSON":
        own.json.write_text(own.json.read_text()[:-20])
    elif how == "other JSON":
        own.json.write_text("[1, 2]")
    elif how == "no scoring":
        del own.about["scoring"]
        own.save()
    elif how == "scores cut":
        path = own.run / "scores.txt"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-7]))
    elif how == "no scores":
        (own.run / "scores.txt").unlink()
    elif how == "list changed":
        path = own.run / "dev_trials.txt"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[::-1]))
    elif how == "no list":
        (own.run / "dev_trials.txt").unlink()
    elif how == "cache cut":
        path = own.run / "embeddings/dev.npz"
        path.write_bytes(path.read_bytes()[:-400])
    elif how == "log cut":
        (own.run / "train_log.csv").write_text("epoch,lr\n1,abc\n")
    elif how == "NaN":
        path = own.run / "scores.txt"
        path.write_text(re.sub(r"^\S+", "nan", path.read_text()))


@pytest.mark.parametrize(
    "how, told",
    [
        ("no run", "no such .*speaker_verification.py .stage 4"),
        ("no JSON", "scores.json: no such file: speaker_verification.py .stage 4"),
        ("cut JSON", "scores.json: damaged"),
        ("other JSON", "scores.json: damaged"),
        ("no scoring", "without scoring: .*score the run again"),
        ("scores cut", "643 scores, but .* tells of 650: .*score the run again"),
        ("no scores", "no such score list"),
        ("list changed", "dev_trials.txt: its 600 trials are not those"),
        ("no list", "no such trial list"),
        ("cache cut", "dev.npz: damaged, or not embeddings"),
        ("log cut", "train_log.csv: not a table of numbers"),
        ("NaN", "scores.txt:1: expected .* with a finite score"),
    ],
)
def test_one_line_for_what_is_wrong(own, how, told, capsys):
    spoil(own, how)
    with pytest.raises(SystemExit) as stop:
        main([str(own.run)])
    errors = capsys.readouterr().err.split("\r")[-1].strip()
    assert stop.value.code == 1
    assert re.search(f"^error: .*{told}", errors) and "\n" not in errors


def test_output_that_cannot_be_written_is_told_first(own, tmp_path):
    with pytest.raises(RecipeError, match="cannot be written"):
        make_report([own.run], tmp_path)


def serve(folder):
    """What TensorBoard's own backend serves of a log folder to the projector's page."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    plugin = ProjectorPlugin(TBContext(logdir=str(folder), data_provider=provider))
    apps = plugin.get_plugin_apps()

    def get(route, **query):
        answer = Client(apps[route]).get("/", query_string=query)
        assert answer.status_code == 200, answer.text
        return answer

    return get


def test_tensorboard_serves_the_embeddings(own, capfd):
    folder = own.run / "tensorboard" / "projector"
    for _ in range(2):  # again: nothing piles up
        main([str(own.run)])
    assert "warn" not in capfd.readouterr().err.lower()
    assert len(list(folder.glob("events*"))) == 1
    get = serve(folder.parent)
    assert get("/runs").json == ["projector"]
    embeddings = get("/info", run="projector").json["embeddings"]
    assert [of["tensorName"] for of in embeddings] == ["embeddings:00000"]
    name = embeddings[0]["tensorName"]
    with np.load(own.run / "embeddings/dev.npz") as arrays:
        ids, vectors = arrays["ids"].tolist(), arrays["vectors"]
    served = np.frombuffer(get("/tensor", run="projector", name=name).data, dtype=np.float32)
    np.testing.assert_allclose(served.reshape(vectors.shape), vectors, rtol=1e-5)
    table = get("/metadata", run="projector", name=name).text
    rows = [line.split("\t") for line in table.splitlines()]
    assert rows == [["id", "speaker"], *([id, id.split("/")[0]] for id in ids)]


def test_projector_takes_a_seeded_sample(tmp_path):
    ids = [f"s{number % 7}/v/{number}" for number in range(6000)]
    vectors = np.arange(12_000, dtype=np.float32).reshape(6000, 2)
    embeddings = SimpleNamespace(ids=ids, vectors=vectors)
    for name in ("a", "b"):
        assert export_projector(embeddings, tmp_path / name) == 5000
    first, second = ((tmp_path / name).rglob("metadata.tsv") for name in ("a", "b"))
    text = next(first).read_text()
    assert text == next(second).read_text()
    rows = [line.split("\t")[0] for line in text.splitlines()[1:]]
    tensors = np.loadtxt(next((tmp_path / "a").rglob("tensors.tsv")))
    assert [ids.index(row) for row in rows[::500]] == (tensors[::500, 0] / 2).astype(int).tolist()
