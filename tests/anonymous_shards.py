"""Dev utterances of the small corpus as the anonymous files of an evaluation."""

import shutil

from local.shards import write_shards


def write_anonymous_shards(small, folder):
    """Write them to `folder`/shards/eval under hashes for names; returns the hashes."""
    wavs = folder / "tree/eval/wav"
    wavs.mkdir(parents=True)
    names = []
    for number, path in enumerate(sorted((small.corpus / "dev").rglob("*.wav"))):
        names.append(f"{number:032x}")
        shutil.copy(path, wavs / f"{names[-1]}.wav")
    write_shards(folder / "tree", small.corpus / "tiny_meta.csv", folder / "shards")
    return names
