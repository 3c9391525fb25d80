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

from local.errors import one_line_errors  # isort: skip - first, see local

import speechbrain as sb
import torch
from speechbrain.nnet.schedulers import update_learning_rate
from speechbrain.utils.distributed import run_on_main

from local.bundle.levels import check_detector, training_level
from local.bundle.start_from import class_speakers, start_from
from local.bundle.windows import MIN_FRAMES
from local.bundle.writing import leave_result, write_inference_bundle
from local.embeddings import Embedder
from local.experiment import Experiment, check_experiment, run_folder
from local.hparams import load_hparams, parse_arguments
from local.metrics import equal_error_rate, evaluate, summary
from local.processes import keep_freed_memory, on_main, training_processes
from local.scoring.backends import Backend
from local.scoring.trial_scores import cosine_scores, read_labelled_trials, score_trials
from local.training.averaging import RunningAverage
from local.training.checks import check_finite, check_optimization, dry_run
from local.training.final_network import centre_embeddings, choose_network, gather_embeddings
from local.training.loggers import log_epoch, log_test
from local.training.resumable_brain import ResumableBrain
from local.training.schedules import follow_schedules
from local.training.unfreezing import Unfreezing

RECIPE = Path(__file__).resolve().parent


class SpeakerBrain(ResumableBrain):
    """Trains by classifying the training speakers; trials of the same speakers validate."""

    def __init__(self, *args, val_trials=None, **kwargs):
        super().__init__(*args, **kwargs)
        check_optimization(self.hparams, self.modules, self.max_grad_norm)
        self.val_trials = val_trials
        self.average = RunningAverage(self.modules, getattr(self.hparams, "ema_decay", 0.0))
        self.modules.update(self.average.trained)  # the average keeps the modules' names
        self.remember(trained_modules=self.average.trained)
        settings = [getattr(self.hparams, key, None) for key in ("unfreezing", "lr_factors")]
        self.unfreezing = Unfreezing(torch.nn.ModuleDict(self.modules), *settings)
        self.opt_class = self.unfreezing.grouping(self.opt_class)
        # DistributedDataParallel would wait for gradients of what is frozen.
        self.find_unused_parameters |= bool(self.unfreezing.epochs)

    def on_stage_start(self, stage, epoch=None):
        """Freeze what an epoch does not train, or begin to collect embeddings."""
        super().on_stage_start(stage, epoch)
        self.embedded = []
        if stage == sb.Stage.TRAIN:
            self.learning_rate = follow_schedules(self.hparams, self.batch_number)
            self.unfreezing.begin_epoch(epoch)

    def on_fit_batch_start(self, batch, should_step):
        """Set random numbers, learning rate and margin, which follow from the step's number."""
        super().on_fit_batch_start(batch, should_step)
        self.learning_rate = follow_schedules(self.hparams, self.batch_number)
        update_learning_rate(self.optimizer, self.learning_rate)
        self.unfreezing.begin_step(self.optimizer)
        self.batch_ids = batch.ids

    def compute_forward(self, batch, stage):
        """From waveforms to embeddings, class scores, classes: all (batch, 1, ...)."""
        modules = self.modules if stage == sb.Stage.TRAIN else self.plain_modules
        batch = batch.to(self.device)
        lengths = torch.ones(len(batch), device=self.device)
        if stage == sb.Stage.TRAIN and "augmentation" in modules:
            batch = modules.augmentation(batch)
        features = modules.compute_features(batch.signals, **batch.for_features)
        features = modules.mean_var_norm(features, lengths)
        self.finite = features.isfinite().flatten(1).all(dim=1)  # told where the loss is not
        if stage == sb.Stage.TRAIN and modules.training and "feature_augmentation" in modules:
            features = modules.feature_augmentation(features, batch.seeds)
        embeddings = modules.embedding_model(features, lengths)
        return embeddings, modules.classifier(embeddings), batch.classes.unsqueeze(1)

    def compute_objectives(self, predictions, batch, stage):
        """The classification loss; in validation, the embeddings are kept for the trials."""
        embeddings, scores, classes = predictions
        loss = getattr(self.modules, "compute_cost", self.hparams.compute_cost)(scores, classes)
        if stage == sb.Stage.TRAIN and "embedding_cost" in self.modules:
            loss = loss + self.modules.embedding_cost(embeddings, classes)
        loss = self.count_batch(len(batch), loss, (scores.argmax(dim=-1) == classes).sum(), stage)
        if stage == sb.Stage.VALID:
            vectors = embeddings.squeeze(1).float().cpu()
            self.embedded.append((self.step, batch.ids, vectors, self.batch_sums))
        return loss

    def check_loss_isfinite(self, loss):
        """Stop at the first loss that is not finite, and name the crops."""
        where = f"epoch {self.epoch}, batch {self.step}, after {self.optimizer_step} steps"
        check_finite(loss, self.batch_ids, self.finite, where, self.learning_rate)

    def optimizers_step(self):
        """Clip all gradients together (SpeechBrain clips the first group's only), and step."""
        self.scaler.unscale_(self.optimizer)
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(weights, self.max_grad_norm)
        if self.skip_nonfinite_grads and not self.scaler.is_enabled():
            self.check_gradients()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer_step += 1
        self.count_gradients(norm)
        self.average.update(self.optimizer_step)

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Score the val trials, log, and keep the best and the last checkpoint."""
        super().on_stage_end(stage, stage_loss, epoch)
        if stage == sb.Stage.TRAIN:
            self.train_stats = {**self.mean_stats(), **self.gradient_stats()}
            return
        vectors, self.sums = gather_embeddings(self.embedded)
        centre_embeddings(self.plain_modules.mean_var_norm_emb, vectors, self.device)
        eer = self.val_eer(vectors)
        stats = self.train_stats, {**self.mean_stats(), "eer": eer}
        log_epoch(self.hparams.train_loggers, epoch, self.learning_rate, *stats)
        self.hparams.epoch_counter.update_metric(eer)
        average = getattr(self.hparams, "average_checkpoints", 1)
        self.checkpointer.keep_epoch(epoch, self.optimizer_step, eer, average)

    def val_eer(self, vectors):
        """EER of the val trials, whose embeddings are given by utterance."""
        return equal_error_rate(cosine_scores(vectors, self.val_trials), self.val_trials.labels)


def train(hparams, run_opts, val_trials, bundle, experiment):
    """Fit, choose the network, and leave it in the folder `bundle`; says what was chosen."""
    data, pinned = hparams["data"], run_opts.device != "cpu"
    check_detector()
    loaders = data.train_loader(pinned), data.val_loader(MIN_FRAMES, pinned)
    parts = {key: hparams[key] for key in ("modules", "opt_class", "checkpointer")}
    brain = SpeakerBrain(**parts, hparams=hparams, run_opts=run_opts, val_trials=val_trials)
    brain.debug_batches = len(loaders[1])  # of --debug: as many as the val trials need
    dry_run(brain, hparams["audio_length_num_frames"])
    brain.fit(hparams["epoch_counter"], *loaders, progressbar=False)
    chosen, title = choose_network(brain, *loaders, brain.val_eer)
    level = on_main(training_level, data.train_index, data.val_index)
    results = bundle, experiment.text, chosen, class_speakers(hparams), RECIPE / "speaker_models"
    run_on_main(write_inference_bundle, args=[*results, hparams, level])
    return title


def test(hparams, run_opts, trials, bundle, title):
    """Score the dev trials with the network that was left, as speaker_verification.py does."""
    options = {"device": run_opts.device, "precision": run_opts.eval_precision}
    embedder = Embedder(bundle, **options, progressbar=not run_opts.noprogressbar)
    embeddings = embedder.embed(embedder.look_up(hparams["data"].dev_folders))
    scores = score_trials(Backend("cosine"), embeddings, trials)
    evaluation = evaluate(scores, trials.labels, trials.speakers())
    epoch, eer = hparams["epoch_counter"].current, evaluation["metrics"]["eer"]["value"]
    result = f"{title} {epoch}, dev trials ({hparams['data'].dev_speakers}): {summary(evaluation)}"
    log_test(hparams["train_loggers"], {title: epoch}, eer, result)
    return result


def main(argv):
    """Parse, load, check; then train, and test what came of it."""
    hparams_file, run_opts, overrides = parse_arguments(argv, __doc__)
    with one_line_errors(run_opts.debug), training_processes(run_opts) as run_opts:
        hparams, file = load_hparams(hparams_file, overrides, run_opts)
        experiment, folder = Experiment(hparams, file, run_opts), Path(hparams["output_folder"])
        check_experiment(folder, experiment)
        data = hparams["data"]
        val_trials = read_labelled_trials(hparams["val_trials_path"], data.utterances("val"))
        dev_trials = read_labelled_trials(hparams["dev_trials_path"], data.utterances("dev"))
        with run_folder(folder, experiment, run_opts.debug) as results:
            if results is None:
                run_on_main(print, args=[f"{folder}: this run is complete"])
                return
            if run_opts.debug:
                hparams["train_loggers"] = []  # nothing is left but log.txt
            start_from(hparams)
            keep_freed_memory()
            sb.create_experiment_directory(folder, log_config=RECIPE / "hparams/log_config.yaml")
            bundle = results / "inference"
            title = train(hparams, run_opts, val_trials, bundle, experiment)
            result = test(hparams, run_opts, dev_trials, bundle, title)
            run_on_main(leave_result, args=[results, result])


if __name__ == "__main__":
    main(sys.argv[1:])
