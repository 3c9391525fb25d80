"""One of several parts for each crop, as where copies of a batch are each changed in one way."""

import torch

from local.augmentation.augmentation import Part


class OneOf(Part):
    """Change each crop by one of several parts, each as often as the others.

    So SpeechBrain's VoxCeleb recipe trains, with its Augmenter's `parallel_augment`: on a batch as
    it is, beside copies of it of which each is changed in one way. Here a crop is one of these.

    Arguments
    ---------
    parts : list of Part
        With their own probabilities, 1 as a rule.
    keep : bool
        Whether a crop as it is counts as one more way.
    """

    def __init__(self, parts, *, keep=True):
        super().__init__(probability=1.0)
        self.parts = torch.nn.ModuleList(parts)
        self.keep = keep

    def forward(self, batch, generators, speakers):
        """See Part."""
        numbers = [rng.integers(len(self.parts) + self.keep) for rng in generators]
        for number, part in enumerate(self.parts):
            rows = [row for row, of_row in enumerate(numbers) if of_row == number]
            if rows:
                chosen = torch.tensor(rows, device=batch.device)
                changed = part(batch[chosen], [generators[row] for row in rows], speakers[chosen])
                batch = batch.index_copy(0, chosen, changed)
        return batch
