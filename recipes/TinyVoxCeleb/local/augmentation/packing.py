"""Folders of noise or rooms, packed once into shards near the training: whole, or not at all."""

import contextlib
import hashlib
import io
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile as sf
from tqdm import tqdm

from local.corpora.audio_files import Ignored, find_audio, ignored_line, system_fault
from local.corpora.convert import resampled_blocks
from local.corpora.quality import report_faults
from local.corpora.speaker_tree import AUDIO_EXTENSIONS
from local.errors import RecipeError
from local.files import atomic_folder
from local.layout import SAMPLE_RATE
from local.shards import write_samples
from local.shards.record import PROBES, read_middle

FORMAT = 1  # of what is packed: another makes all packs anew


def pack_recordings(
    folder: str | Path,
    cache: str | Path,
    name: str,
    seconds: float,
    kind_of: Callable[[Path], str | None],
    prepare: Callable[[np.ndarray], np.ndarray] = lambda signal: signal,
) -> Path:
    """Pack the audio files below a folder into shards in a cache, unless they are there already.

    They are at 16 kHz, of the first channel, at full scale, and have the sample_id
    "kind/number/0". Silent ones are left out. The shards are found again by the names and sizes of
    the files, and by parts of some: wherever the folder lies, and whatever its clock says.

    Arguments
    ---------
    name :
        Of the folder's option, without "_folder".
    seconds :
        What is read of a longer file.
    kind_of :
        The kind of a file, or None where it is none of these recordings.
    prepare :
        What is packed of a recording, shape (time,).

    Returns
    -------
    The folder of the shards, whose name changes with their content.

    Raises
    ------
    RecipeError
        No such folder; no recordings in it; files that are no audio.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RecipeError(f"{name}_folder {folder}: no such folder of recordings")
    ignored = Ignored()
    found = sorted(find_audio(folder, AUDIO_EXTENSIONS, ignored))
    kinds = {path: kind for path in found if (kind := kind_of(path))}
    told = ignored_line(ignored)
    if not kinds:
        others = f"; {len(found)} audio files are of another kind" * bool(found)
        raise RecipeError(
            f"{name}_folder {folder}: no recordings in it: expected audio files of {name}, also in "
            f"folders within{others}{told and f'; {told}'}"
        )
    out = Path(cache) / f"{name}-{_digest(folder, kinds, seconds)}"
    with atomic_folder(out, keep=True) as temporary:
        if temporary is None:
            return out
        if told:
            print(f"{folder}: {told}", file=sys.stderr)
        packed = _Packed(kinds, seconds, prepare, f"packing {name}")
        write_samples(temporary, packed)
        report_faults(packed.faults, len(kinds), f"be taken for {name}")
        if not packed.counts:
            raise RecipeError(f"{name}_folder {folder}: all {len(kinds)} recordings are silent")
        counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(packed.counts.items()))
        silent = f"; {packed.silent} silent ones left out" * bool(packed.silent)
        print(f"{folder}: packed once into {out}: {counts}{silent}", file=sys.stderr)
    return out


def _digest(folder, kinds, seconds):
    digest = hashlib.sha256(f"{FORMAT} {seconds}\n".encode())
    probed = set(list(kinds)[:: -(-len(kinds) // PROBES)])
    for path, kind in kinds.items():
        digest.update(os.fsencode(f"{kind} {path.relative_to(folder)}\n"))
        with contextlib.suppress(OSError):  # told where it is read
            size = path.stat().st_size
            digest.update(f"{size}\n".encode())
            if path in probed:
                digest.update(read_middle(path, size))
    return digest.hexdigest()[:16]


class _Packed:
    """The samples to write, one after the other, and what is found out about them meanwhile."""

    def __init__(self, kinds, seconds, prepare, title):
        self.kinds, self.seconds, self.prepare, self.title = kinds, seconds, prepare, title
        self.counts, self.silent, self.faults = Counter(), 0, []

    def __iter__(self):
        bar = tqdm(self.kinds.items(), desc=self.title, unit="file", dynamic_ncols=True)
        for number, (path, kind) in enumerate(bar):
            try:
                signal = self.prepare(_read(path, self.seconds))
            except RecipeError as error:
                reason = system_fault(path) or str(error).removeprefix(f"{path}: ")
                self.faults.append((path, reason))
                continue
            peak = np.abs(signal).max(initial=0)
            if not peak > 0:
                self.silent += 1
                continue
            self.counts[kind] += 1
            file = io.BytesIO()
            sf.write(file, signal / peak, SAMPLE_RATE, subtype="PCM_16", format="WAV")
            yield f"{kind}/{number:06d}/0", ".wav", file.getvalue(), len(signal)


def _read(path, seconds):
    blocks, missing = [], round(seconds * SAMPLE_RATE)
    for block in resampled_blocks(path, channel=0):
        blocks.append(block[:missing])
        missing -= len(blocks[-1])
        if not missing:
            break
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
