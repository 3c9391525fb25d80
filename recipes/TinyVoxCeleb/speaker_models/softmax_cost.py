"""Softmax losses of class scores: with a margin or without, with smoothed labels or without."""

import torch


class SoftmaxCost(torch.nn.Module):
    """Cross-entropy of scores, of which a margin is taken first.

    Unlike SpeechBrain's LogSoftmaxWrapper it smooths labels, and its margin can change meanwhile.

    Arguments
    ---------
    make_margin : callable, optional
        Makes, of `margin`, a function of cosines and one-hot labels (batch, speakers) that gives
        logits: SpeechBrain's AngularMargin (AM) and AdditiveAngularMargin (AAM), or
        `speaker_models.inter_top_k.InterTopKMargin`. Without it, scores are logits.
    margin : float
        Of the cosine (AM) or in radians (AAM).
    label_smoothing : float
        Share of the label that all speakers have in common (Szegedy et al. 2016, section 7).
    weight : float
        Of this loss beside one of the embeddings; 0 leaves the classifier as it is.

    Example
    -------
    >>> from functools import partial
    >>> from speechbrain.nnet.losses import AdditiveAngularMargin
    >>> cost = SoftmaxCost(partial(AdditiveAngularMargin, scale=30), margin=0.2)
    >>> cost(torch.tensor([[[0.6, 0.1]]]), torch.tensor([[0]]))
    tensor(5.1497e-05)
    """

    def __init__(self, make_margin=None, margin=0.0, label_smoothing=0.0, weight=1.0):
        super().__init__()
        self.make_margin = make_margin
        self.label_smoothing = label_smoothing
        self.weight = weight
        self.margin = None
        if make_margin is not None:
            self.set_margin(margin)

    def set_margin(self, margin):
        """Change the margin, as a schedule asks for it before each batch."""
        if margin != self.margin:
            # SpeechBrain's keep sines and cosines of their margin, so each has a new one.
            self.logits = self.make_margin(margin=margin)
            self.margin = margin

    def forward(self, scores, classes):
        """Mean loss of a batch.

        Arguments
        ---------
        scores : torch.Tensor
            Shape (batch, 1, speakers).
        classes : torch.Tensor
            Shape (batch, 1).

        Returns
        -------
        torch.Tensor
            Shape ().
        """
        scores, classes = scores.squeeze(1).float(), classes.squeeze(1)
        if self.make_margin is not None:
            targets = torch.nn.functional.one_hot(classes, scores.shape[1]).to(scores.dtype)
            scores = self.logits(scores, targets)
        loss = torch.nn.functional.cross_entropy(
            scores, classes, label_smoothing=self.label_smoothing
        )
        return self.weight * loss
