"""What is compared: networks, the recommended recipe without each of its parts, fewer speakers."""

import json
import re
import zlib
from dataclasses import dataclass

from benchmarks import RECIPE
from local.hparams import complete_text, settings

ALL = 136  # training speakers of tiny-librispeech


@dataclass(frozen=True)
class Experiment:
    """One row of one of TABLES, which is trained with several seeds.

    The hparams file is named without .yaml; the options override its keys; it is trained on that
    many speakers.
    """

    table: str
    name: str
    hparams: str
    options: tuple = ()
    speakers: int = ALL

    @property
    def settings(self):
        """All that its runs follow from, as columns of a row: several tables may have them."""
        values = json.dumps(settings(complete_text(RECIPE / self.path)))
        return {
            "hparams": self.hparams,
            "file": f"{zlib.crc32(values.encode()):08x}",
            "options": " ".join(self.options),
            "speakers": str(self.speakers),
        }

    @property
    def path(self):
        """Of the hparams file, from the recipe's folder."""
        return f"hparams/{self.hparams}.yaml"

    @property
    def key(self):
        """Name of the folder of its runs."""
        return re.sub(r"[^\w.]+", "_", "_".join(self.settings.values())).strip("_")

    def folder(self, output_folder, seed):
        """Of its run with a seed, in the output folder of all."""
        return output_folder / self.key / str(seed)


TABLES = ("networks", "ablation", "speakers", "time")
SEEDS = (1, 2, 3)
# As many crops as run.sh takes for this corpus, so that 30 epochs have 600 steps
PROTOTYPE = ("prototype", ("--crops_per_utterance", "11"))
NETWORKS = {
    "prototype": PROTOTYPE,
    "x-vector": ("xvector", ()),
    "ECAPA-TDNN": ("ecapa_tdnn", ()),
    "ResNet": ("resnet", ()),
    "CAM++": ("cam_plus_plus", ()),
    "SpeechBrain's VoxCeleb settings": ("speechbrain_voxceleb", ()),
    "phone": ("phone", ()),
    "quick": ("quick", ()),
    "best": ("best", ()),
}
WITHOUT = {  # each ingredient of the recipe, taken away from its short form
    "quick": (),
    "embeddings centred only": ("--shrinkage", "1"),
    "with every crop augmented": ("--augmented", "1"),
    "without other voices": ("--warps", "[1.0]"),
    "with three voices": ("--warps", "[1.0,0.92,1.08]"),
    "with five voices": ("--warps", "[1.0,0.92,1.08,0.85,1.17]"),
    "without equaliser": ("--equalizer", "0"),
    "without rooms": ("--reverb", "0"),
    "without noise": ("--noise", "0"),
    "without babble": ("--babble", "0"),
    "without band limits": ("--band_limit", "0"),
    "without companding": ("--companding", "0"),
    "without masks": ("--frequency_mask", "0", "--time_mask", "0"),
    "without augmentation": (
        *("--warps", "[1.0]", "--equalizer", "0", "--reverb", "0", "--noise", "0"),
        *("--babble", "0", "--band_limit", "0", "--companding", "0"),
        *("--frequency_mask", "0", "--time_mask", "0"),
    ),
    "windows of 25 ms": ("--win_length", "25", "--n_fft", "512"),
    "without prototypical loss": ("--prototypical_weight", "0"),
    "with a margin of 0.2": ("--margin", "0.2"),
    "without average": ("--average_checkpoints", "1"),
}
COUNTS = (17, 34, 68, ALL)
CURVES = (PROTOTYPE, ("quick", ()))
EPOCHS = {  # trainings of different lengths, each with its whole schedule; the last is the recipe
    PROTOTYPE: (10, 30),
    NETWORKS["SpeechBrain's VoxCeleb settings"]: (3, 11),
    NETWORKS["quick"]: (2, 5, 10),
    NETWORKS["best"]: (5, 10, 30),
}

EXPERIMENTS = [
    *(Experiment("networks", name, *how) for name, how in NETWORKS.items()),
    *(Experiment("ablation", name, "quick", options) for name, options in WITHOUT.items()),
    *(Experiment("speakers", f"{how[0]}, {n}", *how, speakers=n) for how in CURVES for n in COUNTS),
    *(
        Experiment(
            "time", f"{name}, {n} epochs", name, options + ("--epochs", str(n)) * (n < counts[-1])
        )
        for (name, options), counts in EPOCHS.items()
        for n in counts
    ),
]
