"""What a shard holds: its fields, file types and member names."""

from dataclasses import dataclass

from local.layout import utterance_key

AUDIO_TYPES = ("wav", "flac")
SPLITS = ("train", "val", "dev", "eval")


@dataclass(frozen=True)
class Sample:
    """What a shard tells of one utterance.

    Arguments
    ---------
    sample_id : str
        "speaker/session/utterance"; "eval/wav/<hash>" for evaluation files.
    num_frames : int
        Length in audio samples, of 16 kHz always.
    class_idx : int or None
        The class of a training speaker, None for dev and eval.
    """

    sample_id: str
    num_frames: int
    class_idx: int | None

    @property
    def speaker_id(self):
        """The first part of the sample_id."""
        return self.sample_id.split("/")[0]

    @property
    def key(self):
        """The id by which trial and score lists name this utterance."""
        return utterance_key(self.sample_id)


def split_key(name):
    """Split a member's name at its last extension: ids may hold '.', '-' and '_'.

    Example
    -------
    >>> split_key("0017/id10012/0AX-_jx.v2/00001.wav")
    ('0017/id10012/0AX-_jx.v2/00001', 'wav')
    """
    key, _, suffix = name.rpartition(".")
    return (key, suffix.lower()) if key and "/" not in suffix else (name, "")
