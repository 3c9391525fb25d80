"""Any tree with one folder a speaker, made a corpus in the tiny-voxceleb layout."""

from collections import Counter
from pathlib import Path

from tqdm import tqdm

from local.corpora.convert import convert, read_headers
from local.corpora.gender_table import read_metadata
from local.corpora.speaker_tree import find_speakers
from local.corpora.splits import split_speakers
from local.errors import RecipeError
from local.files import atomic_folder
from local.layout import SAMPLE_RATE, write_meta
from local.scoring.trials import make_trials, write_trials

NUM_TRIALS = 10_000  # as in the tiny-voxceleb lists, or as many as the data gives
FEW_TRIALS = 200  # half of them targets: each weighs 1 % of the EER


def prepare_folder(data_folder, corpus_folder, seed=123, skip_prep=False):
    """Make a corpus from a folder of speakers; see `speaker_tree` for what it may look like.

    Recordings become 16 kHz mono WAV. About 20 % of the speakers, at least two, become dev; about
    20 % of the sessions of each training speaker become val. If a CSV file at the root of
    `data_folder` tells the sex of the speakers, trials pair speakers of the same sex. Equal seeds
    give equal corpora, byte for byte.

    Arguments
    ---------
    data_folder : str or Path
        Holds one folder a speaker.
    corpus_folder : str or Path
        Where the corpus is to appear, once it is complete; if it exists, nothing is done.
    seed : int
    skip_prep : bool
        Do nothing.

    Raises
    ------
    RecipeError
        If there are too few speakers or recordings, files that cannot be read, or ids that
        collide. Nothing is left behind then.

    Example
    -------
    >>> prepare_folder("speakers", "corpus", skip_prep=True)
    """
    data_folder, corpus_folder = Path(data_folder), Path(corpus_folder)
    if skip_prep or corpus_folder.is_dir():
        return
    if corpus_folder.resolve().is_relative_to(data_folder.resolve()):
        raise RecipeError(
            f"{corpus_folder} lies inside {data_folder} and would be taken for a speaker; "
            "choose an output folder outside of the data"
        )
    tree = find_speakers(data_folder)
    metadata = read_metadata(data_folder, tree.sessions.keys())
    headers = read_headers(tree.paths.values())
    splits = split_speakers(tree.sessions, seed=seed, sex=metadata.sex)
    trials = {
        split: make_trials(splits[split], num_trials=NUM_TRIALS, seed=seed, sex=metadata.sex)
        for split in ("val", "dev")
    }
    for note in (*tree.notes, *metadata.notes, *_conversion_notes(headers)):
        print(f"{data_folder}: {note}")
    with atomic_folder(corpus_folder) as corpus:
        samples = _convert_all(tree.paths, headers, splits, corpus)
        for split in trials:
            write_trials(corpus / f"{split}_trials.txt", trials[split])
        write_meta(
            corpus,
            train_speakers=splits["train"],
            dev_speakers=splits["dev"],
            gender=metadata.gender,
            nationality=metadata.nationality,
        )
    _print_summary(corpus_folder, splits, samples, trials)


def _conversion_notes(headers):
    rates = Counter(header.samplerate for header in headers)
    channels = sum(header.channels > 1 for header in headers)
    if resampled := {rate: count for rate, count in rates.items() if rate != SAMPLE_RATE}:
        counts = ", ".join(f"{count} from {rate} Hz" for rate, count in sorted(resampled.items()))
        yield f"{sum(resampled.values())} of {len(headers)} files resampled to 16000 Hz: {counts}"
    if channels:
        yield f"{channels} of {len(headers)} files with several channels mixed down to mono"
    formats = Counter(f"{header.format} {header.subtype}" for header in headers)
    formats.pop("WAV PCM_16", None)
    if formats:
        counts = ", ".join(f"{count} {name}" for name, count in sorted(formats.items()))
        yield f"{formats.total()} of {len(headers)} files written as 16-bit WAV: {counts}"


def _convert_all(paths, headers, splits, corpus):
    """Write every utterance; return the samples of each split."""
    split_of = {
        identifier: split
        for split, speakers in splits.items()
        for utterances in speakers.values()
        for identifier in utterances
    }
    samples, loud, short = Counter(), [], []
    jobs = tqdm(paths.items(), desc="converting", unit="file", disable=None)
    for (identifier, path), header in zip(jobs, headers, strict=True):
        written, peak = convert(path, corpus / split_of[identifier] / f"{identifier}.wav")
        samples[split_of[identifier]] += written
        if peak > 1:
            loud.append(path)
        if written < 0.9 * header.duration * SAMPLE_RATE:
            short.append(path)
    for files, what in (
        (loud, "were louder than full scale and are clipped"),
        (short, "hold less audio than their headers say"),
    ):
        if files:
            print(f"warning: {len(files)} of {len(paths)} files {what}, first {files[0]}")
    return samples


def _print_summary(corpus_folder, splits, samples, trials):
    print(f"{corpus_folder}:")
    for split in ("train", "val", "dev"):
        utterances = sum(map(len, splits[split].values()))
        line = f"  {split:5} {len(splits[split]):5} speakers {utterances:6} utterances "
        line += f"{samples[split] / SAMPLE_RATE / 3600:7.2f} h"
        print(line + (f" {len(trials[split]):6} trials" if split in trials else ""))
    if alone := len(splits["train"]) - len(splits["val"]):
        print(f"  {alone} speakers with a single session are in train only")
    for split, made in trials.items():
        if len(made) < FEW_TRIALS:
            step = 200 / len(made)
            print(
                f"warning: with {len(made)} trials the {split} EER moves in steps of {step:.0f} %"
            )
