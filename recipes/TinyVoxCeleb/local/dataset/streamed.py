"""Being written."""

import torch


class StreamedCrops(torch.utils.data.IterableDataset):
    """Being written."""
