"""An independent writer of tiny-voxceleb shards: tarfile and json alone, as the format is told."""

import io
import json
import tarfile

import numpy as np
import soundfile as sf


def wav_bytes(num_frames=16000, rate=16000, seed=0, fmt="WAV", fade=0, subtype=None):
    """A mono PCM16 file of noise, which fades by `fade` times 6 dB."""
    signal = np.random.default_rng(seed).uniform(-0.5, 0.5, num_frames)
    signal *= np.logspace(0, -fade, num_frames, base=2)
    buffer = io.BytesIO()
    sf.write(buffer, signal, rate, subtype=subtype or "PCM_16", format=fmt)
    return buffer.getvalue()


def without_count(flac):
    """As `sox ... -t flac -` writes FLAC: the last 36 bits of STREAMINFO's count are 0."""
    content = bytearray(flac)
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    return bytes(content)


def member_pair(number, sample_id, class_idx=None, num_frames=16000, audio=None, **changes):
    """The two members of a sample, as (name, bytes): audio first."""
    speaker, session, utterance = sample_id.split("/")
    values = {
        "sample_id": sample_id,
        "speaker_id": speaker,
        "youtube_id": session,
        "utterance_id": utterance,
        "num_frames": num_frames,
        "sampling_rate": 16000,
        "class_idx": class_idx,
        **changes,
    }
    key = f"{number:04d}/{sample_id}"
    audio = wav_bytes(num_frames, seed=number) if audio is None else audio
    return [(f"{key}.wav", audio), (f"{key}.json", json.dumps(values).encode())]


def write_tar(path, members):
    """Write members (name, bytes) in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def original_layout(folder, counts=(5, 2), speaker="id1000"):
    """Shards as the original data has them: the last, shorter one is called partial."""
    ids = []
    for shard, count in enumerate(counts):
        members = []
        for number in range(count):
            # YouTube ids hold '-' and '_'; a dot must not cut a key either.
            sample_id = f"{speaker}{number % 3}/-A_x{shard}.v-{number}_/0000{number}"
            members += member_pair(number, sample_id, number % 3, 16000 + 100 * number)
            ids.append(sample_id)
        partial = ".partial" if len(counts) > 1 and shard == len(counts) - 1 else ""
        write_tar(folder / f"shard-{shard:06d}{partial}.tar", members)
    return ids
