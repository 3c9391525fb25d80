"""A bundle is not loaded by who would decide at a threshold that was not fitted to its network.

A copy of this file lies in each inference bundle, whose hyperparams.yaml calls it.
"""

import sys

from speechbrain.inference.speaker import SpeakerRecognition


def refuse_speaker_recognition() -> None:
    """Refuse to be loaded by SpeechBrain's SpeakerRecognition, which decides at a cosine of 0.25.

    Different people have cosines of 0.9 in many a network, so it would accept everybody. It takes
    nothing from a bundle that EncoderClassifier does not take: only the class that is being loaded,
    the `cls` of a caller, tells one from the other. A class with a `verify_batch` of its own, which
    has a threshold of its own, is none of this.

    Raises
    ------
    RuntimeError
        A caller loads SpeakerRecognition, or a class that decides as it does.
    """
    frame = sys._getframe(1)
    while frame is not None:
        cls = frame.f_locals.get("cls") if frame.f_code.co_name == "from_hparams" else None
        if getattr(cls, "verify_batch", None) is SpeakerRecognition.verify_batch:
            raise RuntimeError(
                f"{cls.__name__} decides at a cosine of 0.25, which was not fitted to this network "
                "and would take different people for one: load its SpeakerVerifier, which decides "
                "at the fitted threshold (speaker_verifier.py in this folder tells how), or "
                "EncoderClassifier for embeddings only"
            )
        frame = frame.f_back
