#!/usr/bin/env python3
"""The verification back end beside SpeechBrain's: time and peak memory in one run.

> python -m benchmarks.backend

The same synthetic scores and embeddings go through SpeechBrain's functions, as they are installed,
and through ours; what both compute is compared. Each measurement has a process of its own. At the
full size of VoxCeleb1-O SpeechBrain's minDCF takes 18 GB: where they are not free, it is measured
on as many trials as fit, and that is said.

Authors
 * The TinyVoxCeleb authors 2026
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import RECIPE
from benchmarks.measuring import in_process
from benchmarks.usage import peak_memory

UTTERANCES, DIM, COHORT, TOP_N = 4708, 192, 1000, 300


def synthetic_trials(num_trials, seed=0):
    """Scores and labels: as many targets as non-targets, as in VoxCeleb1-O."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(num_trials) < 0.5).astype(np.int8)
    return 1 / (1 + np.exp(1.5 - 3 * labels - rng.normal(size=num_trials))), labels


def synthetic_embeddings(num_trials, seed=0):
    """Vectors, cohort, and the rows of the two sides of each trial."""
    rng = np.random.default_rng(seed)
    vectors, cohort = rng.normal(size=(UTTERANCES, DIM)), rng.normal(size=(COHORT, DIM))
    enrol, test = rng.integers(0, UTTERANCES, (2, num_trials))
    return vectors.astype(np.float32), cohort.astype(np.float32), enrol, test


def split_by_label(num_trials):
    """Scores of targets and of non-targets as float64 tensors."""
    import torch

    scores, labels = synthetic_trials(num_trials)
    return torch.from_numpy(scores[labels == 1]), torch.from_numpy(scores[labels == 0])


def eer_theirs(num_trials):
    """speechbrain.utils.metric_stats.EER."""
    from speechbrain.utils.metric_stats import EER

    sides = split_by_label(num_trials)
    return lambda: EER(*sides)[0]


def eer_ours(num_trials):
    """The interpolated EER, from the ROC."""
    from local.metrics import roc
    from local.metrics.measures import crossing

    trials = synthetic_trials(num_trials)
    return lambda: crossing(*roc(*trials))


def eer_sklearn(num_trials):
    """The interpolated EER, from scikit-learn's ROC."""
    from sklearn.metrics import det_curve

    scores, labels = synthetic_trials(num_trials)

    def measure():
        false_alarm, miss, _ = det_curve(labels, scores)
        return float(np.interp(0, miss - false_alarm, false_alarm))

    return measure


def min_dcf_theirs(num_trials):
    """speechbrain.utils.metric_stats.minDCF."""
    from speechbrain.utils.metric_stats import minDCF

    sides = split_by_label(num_trials)
    return lambda: minDCF(*sides, p_target=0.01)[0]


def min_dcf_ours(num_trials):
    """The same, from the ROC; ours is normalised by the cost of the better fixed answer."""
    from local.metrics import roc
    from local.metrics.measures import min_dcf

    trials = synthetic_trials(num_trials)
    return lambda: 0.01 * min_dcf(*roc(*trials), p_target=0.01)


def as_norm_theirs(num_trials):
    """The method of SpeechBrain's recipe: cohort scores of both sides, trial by trial."""
    import torch

    vectors, cohort, enrol, test = synthetic_embeddings(num_trials)
    vectors, cohort = torch.from_numpy(vectors), torch.from_numpy(cohort)
    similarity = torch.nn.CosineSimilarity(dim=-1, eps=1e-6)

    def measure():
        scores = []
        for sides in zip(vectors[enrol], vectors[test], strict=True):
            score, normalised = similarity(*sides), 0.0
            for side in sides:
                of_cohort = similarity(side.repeat(COHORT, 1), cohort)
                nearest = torch.topk(of_cohort, k=TOP_N, dim=0)[0]
                normalised += 0.5 * (score - nearest.mean()) / nearest.std()
            scores.append(normalised.item())
        return scores

    return measure


def as_norm_ours(num_trials):
    """The as_norm backend."""
    from local.scoring.backends import Backend

    vectors, cohort, enrol, test = synthetic_embeddings(num_trials)
    backend = Backend("as_norm", cohort=cohort, top_n=TOP_N)
    return lambda: backend.score(vectors, enrol, test).tolist()


def all_metrics_ours(num_trials):
    """EER, minDCF and Cllr of many trials."""
    from local.metrics import evaluate

    trials = synthetic_trials(num_trials)

    def measure():
        metrics = evaluate(*trials)["metrics"]
        return [metrics[name]["value"] for name in ("eer", "min_dcf_0.01", "cllr")]

    return measure


def run_case(case, size, repeats, pipe):
    """In a process of its own: best time, memory on top of the input's, and the result."""
    measure = case(size)
    before = peak_memory()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = measure()
        seconds.append(time.perf_counter() - start)
    pipe.send((min(seconds), peak_memory() - before, peak_memory(), result))


def run(case, size, repeats=1):
    """Run a case; returns seconds, extra bytes, bytes of the process, and the result."""
    return in_process(run_case, case, size, repeats)


def compare(name, theirs, ours, size, tolerance):
    """Measure both, check that they agree, print a line."""
    their_seconds, their_memory, _, expected = run(theirs, size)
    seconds, memory, _, found = run(ours, size, repeats=5)
    gap = np.abs(np.subtract(expected, found)).max()
    assert gap <= tolerance, f"{name}: {expected} and {found}"
    memory = max(memory, 2**20)  # less than a mebibyte is not measured
    faster, smaller = their_seconds / seconds, their_memory / memory
    print(
        f"{name:18} {size:>8,} {their_seconds:9.2f} s {seconds:8.4f} s {faster:8,.0f} x"
        f" {their_memory / 2**20:9,.0f} {memory / 2**20:6,.0f} MiB {smaller:6,.0f} x"
        f"   differ by {gap:.1g}",
        flush=True,
    )


def trials_that_fit(num_trials):
    """How many trials SpeechBrain's minDCF can take in the free memory: it needs 13 n^2 bytes."""
    with open("/proc/meminfo", encoding="utf-8") as fin:
        free = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in fin}["MemAvailable"]
    return min(num_trials, int((0.9 * free / 13) ** 0.5))


def whole_process(repeats, num_utterances=5000, num_trials=47611, num_speakers=40):
    """Seconds of speaker_verification.py on cached embeddings, and of its imports alone.

    All trials have labels, and the speakers sexes and nationalities, so that all that the script
    can measure is measured, with intervals.
    """
    from local.bundle import checkpoint_digest
    from local.embeddings import Embeddings, write_embeddings

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        bundle = folder / "run" / "inference"
        bundle.mkdir(parents=True)
        for name in ("label_encoder.ckpt", "hyperparams.yaml"):
            (bundle / name).write_text("# no network is loaded where its embeddings are there\n")
        of_utterance = np.arange(num_utterances) % num_speakers
        ids = [f"id{speaker:05}/video/{row:05}" for row, speaker in enumerate(of_utterance)]
        vectors = rng.normal(size=(num_speakers, DIM))[of_utterance]
        vectors += 2 * rng.normal(size=vectors.shape)
        frames = rng.integers(4 * 16000, 12 * 16000, num_utterances)
        about = {"checkpoint": checkpoint_digest(bundle), "shards": []}
        embeddings = Embeddings(ids, vectors.astype(np.float32), frames, about)
        write_embeddings(folder / "e.npz", embeddings)
        enrol, test = rng.integers(0, num_utterances, (2, num_trials))
        near = num_speakers * rng.integers(1, 100, len(enrol[::2]))
        test[::2] = (enrol[::2] + near) % num_utterances  # every other trial is a target
        with open(folder / "trials.txt", "w", encoding="utf-8") as fout:
            for a, b in zip(enrol, test, strict=True):
                fout.write(f"{int(of_utterance[a] == of_utterance[b])} {ids[a]} {ids[b]}\n")
        people = "".join(f"id{n:05},{'fm'[n % 2]},country {n % 8},\n" for n in range(num_speakers))
        (folder / "meta.csv").write_text(f"id,gender,nationality,idx\n{people}")
        options = ["--checkpoint", folder / "run", "--embeddings_file", folder / "e.npz"]
        options += ["--trial_lists", folder / "trials.txt", "--score_file", folder / "s.txt"]
        options += ["--meta_file", folder / "meta.csv"]
        script = ["speaker_verification.py", "hparams/verification.yaml", *options]
        imports = ["-c", "import torch, speechbrain, speechbrain.inference"]
        return timed(script, repeats), timed(imports, repeats)


def timed(arguments, repeats):
    """Seconds of a Python process in the recipe's folder; the best of some calls."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        command = [sys.executable, *map(str, arguments)]
        subprocess.run(command, cwd=RECIPE, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=37611, help="of the comparison (VoxCeleb1-O)")
    parser.add_argument("--many", type=int, default=10_000_000, help="trials for all our metrics")
    parser.add_argument(
        "--repeats", type=int, default=3, help="of whole processes: the best counts"
    )
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores; SpeechBrain's, ours, and the ratio, of time and of memory")
    compare("EER", eer_theirs, eer_ours, args.trials, 2 / args.trials)
    exact, found = run(eer_sklearn, args.trials)[-1], run(eer_ours, args.trials)[-1]
    assert abs(exact - found) < 1e-6
    print(f"{'':22} {'':>9} {found:.6f}, by scikit-learn's ROC {exact:.6f}")
    size = trials_that_fit(args.trials)
    if size < args.trials:
        print(f"(minDCF: memory for {size:,} of {args.trials:,} trials)")
    compare("minDCF", min_dcf_theirs, min_dcf_ours, size, 1e-6)
    compare("AS-norm, top 300", as_norm_theirs, as_norm_ours, args.trials, 1e-5)
    seconds, _, memory, _ = run(all_metrics_ours, args.many)
    print(f"all our metrics of {args.many:,} trials: {seconds:.1f} s, {memory / 2**30:.1f} GiB")
    whole, imports = whole_process(args.repeats)
    print(
        f"speaker_verification.py, 47,611 trials over 5,000 cached embeddings: {whole:.1f} s, "
        f"{whole - imports:.1f} s beyond importing torch and SpeechBrain"
    )


if __name__ == "__main__":
    main()
