"""Run the recipe's scripts in this process, small enough for a test."""

import contextlib
import csv
import logging
from pathlib import Path

import pytest

import speaker_verification
import train_speaker_embeddings
from conftest import RECIPE
from local.dataset import BatchLoader
from local.hparams import load_hparams, parse_arguments
from local.training.resumable_brain import ResumableBrain

PROTOTYPE = str(RECIPE / "hparams/prototype.yaml")
ECAPA = str(RECIPE / "hparams/ecapa_tdnn.yaml")
XVECTOR = str(RECIPE / "hparams/xvector.yaml")
RESNET = str(RECIPE / "hparams/resnet.yaml")
CAM_PLUS_PLUS = str(RECIPE / "hparams/cam_plus_plus.yaml")
VERIFICATION = str(RECIPE / "hparams/verification.yaml")
QUICK = ("--epochs", "2", "--batch_size", "8", "--num_workers", "0", "--noprogressbar")
TINY_ECAPA = (
    *("--channels", "[8,8,8,8,24]", "--attention_channels", "8", "--embedding_size", "16"),
    *("--audio_length_num_frames", "16000", "--crops_per_utterance", "1"),
)
SHORT = ("--audio_length_num_frames", "8000", "--crops_per_utterance", "1")
TINY = {  # networks with masks or by length, small enough for a test
    ECAPA: TINY_ECAPA,
    XVECTOR: ("--channels", "[8,8,8,8,24]", "--embedding_size", "16", *SHORT),
    RESNET: ("--base_channels", "2", "--embedding_size", "16", *SHORT),
    CAM_PLUS_PLUS: (
        *("--front_channels", "2", "--init_channels", "8", "--growth", "4", "--blocks", "[2,2,2]"),
        *("--embedding_size", "16", *SHORT),
    ),
}


def data_options(small, shards=None):
    """The options that every training needs."""
    return [
        *("--shard_folder", str(shards or small.shards), "--device", "cpu"),
        *("--val_trials_path", str(small.corpus / "val_trials.txt")),
        *("--dev_trials_path", str(small.corpus / "dev_trials.txt")),
    ]


def train(small, output, *options, hparams=PROTOTYPE, shards=None):
    """Train as the command line does; returns the output folder."""
    argv = [hparams, *data_options(small, shards), "--output_folder", str(output)]
    argv += ["--shard_cache", f"{output}_cache"]
    try:
        train_speaker_embeddings.main([*argv, *QUICK, *options])
    finally:
        close_logs()
    return Path(output)


def rows(run):
    """The rows of train_log.csv: dicts of str to str, one an epoch."""
    with open(run / "train_log.csv", newline="") as fin:
        return list(csv.DictReader(fin))


@contextlib.contextmanager
def killed_after(epoch, step):
    """A training in this block ends as if it were killed when it had saved that step.

    Whether it saves the step is up to --ckpt_interval_steps.
    """

    def save_and_end(brain):
        save(brain)
        if (brain.epoch, brain.step) == (epoch, step):
            raise SystemExit

    save = ResumableBrain._save_intra_epoch_ckpt
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(ResumableBrain, "_save_intra_epoch_ckpt", save_and_end)
        yield


def one_line(capsys, call, *args, **kwargs):
    """Run a script that is to fail; returns its line on stderr."""
    with pytest.raises(SystemExit) as stop:
        call(*args, **kwargs)
    assert stop.value.code == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(lines) == 1 and lines[0].startswith("error: ")
    return lines[0]


def close_logs():
    """Take the log files and levels from the loggers, as the end of a process does."""
    logging.getLogger().setLevel(logging.WARNING)
    for logger in (logging.getLogger(), logging.getLogger("local")):
        for handler in [h for h in logger.handlers if isinstance(h, logging.FileHandler)]:
            logger.removeHandler(handler)
            handler.close()


def verify(run, shards, lists, score_file, *options):
    """Score as the command line does; returns the lines of the score list."""
    argv = [VERIFICATION, "--device", "cpu", "--checkpoint", str(run), "--num_workers", "0"]
    argv += ["--shards_dirs_to_evaluate", ",".join(map(str, shards))]
    argv += ["--trial_lists", ",".join(map(str, lists)), "--score_file", str(score_file)]
    speaker_verification.main([*argv, *options])
    return Path(score_file).read_text().splitlines()


def make_brain(small, output, *options, hparams=PROTOTYPE):
    """A SpeakerBrain that is about to fit."""
    argv = [hparams, *data_options(small), "--output_folder", str(output), *QUICK, *options]
    path, run_opts, overrides = parse_arguments(argv)
    loaded, _ = load_hparams(path, overrides, run_opts)
    brain = train_speaker_embeddings.SpeakerBrain(
        loaded["modules"], loaded["opt_class"], loaded, run_opts, loaded["checkpointer"]
    )
    brain.train_set = BatchLoader(loaded["data"].crops, loaded["data"].order)
    brain.on_fit_start()
    return brain


def other_training(folder):
    """The hparams of ECAPA-TDNN with the losses, schedules and averages that it leaves out."""
    text = Path(ECAPA).read_text()
    for old, new in {
        "speechbrain.lobes.models.ECAPA_TDNN.Classifier": (
            "speaker_models.sub_center_classifier.SubCenterClassifier"
        ),
        "crops_per_speaker: 1 ": "crops_per_speaker: 2 ",
        "ema_decay: 0.0": "ema_decay: 0.8",
        "compute_cost: !new:speechbrain.nnet.losses.LogSoftmaxWrapper\n"
        "  loss_fn: !new:speechbrain.nnet.losses.AdditiveAngularMargin\n"
        "    margin: 0.2\n    scale: 30\n": (
            "compute_cost: !new:speaker_models.softmax_cost.SoftmaxCost\n"
            "  margin: 0.2\n  label_smoothing: 0.1\n"
            "  make_margin: !name:speaker_models.softmax_cost.InterTopKMargin\n"
            "    scale: 30\n    top_k: 2\n"
            "embedding_cost: !new:speaker_models.angular_prototypical.AngularPrototypical\n"
            "  weight: 0.5\n"
        ),
        "lr_annealing: !new:speechbrain.nnet.schedulers.LinearScheduler\n"
        "  initial_value: !ref <learning_rate>\n"
        "  final_value: !ref <final_learning_rate>\n"
        "  epoch_count: !ref <data.num_batches>": (
            "margin_schedule: !new:local.training.schedules.Ramp\n"
            "  initial: 0.0\n  final: 0.2\n  num_batches: !ref <data.num_batches>\n  end: 0.9\n"
            "lr_annealing: !new:local.training.schedules.WarmCosine\n"
            "  peak: !ref <learning_rate>\n  final: !ref <final_learning_rate>\n"
            "  num_batches: !ref <data.num_batches>"
        ),
        "  classifier: !ref <classifier>\n\n": (
            "  classifier: !ref <classifier>\n  embedding_cost: !ref <embedding_cost>\n\n"
        ),
    }.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = Path(folder) / "other.yaml"
    path.write_text(text)
    return str(path)
