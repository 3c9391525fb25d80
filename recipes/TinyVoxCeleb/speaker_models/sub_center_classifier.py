"""Sub-center classifier: several directions a speaker, of which the closest counts."""

import torch
from torch.nn.functional import linear, normalize


class SubCenterClassifier(torch.nn.Module):
    """Cosine of an embedding and the closest of each speaker's sub-centers.

    Noisy or odd utterances of a speaker gather at a sub-center of their own. Deng et al.,
    "Sub-center ArcFace: boosting face recognition by large-scale noisy web faces", ECCV 2020,
    section 3.2. With one sub-center it is SpeechBrain's ECAPA_TDNN.Classifier.

    Arguments
    ---------
    input_size : int
        Size of the embedding.
    out_neurons : int
        Number of training speakers.
    sub_centers : int
        K of the paper.

    Example
    -------
    >>> SubCenterClassifier(128, 100)(torch.rand(2, 1, 128)).shape
    torch.Size([2, 1, 100])
    """

    def __init__(self, input_size, out_neurons, sub_centers=3):
        super().__init__()
        self.sub_centers = sub_centers
        self.weight = torch.nn.Parameter(torch.empty(out_neurons * sub_centers, input_size))
        torch.nn.init.xavier_uniform_(self.weight)

    def forward(self, embeddings):
        """Map embeddings (batch, 1, input_size) to cosines (batch, 1, out_neurons)."""
        cosines = linear(normalize(embeddings, dim=-1), normalize(self.weight))
        return cosines.unflatten(-1, (-1, self.sub_centers)).amax(dim=-1)
