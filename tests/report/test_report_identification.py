"""The report of a gallery that was searched: rates, curves, and lists that have changed."""

import numpy as np
import pytest

from enrolled import made_up, write_models
from local.errors import RecipeError
from local.metrics.identification import identify_models
from local.report.runs import read_runs
from local.results import read_results, write_results
from local.scoring.backends import Backend
from local.scoring.trial_scores import score_trials
from local.scoring.trials import read_trials
from report_making import report, write_cache, write_result


@pytest.fixture
def searched(tmp_path):
    """The results of a gallery of half of 12 speakers, searched for probes of all."""

    def write(run, num_unknown=6, noise=1.5):
        run.mkdir()
        table = made_up(6 + num_unknown, noise=noise, seed=num_unknown)
        gallery = write_models(run / "gallery.txt", table.ids[: 6 * 8])
        probes = [key for row, key in enumerate(table.ids) if row % 8 >= 4]
        (run / "probes.txt").write_text("".join(f"{key}\n" for key in probes))
        trials = read_trials(run / "probes.txt", enrolment=gallery)
        (run / "embeddings").mkdir()
        write_cache(run / "embeddings/dev.npz", table.ids, table.vectors)
        scores = Backend("cosine").to_unit(score_trials(Backend("cosine"), table, trials))
        path = write_result(run, [trials], scores)
        results = read_results(path)
        entry = vars(results.lists[0])
        entry["enrolment"] = trials.enrolment.path
        entry["identification"] = identify_models(trials, np.float64(scores), num_bootstrap=20)
        write_results(path, results)
        return path

    return write


def test_rates_and_curves_are_on_the_page(searched, tmp_path):
    path = searched(tmp_path / "run")
    page = report(path)
    (scored,) = read_runs([path])[0].lists
    rates = scored.result.identification["metrics"]
    assert "24 probes of enrolled speakers and 24 of others, each compared with all 6" in page.text
    assert f"{rates['dir_0.1']['value']:.2%}".replace("%", " %") in page.text
    assert "list0-identification-title" in page.ids and "FNIR at FPIR 0.01" in page.text


def test_two_systems_and_a_closed_set(searched, tmp_path):
    paths = [searched(tmp_path / name, noise=noise) for name, noise in (("a", 1), ("b", 2))]
    assert "b: 1 - DIR" in report(*paths).text
    closed = report(searched(tmp_path / "closed", num_unknown=0))
    assert "rank 1, closed set" in closed.text and "FNIR at" not in closed.text
    assert "list0-identification-title" not in closed.ids


def test_a_gallery_that_has_changed_or_gone(searched, tmp_path):
    path = searched(tmp_path / "run")
    gallery = path.with_name("gallery.txt")
    lines = gallery.read_text().splitlines(keepends=True)
    gallery.write_text("".join(lines[1:]))
    with pytest.raises(RecipeError, match="score the run again"):
        report(path)
    gallery.unlink()
    with pytest.raises(RecipeError, match="no such enrolment list"):
        report(path)
    with pytest.raises(RecipeError, match="reads it and would replace it"):
        gallery.write_text("".join(lines))
        report(path, out=gallery)
