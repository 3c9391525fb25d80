"""Models and galleries through speaker_verification.py, on a run that was trained."""

import pytest

from local.report import make_report
from local.results import read_results
from local.shards import index_shards
from running import one_line, verify

pytestmark = pytest.mark.long


def test_models_and_probes_from_shards_to_report(run, small, tmp_path, capsys):
    """Calibrated by a plain list, and with a model of one utterance as that utterance."""
    shards = [small.shards / "dev", small.shards / "val"]
    val = small.corpus / "val_trials.txt"
    keys, speakers = sorted(sample.key for sample in index_shards(shards[0])), {}
    for key in keys:
        speakers.setdefault(key.split("/")[0], []).append(key)
    gallery, probes = tmp_path / "gallery.txt", tmp_path / "probes.txt"
    models = {f"m{n}": own[: n + 1] for n, own in enumerate([*speakers.values()][:2])}
    gallery.write_text("".join(f"{name} {' '.join(own)}\n" for name, own in models.items()))
    enrolled = {key for own in models.values() for key in own}
    tests = [key for key in keys if key not in enrolled]
    probes.write_text("".join(f"{key}\n" for key in tests))
    pairs = tmp_path / "pairs.txt"
    first = models["m0"][0]
    pairs.write_text("".join(f"-1 {first} {key}\n" for key in tests))
    options = ("--enrolment_lists", f"{gallery},none,none", "--calibration_trials", str(val))
    for scoring in ("cosine", "plda"):
        score_file = tmp_path / f"{scoring}.txt"
        lines = verify(run, shards, [probes, pairs], score_file, *options, "--scoring", scoring)
        assert [line.split()[1:] for line in lines[:2]] == [["m0", tests[0]], ["m1", tests[0]]]
        scores = [float(line.split()[0]) for line in lines]
        searched = 2 * len(tests)
        assert scores[:searched:2] == pytest.approx(scores[searched:], abs=1e-9)
        (found, plain) = read_results(score_file.with_suffix(".json")).lists
        assert found.enrolment == str(gallery) and plain.identification is None
        counts = found.identification["searches"]
        assert (counts["models"], counts["mated"] + counts["nonmated"]) == (2, len(tests))
        assert "DIR at false alarm rate 0.1" in capsys.readouterr().out
        html = make_report([score_file.with_suffix(".json")])[0].read_text()
        assert "<h3>Identification</h3>" in html
    score_file = tmp_path / "gallery.txt"
    assert "would replace it" in one_line(
        capsys, verify, run, shards, [probes], score_file, "--enrolment_lists", str(gallery)
    )
