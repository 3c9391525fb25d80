"""Log-likelihood ratios between voices, and who of the enrolled somebody is, if anybody."""

from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax

from local.people.voices import Voices
from local.scoring.backends import unit_length

PLAIN = ("cosine", "mean_subtracted")  # scorings that are one product of matrices


class Comparer:
    """Compares voices with enrolled ones, as the verifier of a bundle decides.

    What follows from the enrolled alone is computed once.

    Arguments
    ---------
    verifier
        A bundle's `SpeakerVerifier`, which has the scoring, the calibration and the threshold.
    enrolled
        One row a speaker.
    """

    def __init__(self, verifier, enrolled: Voices):
        self.backend, self.calibration = verifier.backend, verifier.calibration
        self.decisions, self.enrolled = verifier.decisions, enrolled
        if self.backend.name in PLAIN:
            self._units = self._unit(enrolled.vectors)

    def scores(self, voices: Voices) -> np.ndarray:
        """Scores before calibration, shape (voices, enrolled)."""
        if self.backend.name in PLAIN:
            return (self._unit(voices.vectors) @ self._units.T).astype(np.float64)
        vectors = np.concatenate([self.enrolled.vectors, voices.vectors])
        rows, columns = np.indices((len(voices), len(self.enrolled))).reshape(2, -1)
        scores = self.backend.score(vectors, columns, len(self.enrolled) + rows)
        return scores.reshape(len(voices), -1)

    def llrs(self, voices: Voices) -> np.ndarray:
        """Log-likelihood ratios of one speaker against two, shape (voices, enrolled)."""
        scores, quality = self.scores(voices).reshape(-1), None
        if self.calibration.low:
            vectors = np.concatenate([self.enrolled.vectors, voices.vectors])
            frames = np.concatenate([self.enrolled.num_frames, voices.num_frames])
            rows, columns = np.indices((len(voices), len(self.enrolled))).reshape(2, -1)
            sides = columns, len(self.enrolled) + rows
            quality = self.decisions.quality_measures(vectors, frames, *sides)
        return self.calibration(scores, quality).reshape(len(voices), -1)

    def _unit(self, vectors):
        mean = 0.0 if self.backend.mean is None else self.backend.mean
        return unit_length(vectors, mean).astype(np.float32)


def posteriors(llrs: np.ndarray, known: float) -> np.ndarray:
    """The probability that a voice is each of the enrolled, and, in the last column, nobody.

    `known` is the probability before listening that it is one of them, all alike; the ratios have
    the shape (voices, enrolled). A ratio compares "this speaker" with "another", so nobody has the
    ratio 1, and what is left is Bayes' rule over all that can be.

    Example
    -------
    >>> posteriors(np.log([[6.0, 1.0]]), known=0.5).round(3)
    array([[0.667, 0.111, 0.222]])
    """
    voices, enrolled = llrs.shape
    logits = np.concatenate([llrs, np.zeros((voices, 1))], axis=1)
    logits[:, :-1] += np.log(known / enrolled)
    logits[:, -1] += np.log1p(-known)
    return np.exp(log_softmax(logits, axis=1))


class Verification(NamedTuple):
    """Whether two voices are of one speaker; `speech` is the seconds that were heard of each."""

    same_speaker: bool
    llr: float
    probability: float
    threshold: float
    speech: tuple[float, float]

    def __str__(self):
        decision = "same speaker" if self.same_speaker else "different speakers"
        return (
            f"{decision}: log-likelihood ratio {self.llr:.2f} (threshold {self.threshold:.2f}), "
            f"probability {self.probability:.3f} at even odds; {self.speech[0]:.1f} s and "
            f"{self.speech[1]:.1f} s of speech"
        )


def verify_voices(verifier, a: Voices, b: Voices, threshold: float | None = None) -> Verification:
    """Decide about two voices, one row each, at the threshold of a bundle's verifier or another."""
    llr = float(Comparer(verifier, a).llrs(b)[0, 0])
    threshold = float(verifier.threshold if threshold is None else threshold)
    probability = float(verifier.decisions.to_probability(np.array(llr)))
    speech = tuple(round(float(side.speech[0]), 2) for side in (a, b))
    return Verification(llr >= threshold, llr, probability, threshold, speech)


class Identity(NamedTuple):
    """Who somebody is.

    `name` is None where it is nobody who is enrolled; `probability` is that of this answer, and
    `nearest` the likeliest of the enrolled, with a log-likelihood ratio.
    """

    name: str | None
    probability: float
    nearest: str
    llr: float

    def __str__(self):
        if self.name is None:
            return f"nobody who is enrolled ({self.probability:.3f}; nearest {self.nearest})"
        return f"{self.name} ({self.probability:.3f})"


def who_is(comparer: Comparer, voice: Voices, known: float) -> Identity:
    """Who of the enrolled a voice is, or nobody: what is most probable.

    `known` is the probability before listening that it is one of them.
    """
    llrs = comparer.llrs(voice)[:1]
    probabilities, nearest = posteriors(llrs, known)[0], int(llrs[0].argmax())
    name = comparer.enrolled.names[nearest]
    is_known = probabilities[nearest] >= probabilities[-1]
    probability = float(probabilities[nearest if is_known else -1])
    return Identity(name if is_known else None, probability, name, float(llrs[0, nearest]))
