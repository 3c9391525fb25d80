"""What is compared: networks, the recommended recipe without each of its parts, fewer speakers.

Authors
 * The TinyVoxCeleb authors 2026
"""

from dataclasses import dataclass

ALL = 136  # training speakers of tiny-librispeech


@dataclass(frozen=True)
class Experiment:
    """One row of a table, which is trained with several seeds.

    Arguments
    ---------
    table : str
        "networks", "ablation" or "speakers".
    name : str
        Of the row.
    hparams : str
        The hparams file, from the recipe's folder.
    options : tuple of str
        Its overrides.
    speakers : int
        To train on.
    seeds : tuple of int
    """

    table: str
    name: str
    hparams: str
    options: tuple = ()
    speakers: int = ALL
    seeds: tuple = (1, 2, 3)

    @property
    def key(self):
        """Name of the folder of its runs."""
        return f"{self.table}_{self.name}".replace(" ", "_").replace("+", "and")
