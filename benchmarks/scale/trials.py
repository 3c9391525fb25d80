"""VoxCeleb1-E read, scored, measured and reported, beside what people have otherwise."""

import shutil
import time
from pathlib import Path

import numpy as np
from hyperpyyaml import load_hyperpyyaml

from benchmarks import RECIPE
from benchmarks.measuring import in_process
from benchmarks.scale.made_up_trials import TOP_N, Size, make_cohort, write_evaluation
from benchmarks.scale.trial_peers import CHECKED, measure_eers, normalise, read_and_score
from benchmarks.usage import peak_memory

READ, NORMALISE = "list read, scored by cosine", "as-norm"
MEASURE = "all metrics with intervals"
PEERS = {
    READ: ("SpeechBrain's loop", read_and_score),
    NORMALISE: ("SpeechBrain's loop, from 200 trials", normalise),
    MEASURE: ("the EER alone by scikit-learn, from 3 resamples", measure_eers),
}


def measure(folder: Path, size: Size | None = None) -> list[str]:
    """Score and measure made-up trials below a folder; lines of a table.

    Ours goes through all steps in one process, as `speaker_verification.py` does, each peer has a
    process of its own. Seconds are those of the processors, which others on the machine do not
    lengthen; memory is the most that a process has had by then, imports and all. What both compute
    is compared.
    """
    folder, size = Path(folder, "trials"), size or Size()
    in_process(_write, folder, size)
    steps = in_process(_go_through, folder, size)
    lines = [
        f"{size.trials:,} trials of {size.utterances:,} utterances of {size.speakers:,} speakers; "
        f"a cohort of {size.cohort:,}, {size.resamples} resamples; the page has "
        f"{(folder / 'report.html').stat().st_size / 1e6:.1f} MB.",
        "",
        "| step | ours, CPU s | peer | peer, CPU s | peer / ours | ours, MB | peer, MB |",
        "|---|--:|---|--:|--:|--:|--:|",
    ]
    for name, (seconds, values, memory) in steps.items():
        title, theirs, ratio, their_memory = "", "", "", ""
        if name in PEERS:
            title, peer = PEERS[name]
            others, expected, most = in_process(peer, folder, size)
            if not np.allclose(values, expected, atol=1e-5):
                raise SystemExit(f"{name}: {values[:5]} are not {expected[:5]}, those of {title}")
            theirs, ratio = f"{others:,.1f}", f"{others / seconds:,.1f}"
            their_memory = f"{most / 1e6:.0f}"
        lines.append(
            f"| {name} | {seconds:.2f} | {title} | {theirs} | {ratio} | {memory / 1e6:.0f} "
            f"| {their_memory} |"
        )
    shutil.rmtree(folder)
    return lines


def _write(folder, size, pipe):
    write_evaluation(folder, size)
    pipe.send(None)


def _go_through(folder, size, pipe):
    """Send seconds, values to compare and the peak of memory of each step, by its name."""
    from local.embeddings import read_embeddings
    from local.metadata import read_speakers
    from local.metrics import evaluate
    from local.metrics.breakdown import breakdown, side_lengths
    from local.metrics.det import plot_det
    from local.report import make_report
    from local.results import Measured, evaluate_lists
    from local.scoring.backends import Backend
    from local.scoring.score_list import check_scores, read_scores, write_scores
    from local.scoring.trial_scores import score_trials
    from local.scoring.trials import read_trials
    from local.scoring.utterances import find_utterances

    steps, path = {}, folder / "scores.txt"

    def step(name, function, compared=lambda value: []):
        start = time.process_time()
        value = function()
        seconds = time.process_time() - start
        steps[name] = seconds, compared(value), peak_memory()
        return value

    def read():
        trials = find_utterances(read_trials(folder / "trials.txt"), embeddings.ids)
        return trials, score_trials(Backend("cosine"), embeddings, trials)

    def make_results():
        hparams = (RECIPE / "hparams/verification.yaml").read_text(encoding="utf-8")
        options = {"checkpoint": str(folder), "trial_lists": "", "score_file": str(path)}
        options |= {"meta_file": str(table), "num_bootstrap": size.resamples}
        files, measured = [str(folder / "embeddings.npz")], [Measured(trials, unit, ranking=unit)]
        evaluate_lists(load_hyperpyyaml(hparams, options), measured, embeddings, None, files)

    embeddings, table = read_embeddings(folder / "embeddings.npz"), folder / "tiny_meta.csv"
    trials, scores = step(READ, read, lambda pair: pair[1][:CHECKED])
    backend = Backend("as_norm", cohort=make_cohort(size), top_n=TOP_N)
    step(NORMALISE, lambda: score_trials(backend, embeddings, trials), lambda all_: all_[:CHECKED])
    unit, columns = (scores + 1) / 2, (trials.labels, trials.speakers())
    options = {"num_bootstrap": size.resamples}
    found = step(
        MEASURE,
        lambda: evaluate(unit, *columns, **options),
        lambda value: [value["metrics"]["eer_interpolated"]["value"]],
    )
    frames = side_lengths(embeddings.num_frames, *trials.rows(embeddings.rows))
    options |= {"people": read_speakers(table), "num_frames": frames}
    step("groups with intervals", lambda: breakdown(unit, *columns, **options))
    curve = {"E": (unit, trials.labels, found["metrics"]["eer"]["value"])}
    step("DET curve", lambda: plot_det(folder / "det.png", curve))
    step("score list written", lambda: write_scores(path, [(trials, unit)]))
    step("score list read", lambda: read_scores(path))
    step("score list checked", lambda: check_scores(path, [trials]))
    step("all of it, and its JSON", make_results)
    page = folder / "report.html"
    step("report", lambda: make_report([path.with_suffix(".json")], page, audio=False))
    np.save(folder / "scores.npy", unit)
    np.save(folder / "labels.npy", trials.labels)
    pipe.send(steps)
