"""Any tree with one folder a speaker, made a corpus in the tiny-voxceleb layout."""

import sys
from collections import Counter
from pathlib import Path

from tqdm import tqdm

from local.corpora.convert import convert, read_headers
from local.corpora.listening import Listener
from local.corpora.quality import Faults, report_faults
from local.corpora.speaker_tree import clean, find_speakers
from local.corpora.splits import make_trial_lists, split_speakers, write_lists
from local.errors import RecipeError
from local.files import atomic_folder
from local.layout import SAMPLE_RATE, in_two_cases
from local.metadata import GENDER_COLUMNS, ID_COLUMNS, read_table

FEW_TRIALS = 200  # half of them targets: each weighs 1 % of the EER


def prepare_folder(
    data_folder: str | Path, corpus_folder: str | Path, seed: int = 123, skip_prep: bool = False
) -> None:
    """Make a corpus from a folder of speakers; see `speaker_tree` for what it may look like.

    Recordings become 16 kHz mono WAV. About 20 % of the speakers, at least two, become dev; about
    20 % of the sessions of each training speaker become val. If a CSV file at the root of
    `data_folder` tells the sex of the speakers, trials pair speakers of the same sex. Equal seeds
    give equal corpora, byte for byte. Where the corpus exists, or with `skip_prep`, nothing is
    done; it appears once it is complete.

    Raises
    ------
    RecipeError
        If there are too few speakers or recordings, files that cannot be read, or ids that
        collide. Nothing is left behind then.
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
    gender, nationality, table_notes = _read_tables(data_folder, tree.sessions)
    sex = {speaker: value.lower()[0] for speaker, value in gender.items()}  # of f, F and female, f
    headers, faults = read_headers(tree.paths.values())
    try:
        splits = split_speakers(tree.sessions, seed=seed, sex=sex)
    except RecipeError:
        report_faults(faults, len(tree.paths), "be used")  # which may be the reason
        raise
    trials = make_trial_lists(splits, seed=seed, sex=sex)
    for note in (*tree.notes, *table_notes, *_conversion_notes(headers.values())):
        print(f"{data_folder}: {note}")
    with atomic_folder(corpus_folder) as corpus:
        samples, warnings = _convert_all(tree.paths, splits, corpus, faults)
        write_lists(corpus, splits, trials, gender=gender, nationality=nationality)
    _print_summary(corpus_folder, splits, samples, trials)
    if told := in_two_cases(tree.sessions):
        warnings.append(f"warning: {told}")
    for line in warnings:
        print(line, file=sys.stderr)


def _read_tables(data_folder, speakers):
    """Gender and nationality of speakers, by the first table beside them that tells; and notes."""
    gender, nationality, notes = {}, {}, []
    for path in sorted(data_folder.glob("[!.]*.csv")):
        if gender:
            notes.append(f"{path.name} ignored: only one metadata file is used")
            continue
        try:
            table = read_table(path)
        except RecipeError as error:
            notes.append(f"{path.name} ignored: {error}")
            continue
        columns = table.first_column(ID_COLUMNS), table.first_column(GENDER_COLUMNS)
        if None in columns:
            notes.append(
                f"{path.name} ignored: no column {'/'.join(ID_COLUMNS[:4])} with a column "
                f"{'/'.join(GENDER_COLUMNS)}"
            )
            continue
        gender = _told_of(speakers, table, *columns)
        nationality = _told_of(speakers, table, columns[0], "nationality")
        notes.append(f"{path.name} tells the gender of {len(gender)} of {len(speakers)} speakers")
    return gender, nationality, notes


def _told_of(speakers, table, id_column, column):
    """The values of a column, where they are not empty, by speaker of the tree."""
    told = {}
    for place, row in table.rows:
        speaker, value = clean(row.get(id_column, "")), row.get(column)
        if value and speaker in speakers and told.setdefault(speaker, value) != value:
            raise RecipeError(
                f"{place}: {column} of {speaker} is {value!r}, but a line above says "
                f"{told[speaker]!r}: correct one of them"
            )
    return told


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


def _convert_all(paths, splits, corpus, unusable):
    """Write every utterance; return the samples of each split, and warnings of what is wrong.

    That some are `unusable`, or found to be, is an error once all have been tried.
    """
    split_of = {
        identifier: split
        for split, speakers in splits.items()
        for utterances in speakers.values()
        for identifier in utterances
    }
    samples, faults = Counter(), Faults()
    jobs = tqdm(paths.items(), desc="converting", unit="file", disable=None)
    with Listener() as listener:
        known = {path for path, _ in unusable}
        for identifier, path in jobs:
            if path in known:
                continue
            target = corpus / split_of[identifier] / f"{identifier}.wav"
            try:
                converted = convert(path, target)
            except RecipeError as error:
                unusable.append((path, str(error).removeprefix(f"{path}: ")))
                continue
            level = converted.level
            samples[split_of[identifier]] += level.samples
            faults.add(path, *level.faults(), *converted.faults(path))
            listener.add(path, identifier.split("/")[0], level.second, target)
        report_faults(sorted(unusable), len(paths), "be used")
        return samples, [*listener.tell(faults), *faults.lines(len(paths))]


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
            line = f"with {len(made)} trials the {split} EER moves in steps of {step:.0f} %"
            print(f"warning: {line}", file=sys.stderr)
