"""Any audio file that libsndfile reads, as 16 kHz mono PCM16 WAV."""

from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.signal import resample_poly
from tqdm import tqdm

from local.errors import RecipeError
from local.layout import SAMPLE_RATE

BLOCK_SECONDS = 20  # what is in memory at a time, however long a recording is


def read_headers(paths):
    """Read the header of each file, before anything is written.

    Arguments
    ---------
    paths : collection of Path

    Returns
    -------
    list
        ``soundfile.info`` of each file.

    Raises
    ------
    RecipeError
        If files cannot be opened or hold no audio: how many, and the first five.
    """
    headers, broken = [], []
    for path in tqdm(paths, desc="reading headers", unit="file", disable=None):
        try:
            header = sf.info(path)
        except sf.SoundFileError as error:
            # "Error opening '<path>': <reason>": the path is said once.
            broken.append(f"{path} ({str(error).rpartition(': ')[2].rstrip('.')})")
            continue
        if header.frames == 0:
            broken.append(f"{path} (empty)")
        headers.append(header)
    if broken:
        raise RecipeError(
            f"{len(broken)} of {len(paths)} audio files cannot be read or are empty: "
            f"{', '.join(broken[:5])}{', …' * (len(broken) > 5)}; "
            "remove them or export them again, e.g. as WAV; nothing was written"
        )
    return headers


def convert(source, target):
    """Write a recording as 16 kHz mono PCM16 WAV, block by block.

    Arguments
    ---------
    source : str or Path
    target : str or Path
        Missing parent folders are made.

    Returns
    -------
    samples : int
        How many were written.
    peak : float
        The largest magnitude; what exceeds 1, full scale, is clipped.

    Raises
    ------
    RecipeError
        If the source cannot be decoded.
    OSError
        If the target cannot be written.
    """
    samples, peak = 0, 0.0
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    try:
        with sf.SoundFile(target, "w", SAMPLE_RATE, channels=1, subtype="PCM_16") as fout:
            for signal in resampled_blocks(source):
                fout.write(signal)
                samples += len(signal)
                peak = max(peak, float(np.abs(signal).max(initial=0)))
    except sf.SoundFileError as error:
        raise OSError(f"{target}: cannot be written ({error}); is the disk full?") from error
    if samples == 0:
        raise RecipeError(f"{source}: no audio could be decoded; remove it or export it again")
    return samples, peak


def resampled_blocks(source, block_seconds=BLOCK_SECONDS):
    """Decode a recording as mono 16 kHz audio.

    SciPy's polyphase filter takes any rate; torchaudio's (SpeechBrain's AudioNormalizer) tabulates
    its kernel for every output phase: 23 GB and a minute for 44,099 Hz. Blocks are whole seconds,
    so that each starts on a sample of either rate, and overlap by more than the filter's length:
    the result is that of filtering the whole recording.

    Arguments
    ---------
    source : str or Path
    block_seconds : int
        At least 2.

    Yields
    ------
    numpy.ndarray
        Samples, shape (time,), the blocks one after the other.

    Raises
    ------
    RecipeError
        If the source cannot be decoded or holds NaN or infinity.
    """
    try:
        with sf.SoundFile(source) as audio:
            rate = audio.samplerate
            before = np.zeros(0, np.float32)  # one second of context, one not yet given out
            done = 0
            last = False
            while not last:
                block = audio.read(block_seconds * rate, dtype="float32", always_2d=True)
                last = len(block) < block_seconds * rate
                block = np.concatenate([before, block.mean(axis=1)])
                if not np.isfinite(block).all():
                    raise RecipeError(f"{source}: holds NaN or infinity; remove or export it again")
                signal = resample_poly(block, SAMPLE_RATE, rate)
                yield signal[done : None if last else -SAMPLE_RATE]
                before, done = block[-2 * rate :], SAMPLE_RATE
    except sf.SoundFileError as error:
        raise RecipeError(
            f"{source}: cannot be decoded ({error}); remove it or export it again"
        ) from error
