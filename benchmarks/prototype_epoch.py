"""One epoch of the prototype with its val EER: the skeleton's design, and this recipe.

Both are timed from the first step to the logged EER, each in a process of its own; start and
imports are left out. A plain loop stands for the skeleton's Lightning, which would cost more.
"""

import multiprocessing
import os
import statistics
import sys
import tempfile
import time

import torch

from benchmarks import RECIPE
from benchmarks.measuring import in_process, ratio
from benchmarks.peers import BATCH, MissingPeerError


def time_skeleton(corpus, workers, whole_val, pipe):
    """Send seconds and val EER of the skeleton's epoch.

    Val utterances come in batches of one, or as its training does: as crops in batches.
    """
    from benchmarks.peers import skeleton_torchdata as skeleton
    from local.scoring.trials import read_trials

    # Of DataLoaders' workers, as by default: this process was spawned.
    multiprocessing.set_start_method("fork", force=True)
    try:
        skeleton.require_torchdata()
    except MissingPeerError as error:
        pipe.send(error)
        return
    torch.manual_seed(1337)
    trials = read_trials(corpus.folder / "val_trials.txt")
    speakers = len(list((corpus.folder / "train").iterdir()))
    embed = torch.nn.Sequential(torch.nn.Conv1d(40, 128, 3), torch.nn.ReLU())
    classify = torch.nn.Sequential(torch.nn.Linear(128, speakers), torch.nn.LogSoftmax(dim=1))
    optimizer = torch.optim.Adam([*embed.parameters(), *classify.parameters()], lr=0.003)
    start = time.perf_counter()
    mapper, mfcc = skeleton.pipes.Mapper, skeleton.SampleMfcc()
    samples = mapper(skeleton.sample_pipe(corpus.train_urls, workers), skeleton.chunk)
    for _, features, classes in skeleton.make_loader(mapper(samples, mfcc), BATCH, workers):
        loss = torch.nn.functional.nll_loss(classify(embed(features).mean(dim=2)), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    shards = sorted((corpus.shards / "val").glob("shard-*.tar"))
    samples = skeleton.sample_pipe(shards, workers)
    if not whole_val:
        samples = mapper(samples, skeleton.chunk)
    vectors = {}
    with torch.no_grad():
        size = 1 if whole_val else BATCH
        for ids, features, classes in skeleton.make_loader(mapper(samples, mfcc), size, workers):
            embeddings = embed(features).mean(dim=2)
            torch.nn.functional.nll_loss(classify(embeddings), classes)
            vectors.update(zip(ids, embeddings, strict=True))
    eer = skeleton_eer(vectors, trials)
    pipe.send((time.perf_counter() - start, eer))


def skeleton_eer(vectors, trials):
    """The EER from scikit-learn's ROC over a list of scores, as the skeleton computes it."""
    from scipy.interpolate import interp1d
    from scipy.optimize import brentq
    from sklearn.metrics import roc_curve

    sides = [torch.stack([vectors[name] for name in side]) for side in trials.pairs()]
    scores = torch.nn.functional.cosine_similarity(*sides)
    scores = torch.clip((scores + 1) / 2, 0, 1).tolist()
    false_alarm, hit, _ = roc_curve(trials.labels.tolist(), scores, pos_label=1)
    return brentq(lambda x: 1 - x - interp1d(false_alarm, hit)(x), 0, 1)


def time_ours(corpus, workers, pipe):
    """Send seconds and val EER of the same epoch by train_speaker_embeddings.py."""
    multiprocessing.set_start_method("fork", force=True)
    import train_speaker_embeddings as recipe

    class TimedBrain(recipe.SpeakerBrain):
        def on_fit_start(self):
            super().on_fit_start()
            self.start = time.perf_counter()

        def fit(self, *args, **kwargs):
            super().fit(*args, **kwargs)
            seconds = time.perf_counter() - self.start
            eer = self.checkpointer.find_checkpoint(min_key="val_eer").meta["val_eer"]
            pipe.send((seconds, eer))

    recipe.SpeakerBrain = TimedBrain
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the table is all that goes to stdout
    with tempfile.TemporaryDirectory() as output:
        recipe.main(
            [
                *(str(RECIPE / "hparams/prototype.yaml"), *corpus.options()),
                *("--output_folder", output, "--epochs", "1", "--device", "cpu"),
                *("--num_workers", str(workers), "--noprogressbar"),
            ]
        )


def prototype_epochs(corpus, workers, repeats):
    """Lines that compare the epochs, which take turns."""
    kinds = {
        "skeleton, val one by one": (time_skeleton, corpus, workers, True),
        "skeleton, val as crops": (time_skeleton, corpus, workers, False),
        "ours, val whole": (time_ours, corpus, workers),
    }
    found = {kind: [] for kind in kinds}
    for _ in range(repeats):
        for kind, call in kinds.items():
            answer = in_process(*call)
            if isinstance(answer, MissingPeerError):
                yield f"(the skeleton's epoch is left out: {answer})"
                return
            found[kind].append(answer)
    seconds = {kind: [each for each, _ in answers] for kind, answers in found.items()}
    for kind, answers in found.items():
        faster, *spread = ratio(seconds[kind], seconds["ours, val whole"])
        yield (
            f"{kind:28} {statistics.median(seconds[kind]):7.2f} s   val EER {answers[-1][1]:.1%}"
            f"   {faster:5.1f} x of ours ({spread[0]:.1f} to {spread[1]:.1f})"
        )
