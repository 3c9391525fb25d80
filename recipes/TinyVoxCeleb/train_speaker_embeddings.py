#!/usr/bin/env python3
r"""Train a speaker embedding network on shards of speech.

To run this recipe:
> python train_speaker_embeddings.py hparams/prototype.yaml --shard_folder SHARDS \
>     --val_trials_path val_trials.txt --dev_trials_path dev_trials.txt

Started again, it carries on from its last checkpoint. The network is left in inference/.

Authors
 * The TinyVoxCeleb authors 2026
"""

import sys
from pathlib import Path

import speechbrain as sb
import torch
from speechbrain.utils.distributed import run_on_main

from local.bundle.start_from import start_from
from local.bundle.writing import write_inference_bundle
from local.dataset import BatchLoader
from local.errors import RecipeError, one_line_errors
from local.experiment import (
    Experiment,
    check_experiment,
    is_same_experiment,
    only_training,
    record_experiment,
)
from local.hparams import load_hparams, parse_arguments
from local.metrics import check_both_kinds, equal_error_rate, evaluate, summary
from local.processes import keep_freed_memory, training_processes
from local.scoring.cosine import check_covered, cosine_scores
from local.scoring.trials import read_trials
from local.shards import check_classes, speakers_by_class
from local.training.averaging import epoch_of
from local.training.embedding_brain import EmbeddingBrain

logger = sb.utils.logger.get_logger(__name__)
RECIPE = Path(__file__).resolve().parent
LOG_CONFIG = RECIPE / "hparams/log_config.yaml"


class SpeakerBrain(EmbeddingBrain):
    """Trains by classifying the training speakers, validates by the `trials` of each stage."""

    def compute_forward(self, batch, stage):
        """From waveforms to embeddings, class scores, classes: all (batch, 1, ...)."""
        batch = batch.to(self.device)
        lengths = torch.ones(len(batch), device=self.device)
        modules = self.modules_of(stage)
        if stage == sb.Stage.TRAIN and "augmentation" in modules:
            batch = modules.augmentation(batch)
        features = modules.compute_features(batch.signals)
        features = modules.mean_var_norm(features, lengths)
        self.finite = features.isfinite().flatten(1).all(dim=1)  # told where the loss is not
        if stage == sb.Stage.TRAIN and "feature_augmentation" in modules:
            features = modules.feature_augmentation(features, batch.seeds)
        embeddings = modules.embedding_model(features, lengths)
        return embeddings, modules.classifier(embeddings), batch.classes.unsqueeze(1)

    def compute_objectives(self, predictions, batch, stage):
        """Classification loss; keeps the embeddings where there are trials to score."""
        embeddings, scores, classes = predictions
        loss = torch.zeros(())
        if stage != sb.Stage.TEST:  # whose speakers are unseen and have no class
            loss = self.hparams.compute_cost(scores, classes)
            if stage == sb.Stage.TRAIN and "embedding_cost" in self.modules:
                loss = loss + self.modules.embedding_cost(embeddings, classes)
            correct = (scores.argmax(dim=-1) == classes).sum()
            loss = self.count_batch(len(batch), loss, correct, stage)
        if stage != sb.Stage.TRAIN:
            self.collect(batch, embeddings)
        return loss

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Score the trials, log, and keep the best and the last checkpoint."""
        super().on_stage_end(stage, stage_loss, epoch)
        if stage == sb.Stage.TRAIN:
            self.train_stats = {**self.mean_stats(), **self.gradient_stats()}
            return
        vectors, self.sums = self.collected()
        if stage == sb.Stage.TEST:
            trials = self.trials[stage]
            scores = cosine_scores(vectors, trials)
            evaluation = evaluate(scores, trials.labels, trials.speakers())
            epoch, which = self.hparams.epoch_counter.current, self.tested_is
            logger.info(f"{which} {epoch}, dev trials (unseen speakers): {summary(evaluation)}")
            test_stats = {"eer": evaluation["metrics"]["eer"]["value"]}
            self.log_stats({which: epoch}, test_stats=test_stats)
            return
        self.centre_embeddings(vectors)
        eer = self.val_eer(vectors)
        valid_stats = {**self.mean_stats(), "eer": eer}
        logger.info(
            f"epoch {epoch}: "
            + "train loss {loss:.3f}, accuracy {accuracy:.1%}, gradient norm {grad_norm:.3g} "
            "({clipped:.0%} clipped)".format(**self.train_stats)
            + "; val loss {loss:.3f}, accuracy {accuracy:.1%}, EER {eer:.2%}".format(**valid_stats)
        )
        meta = {"epoch": epoch, "lr": float(f"{self.learning_rate:.6g}")}  # computed as float32
        self.log_stats(meta, train_stats=self.train_stats, valid_stats=valid_stats)
        self.hparams.epoch_counter.update_metric(eer)
        self.keep_checkpoint(epoch, eer)

    def val_eer(self, vectors):
        """EER of the val trials, whose embeddings are given by utterance."""
        trials = self.trials[sb.Stage.VALID]
        return equal_error_rate(cosine_scores(vectors, trials), trials.labels)

    def log_stats(self, meta, **stats):
        """Write statistics to the train log, the CSV and TensorBoard."""
        for train_logger in [] if self.debug else self.hparams.train_loggers:
            train_logger.log_stats(meta, **stats, verbose=False)


def dataio_prep(hparams, pin_memory=False):
    """Check data and trial lists against each other; wrap the data of each split in a DataLoader.

    Returns the loaders by split, the trial lists by stage, and the speaker of each class.
    """
    speakers = speakers_by_class(hparams["train_index"])
    check_classes(hparams["val_index"], speakers)
    trials = {}
    for stage, split in ((sb.Stage.VALID, "val"), (sb.Stage.TEST, "dev")):
        trials[stage] = read_trials(hparams[f"{split}_trials_path"])
        check_covered(trials[stage], [s.key for s in hparams[f"{split}_index"]])
        check_both_kinds(trials[stage].labels, trials[stage].path)
    workers = {"num_workers": hparams["num_workers"], "pin_memory": pin_memory}
    loaders = {"train": BatchLoader(hparams["train_data"], hparams["train_order"], **workers)}
    for split in ("val", "dev"):
        data = hparams[f"{split}_data"]
        loaders[split] = BatchLoader(data, data.own(), **workers)
    return loaders, trials, speakers


def main(argv):
    """Parse, prepare, train."""
    hparams_file, run_opts, overrides = parse_arguments(argv, __doc__)
    with one_line_errors(run_opts.debug), training_processes(run_opts) as run_opts:
        hparams, overrides = load_hparams(hparams_file, overrides, run_opts)
        folder = Path(hparams["output_folder"])
        experiment = Experiment(hparams_file, hparams, overrides, run_opts)
        check_experiment(folder, experiment)
        data = dataio_prep(hparams, pin_memory=run_opts.device != "cpu")
        if is_same_experiment(folder / "inference", experiment):
            run_on_main(print, args=[f"{folder}: this run is complete"])
            return
        start_from(hparams, experiment)
        keep_freed_memory()
        with only_training(folder):
            sb.create_experiment_directory(folder, hparams_file, experiment.overrides, LOG_CONFIG)
            train(folder, experiment, hparams, run_opts, *data)


def train(folder, experiment, hparams, run_opts, loaders, trials, speakers):
    """Fit, test, and leave the network."""
    parts = {key: hparams[key] for key in ("modules", "opt_class", "checkpointer")}
    brain = SpeakerBrain(**parts, hparams=hparams, run_opts=run_opts)
    brain.trials = trials
    if brain.debug:  # two epochs, but of as many batches as the trials need
        brain.debug_batches = max(len(loaders["val"]), len(loaders["dev"]))
    else:
        run_on_main(record_experiment, args=[folder, experiment.text])
    brain.fit(hparams["epoch_counter"], loaders["train"], loaders["val"], progressbar=False)
    if not brain.checkpointer.find_checkpoints(ckpt_predicate=epoch_of, max_num_checkpoints=1):
        raise RecipeError(f"{folder}: no epoch to test: train it without --test_only")
    brain.evaluate(loaders["dev"], min_key="val_eer", progressbar=False)
    if not brain.debug:
        if "augmentation" in brain.modules:
            speakers = brain.modules.augmentation.labels(speakers)
        bundle = [folder / "inference", experiment.text, brain.tested, speakers]
        run_on_main(write_inference_bundle, args=[*bundle, RECIPE / "speaker_models"])


if __name__ == "__main__":
    main(sys.argv[1:])
