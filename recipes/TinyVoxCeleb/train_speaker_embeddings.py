#!/usr/bin/env python3
r"""Train a speaker embedding network on shards of speech.

To run this recipe:
> python train_speaker_embeddings.py hparams/prototype.yaml --shard_folder SHARDS \
>     --val_trials_path val_trials.txt --dev_trials_path dev_trials.txt

Started again, it carries on from its last checkpoint. The network is left in inference/.

Authors
 * The TinyVoxCeleb authors 2026
"""

import logging
import sys
from pathlib import Path

import speechbrain as sb
import torch
from speechbrain.utils.distributed import if_main_process, run_on_main
from torch.utils.data import DataLoader
from tqdm import tqdm

from local.errors import RecipeError, one_line_errors
from local.experiment import check_experiment, is_same_experiment, record_experiment
from local.hparams import load_hparams, parse_arguments
from local.inference_bundle import write_inference_bundle
from local.metrics import check_both_kinds, equal_error_rate, evaluate, summary
from local.scoring import check_covered, cosine_scores
from local.shards import check_classes, speakers_by_class
from local.trials import read_trials

logger = sb.utils.logger.get_logger(__name__)

RECIPE = Path(__file__).resolve().parent
LOG_CONFIG = RECIPE / "hparams/log_config.yaml"


class SpeakerBrain(sb.Brain):
    """Trains by classifying the training speakers, validates by the `trials` of each stage."""

    def compute_forward(self, batch, stage):
        """From waveforms to embeddings (batch, 1, dim) and class scores (batch, 1, speakers)."""
        batch = batch.to(self.device)
        lengths = torch.ones(len(batch), device=self.device)
        features = self.modules.compute_features(batch.signals)
        features = self.modules.mean_var_norm(features, lengths)
        embeddings = self.modules.embedding_model(features, lengths)
        return embeddings, self.modules.classifier(embeddings)

    def compute_objectives(self, predictions, batch, stage):
        """Classification loss; keeps the embeddings where there are trials to score."""
        embeddings, scores = predictions
        if stage != sb.Stage.TRAIN:
            self.embeddings.update(zip(batch.ids, embeddings.float().cpu(), strict=True))
        if stage == sb.Stage.TEST:  # unseen speakers have no class
            return torch.zeros(())
        classes = batch.classes.to(self.device).unsqueeze(1)
        loss = self.hparams.compute_cost(scores, classes)
        self.count += len(batch)
        self.loss_sum += loss.item() * len(batch)
        self.correct += (scores.argmax(dim=-1) == classes).sum().item()
        return loss

    def on_stage_start(self, stage, epoch=None):
        """Begin the sums of a stage; an epoch's rate and random numbers follow from its number."""
        self.count, self.loss_sum, self.correct, self.embeddings = 0, 0.0, 0, {}
        if stage != sb.Stage.TRAIN:
            return
        torch.manual_seed(self.hparams.random_seed + epoch)
        self.learning_rate, _ = self.hparams.lr_annealing(epoch)
        sb.nnet.schedulers.update_learning_rate(self.optimizer, self.learning_rate)
        self.bar = tqdm(
            total=len(self.hparams.train_data),
            desc=f"epoch {epoch}/{self.hparams.epochs}",
            unit="batch",
            dynamic_ncols=True,
            disable=self.noprogressbar or not if_main_process(),
        )

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        """Show loss, accuracy and the time left."""
        stats = self.mean_stats()
        self.bar.set_postfix_str(f"loss {stats['loss']:.3f}, accuracy {stats['accuracy']:.1%}")
        self.bar.update()

    def check_loss_isfinite(self, loss):
        """Stop at the first loss that is not finite."""
        if not torch.isfinite(loss):
            raise RecipeError(
                f"the loss is {loss.item()} after {self.optimizer_step} steps: the training has "
                f"diverged; lower learning_rate, now {self.learning_rate}"
            )

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Score the trials, log, and keep the best and the last checkpoint."""
        if stage == sb.Stage.TRAIN:
            self.bar.close()
            self.train_stats = self.mean_stats()
            return
        trials = self.trials[stage]
        vectors = {key: vector.squeeze(0).numpy() for key, vector in self.embeddings.items()}
        scores = cosine_scores(vectors, trials)
        if stage == sb.Stage.TEST:
            evaluation = evaluate(scores, trials.labels, trials.speakers())
            best = self.hparams.epoch_counter.current
            logger.info(f"best epoch {best}, dev trials (unseen speakers): {summary(evaluation)}")
            test_stats = {"eer": evaluation["metrics"]["eer"]["value"]}
            self.log_stats({"best epoch": best}, test_stats=test_stats)
            return
        self.centre_embeddings()
        eer = equal_error_rate(scores, trials.labels)
        valid_stats = {**self.mean_stats(), "eer": eer}
        logger.info(
            f"epoch {epoch}: "
            + "train loss {loss:.3f}, accuracy {accuracy:.1%}".format(**self.train_stats)
            + "; val loss {loss:.3f}, accuracy {accuracy:.1%}, EER {eer:.2%}".format(**valid_stats)
        )
        meta = {"epoch": epoch, "lr": float(f"{self.learning_rate:.6g}")}  # computed as float32
        self.log_stats(meta, train_stats=self.train_stats, valid_stats=valid_stats)
        self.hparams.epoch_counter.update_metric(eer)
        self.checkpointer.save_and_keep_only(
            name=f"epoch_{epoch:04d}.step_{self.optimizer_step:09d}.val-eer_{eer:.4f}",
            meta={"val_eer": eer, "epoch": epoch},
            min_keys=["val_eer"],
            verbosity=logging.DEBUG,
        )

    def mean_stats(self):
        """Loss and accuracy, averaged over the utterances of the stage so far."""
        return {"loss": self.loss_sum / self.count, "accuracy": self.correct / self.count}

    def log_stats(self, meta, **stats):
        """Write statistics to the train log, the CSV and TensorBoard."""
        for train_logger in [] if self.debug else self.hparams.train_loggers:
            train_logger.log_stats(meta, **stats, verbose=False)

    def centre_embeddings(self):
        """Let mean_var_norm_emb hold the mean of this epoch's validation embeddings."""
        norm = self.modules.mean_var_norm_emb
        norm.count = 0
        norm.train()
        norm(torch.stack(list(self.embeddings.values())).to(self.device))
        norm.eval()


def dataio_prep(hparams):
    """Check data and trial lists against each other; wrap the data of each split in a DataLoader.

    Returns the loaders by split, the trial lists by stage, and the speaker of each class.
    """
    speakers = speakers_by_class(hparams["train_index"])
    check_classes(hparams["val_index"], speakers)
    trials = {}
    for stage, split in ((sb.Stage.VALID, "val"), (sb.Stage.TEST, "dev")):
        trials[stage] = read_trials(hparams[f"{split}_trials_path"])
        check_covered(trials[stage], (sample.key for sample in hparams[f"{split}_index"].samples))
        check_both_kinds(trials[stage].labels, trials[stage].path)
    pin = torch.cuda.is_available()  # page-locked memory is faster to copy to a GPU
    loaders = {
        split: DataLoader(hparams[f"{split}_data"], batch_size=None, pin_memory=pin)
        for split in ("train", "val", "dev")
    }
    return loaders, trials, speakers


def main(argv):
    """Parse, prepare, fit, test, and leave the network."""
    hparams_file, run_opts, overrides = parse_arguments(argv, __doc__)
    sb.utils.distributed.ddp_init_group(run_opts)
    with one_line_errors(run_opts.debug):
        hparams, overrides = load_hparams(hparams_file, overrides, run_opts)
        overrides |= {key: hparams[key] for key in ("n_speakers", "train_content")}
        folder, inference = (Path(hparams["output_folder"], sub) for sub in ("", "inference"))
        experiment = check_experiment(folder, hparams_file, overrides, run_opts)
        loaders, trials, speakers = dataio_prep(hparams)
        if is_same_experiment(inference, experiment):
            print(f"{folder}: this run is complete")
            return
        sb.create_experiment_directory(folder, hparams_file, overrides, LOG_CONFIG)
        parts = {key: hparams[key] for key in ("modules", "opt_class", "checkpointer")}
        brain = SpeakerBrain(**parts, hparams=hparams, run_opts=run_opts)
        brain.trials = trials
        if brain.debug:  # two epochs, but of as many batches as the trials need
            brain.debug_batches = max(len(loaders["val"]), len(loaders["dev"]))
        else:
            run_on_main(record_experiment, args=[folder, experiment])
        brain.train_sampler = hparams["train_data"]  # fit tells it the epoch
        brain.fit(hparams["epoch_counter"], loaders["train"], loaders["val"], progressbar=False)
        if not brain.checkpointer.list_checkpoints():
            raise RecipeError(f"{folder}: no checkpoint to test: train it without --test_only")
        brain.evaluate(loaders["dev"], min_key="val_eer", progressbar=False)
        if not brain.debug:
            best = brain.checkpointer.find_checkpoint(min_key="val_eer")
            bundle = [inference, experiment, best, speakers, RECIPE / "speaker_models"]
            run_on_main(write_inference_bundle, args=bundle)


if __name__ == "__main__":
    main(sys.argv[1:])
