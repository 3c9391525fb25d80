"""What the Brain adds to a training step, over a plain torch loop.

Both train the same network, from the same weights, on the same batches in memory, with the same
features, loss, clipping and optimiser; they take turns step by step in one process, and their
losses are compared.
"""

import copy
import functools
import multiprocessing
import os
import statistics
import sys
import tempfile
import time

import torch

from benchmarks import RECIPE
from benchmarks.measuring import in_process
from local.dataset import BatchLoader

WARM_UP = 2  # steps that are not counted


class PlainLoop:
    """A training step as one would write it by hand, of copies of the modules."""

    def __init__(self, modules, make_optimizer, loss_function, max_grad_norm, device):
        self.modules = copy.deepcopy(modules).train()
        self.parameters = [each for each in self.modules.parameters() if each.requires_grad]
        self.optimizer = make_optimizer(self.parameters)
        self.loss_function, self.max_grad_norm, self.device = loss_function, max_grad_norm, device

    def step(self, batch, learning_rate):
        """Train on one batch; returns the loss."""
        self.optimizer.param_groups[0]["lr"] = learning_rate
        signals = batch.signals.to(self.device, non_blocking=True) / 32768
        classes = batch.classes.to(self.device, non_blocking=True).unsqueeze(1)
        lengths = torch.ones(len(signals), device=self.device)
        features = self.modules["mean_var_norm"](self.modules["compute_features"](signals), lengths)
        embeddings = self.modules["embedding_model"](features, lengths)
        loss = self.loss_function(self.modules["classifier"](embeddings), classes)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()


class InTurns(BatchLoader):
    """Batches of a loader, in memory; while the Brain asks for the next, the plain loop steps."""

    def __init__(self, loader, steps, plain, brain):
        super().__init__(loader.dataset, loader.order)
        loader.set_epoch(1)
        batches = list(loader)
        self.batches = [batches[number % len(batches)] for number in range(steps)]
        self.plain, self.brain = plain, brain
        self.seconds = {"brain": [], "plain": []}
        self.losses = {"brain": [], "plain": []}

    def _now(self):
        if self.plain.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter()

    def __iter__(self):
        for number, batch in enumerate(self.batches):
            start = self._now()
            yield batch
            between = self._now()
            state = torch.get_rng_state()
            loss = self.plain.step(batch, self.brain.learning_rate)
            after = self._now()
            torch.set_rng_state(state)
            self.losses["plain"].append(loss.item())
            if number >= WARM_UP:
                self.seconds["brain"].append(between - start)
                self.seconds["plain"].append(after - between)


def time_steps(corpus, steps, device, options, pipe):
    """Send the seconds and losses of both."""
    multiprocessing.set_start_method("fork", force=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    import train_speaker_embeddings as recipe

    class InTurnsBrain(recipe.SpeakerBrain):
        def compute_objectives(self, predictions, batch, stage):
            loss = super().compute_objectives(predictions, batch, stage)
            self.in_turns.losses["brain"].append(loss.detach())
            return loss

        def fit(self, epoch_counter, train_set, *args, **kwargs):
            plain = PlainLoop(
                self.modules,
                self.opt_class,
                self.hparams.compute_cost,
                self.max_grad_norm,
                self.device,
            )
            self.in_turns = InTurns(train_set, steps + WARM_UP, plain, self)
            super().fit([1], self.in_turns, progressbar=False)
            losses = [loss.item() for loss in self.in_turns.losses["brain"]]
            pipe.send((self.in_turns.seconds, losses, self.in_turns.losses["plain"]))
            raise SystemExit(0)

    recipe.SpeakerBrain = InTurnsBrain
    with tempfile.TemporaryDirectory() as output:
        recipe.main(
            [
                *(str(RECIPE / "hparams/ecapa_tdnn.yaml"), *corpus.options()),
                *("--output_folder", output, "--device", device),
                *("--epochs", str(steps + WARM_UP)),  # which the learning rate is planned for
                *("--crops_per_utterance", "1", "--noprogressbar", *options),
            ]
        )


def step_overhead(corpus, steps, device="cpu", options=()):
    """A line about the overhead of a step of ECAPA-TDNN."""
    measure = functools.partial(in_process, time_steps, corpus, steps, device, options)
    seconds, brain_losses, plain_losses = measure()
    gap = max(abs(a - b) / abs(b) for a, b in zip(brain_losses, plain_losses, strict=True))
    pairs = zip(seconds["brain"], seconds["plain"], strict=True)
    extra = statistics.median(brain - plain for brain, plain in pairs)
    plain = statistics.median(seconds["plain"])
    return (
        f"a step of ECAPA-TDNN on {device}: plain loop {plain * 1000:.0f} ms, "
        f"the Brain {1000 * extra:+.1f} ms ({extra / plain:+.1%}); {len(seconds['plain'])} steps, "
        f"losses differ by {gap:.1g}"
    )
