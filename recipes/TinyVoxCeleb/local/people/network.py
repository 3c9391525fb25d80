"""A trained network that hears recordings, with errors that name what is wrong with them."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from local.bundle import checkpoint_digest, find_bundle
from local.bundle.finding import check_whole
from local.errors import RecipeError
from local.layout import SAMPLE_RATE
from local.people.timeline import CHUNK, Heard, hear
from local.processes import choose_device

FIT = (
    "python speaker_verification.py hparams/verification.yaml --checkpoint {run} "
    "--shards_dirs_to_evaluate SHARDS/dev --trial_lists dev_trials.txt "
    "--calibration_trials dev_trials.txt --score_file scores.txt"
)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What a bundle's code says of a recording, as one line."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise RecipeError(str(error)) from error


def _bounded(blocks, longest, path):
    """Blocks of samples, and an error when there are more than so many seconds."""
    frames = 0
    for block in blocks:
        frames += len(block)
        if frames > longest * SAMPLE_RATE:
            raise ValueError(f"{path}: longer than {longest / 60:g} minutes; give a part of it")
        yield block


class HearingNetwork:
    """The network that a run has left, loaded to embed recordings one by one.

    Arguments
    ---------
    checkpoint
        The output folder of the run, or its inference bundle.
    device
        cpu, cuda, cuda:1; a GPU where there is one.
    min_speech
        Seconds of speech that a recording has to hold.

    Attributes
    ----------
    encoder
        The bundle's `SpeakerVerifier` or, where no threshold has been fitted, `SpeakerEncoder`.
    digest : str
        By which the network is known.

    Raises
    ------
    RecipeError
        No trained network there, a damaged one, or one of a former version; no such device.
    """

    def __init__(self, checkpoint: str | Path, device: str | None = None, min_speech: float = 0.5):
        device = choose_device(device)
        bundle = find_bundle(checkpoint)
        check_whole(bundle)
        self.checkpoint, self.min_speech = Path(checkpoint), min_speech
        self.digest = checkpoint_digest(bundle)
        self.decides = (bundle / "decision.json").is_file()
        part = "verifier" if self.decides else "encoder"
        # Here, because it takes seconds that those who err in an option need not wait.
        from speechbrain.inference.interfaces import foreign_class

        try:
            self.encoder = foreign_class(
                source=str(bundle),
                pymodule_file=f"speaker_{part}.py",
                classname=f"Speaker{part.capitalize()}",
                overrides={"pretrained_path": str(bundle)},  # right even if the run was moved
                run_opts={"device": device},
            )
        except (ValueError, FileNotFoundError, ImportError) as error:
            raise RecipeError(f"{checkpoint}: {error}") from error
        if not hasattr(self.encoder, "embed_signals"):
            raise RecipeError(
                f"{checkpoint}: left by a former version, whose network cannot be used so: fit a "
                f"threshold once more, which renews the code beside it: "
                f"{FIT.format(run=checkpoint)}"
            )

    @property
    def without_threshold(self) -> str:
        """What to say where no threshold has been fitted."""
        return (
            f"{self.checkpoint}: no threshold has been fitted to this network; fit one: "
            f"{FIT.format(run=self.checkpoint)}"
        )

    def load(self, path: str | Path, longest: float) -> np.ndarray:
        """The samples of a recording at 16 kHz, shape (time,).

        Raises
        ------
        RecipeError
            It is not there, cannot be decoded, or is longer than so many seconds.
        """
        with _told():
            blocks = list(_bounded(self.encoder.read_blocks(path), longest, path))
        return np.concatenate(blocks or [np.zeros(0, np.float32)])

    def embed(self, recordings: Sequence):
        """What the encoder's `embed` gives for files or samples at 16 kHz, see there.

        Raises
        ------
        RecipeError
            A recording is not there, cannot be decoded, or lacks speech.
        """
        with _told():
            return self.encoder.embed(*recordings, min_speech=self.min_speech)

    def embed_each(self, paths: Iterable[Path]) -> Iterator[tuple]:
        """Embed file by file: gives the path and its embedding, or the RecipeError in its place."""
        for path in paths:
            try:
                yield path, self.embed([path])
            except RecipeError as error:
                yield path, error

    def hear(self, path: str | Path, longest: float = np.inf) -> Heard:
        """Embed all windows of a long recording, see `local.people.timeline`.

        Raises
        ------
        RecipeError
            It is not there, cannot be decoded, is longer than so many seconds, or holds less speech
            than the minimum.
        """
        with _told():
            heard = hear(self.encoder, _bounded(self.encoder.read_blocks(path), longest, path))
        if not len(heard.voices) or heard.speech.sum() * CHUNK < self.min_speech * SAMPLE_RATE:
            raise RecipeError(f"{path}: too little speech for a timeline; give another recording")
        return heard
