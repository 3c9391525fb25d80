"""Sub-center classifier: several directions a speaker, of which the closest counts."""

import torch
from torch import Tensor
from torch.nn.functional import linear, normalize


class SubCenterClassifier(torch.nn.Module):
    """Cosine of an embedding and the closest of each speaker's sub-centers.

    Noisy or odd utterances of a speaker gather at a sub-center of their own. Deng et al.,
    "Sub-center ArcFace: boosting face recognition by large-scale noisy web faces", ECCV 2020,
    section 3.2, where their number is K. With one it is SpeechBrain's ECAPA_TDNN.Classifier.

    Example
    -------
    >>> SubCenterClassifier(input_size=128, out_neurons=100)(torch.rand(2, 1, 128)).shape
    torch.Size([2, 1, 100])
    """

    def __init__(self, *, input_size: int, out_neurons: int, sub_centers: int = 3):
        super().__init__()
        if sub_centers < 1:
            raise ValueError(f"sub_centers {sub_centers}: expected 1 or more a speaker")
        self.sub_centers = sub_centers
        self.weight = torch.nn.Parameter(torch.empty(out_neurons * sub_centers, input_size))
        torch.nn.init.xavier_uniform_(self.weight)

    def forward(self, embeddings: Tensor) -> Tensor:
        """From embeddings (batch, 1, input_size) to cosines (batch, 1, out_neurons)."""
        cosines = linear(normalize(embeddings, dim=-1), normalize(self.weight))
        return cosines.unflatten(-1, (-1, self.sub_centers)).amax(dim=-1)
