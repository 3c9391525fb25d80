"""VoxCeleb as it is downloaded, made a corpus: a choice of its utterances, which stay in place.

<corpus>/utterances.csv                              split, id and path of each utterance
<corpus>/{val,dev}_trials.txt, eval_trials*.txt      trials with labels
<corpus>/tiny_meta.csv                               one row a speaker
"""

import shutil
from pathlib import Path

from local.corpora.splits import make_trial_lists
from local.corpora.trial_lists import write_trials
from local.corpora.utterance_list import write_utterances
from local.corpora.voxceleb.choice import choose
from local.corpora.voxceleb.choice_file import check_named, lists_beside, read_choice
from local.corpora.voxceleb.download import find_voxceleb
from local.corpora.voxceleb.evaluation_lists import (
    NOTHING,
    files_near,
    find_lists,
    find_published,
    list_paths,
)
from local.corpora.voxceleb.options import VoxCelebOptions
from local.corpora.voxceleb.unseen import check_unseen, left_out, left_out_note, overlapping
from local.errors import RecipeError
from local.files import atomic_folder
from local.layout import TRIAL_LISTS
from local.metadata import write_meta
from local.stored import check_file


def prepare_voxceleb(
    data_folder: str | Path,
    corpus_folder: str | Path,
    *,
    seed: int = 123,
    options: VoxCelebOptions | None = None,
) -> None:
    """Make a corpus of VoxCeleb1, VoxCeleb2 or both, in whatever state `find_voxceleb` knows.

    `choose` tells what is trained on and what is held out, `left_out` who is not. Where the corpus
    exists nothing is done; it appears once it is complete.

    Raises
    ------
    RecipeError
        No VoxCeleb there; fewer speakers or sessions than asked for; a list or a choice of which
        utterances are missing. Nothing is left behind then.
    """
    corpus_folder, options = Path(corpus_folder), options or VoxCelebOptions()
    if corpus_folder.is_dir():
        return
    for path, kind in ((options.choice, "choice"), (options.overlap, "list of speakers")):
        if path:
            check_file(path, kind)  # before the long search
    near = list(files_near(data_folder))
    list_paths(options.evaluate or NOTHING, near)
    download = find_voxceleb(data_folder)
    notes = []
    _print_notes(download, download.notes)  # which may be the reason for what is missing
    if options.choice:
        splits, lists = _as_written(download, near, options, notes)
    else:
        splits, lists = _chosen(download, near, options, notes, seed)
    sex = {name: person.sex for name, person in download.speakers.items() if person.sex}
    notes += _balance_notes(splits, sex, options)
    given = {each.target for each in lists}
    drawn = make_trial_lists(splits, seed=seed, sex=sex)
    _print_notes(download, notes)
    with atomic_folder(corpus_folder) as corpus:
        write_utterances(corpus, _with_paths(splits, download.paths))
        for split, name in TRIAL_LISTS.items():
            if name not in given:
                write_trials(corpus / name, drawn[split])
        for each in lists:
            shutil.copyfile(each.path, corpus / each.target)
        write_meta(
            corpus,
            train_speakers=splits["train"],
            dev_speakers=splits["dev"],
            eval_speakers=splits.get("eval", ()),
            gender=sex,
            nationality={name: person.nationality for name, person in download.speakers.items()},
        )
    counts = {name: len(trials) for name, trials in drawn.items()}
    _print_summary(corpus_folder, splits, sex, counts, lists)


def _chosen(download, near, options, notes, seed):
    """Splits that are chosen here, with an eval of what is evaluated, and the lists for that."""
    lists = find_lists(_asked(options, download, near, notes), near)
    speakers = {}
    for name in download.paths:
        speakers.setdefault(name.split("/")[0], []).append(name)
    for each in lists:
        check_named(each, speakers, f"utterances in {download.data_folder}")
    overlap = overlapping(options.overlap, near, notes)
    reasons = left_out(download.speakers, lists, overlap)
    unfit = set().union(*reasons.values())
    sessions = {}
    for speaker, names in speakers.items():
        if speaker not in unfit:
            own = sessions.setdefault(speaker, {})
            for name in names:
                own.setdefault(name.split("/")[1], []).append(name)
    sex = {name: person.sex for name, person in download.speakers.items()}
    out = left_out_note(reasons)
    try:
        splits = choose(sessions, options.amounts, seed=seed, sex=sex)
    except RecipeError as error:
        advice = ""
        if not sessions and lists:
            advice = ": nobody is left to train on; evaluate less, or add VoxCeleb2"
        parts = [f"of {len(speakers):,} speakers", out] if out else []
        raise RecipeError(
            f"{download.data_folder}: {error}" + f" ({', '.join(parts)}{advice})" * bool(parts)
        ) from None
    notes += [out] if out else []
    if lists:
        names = sorted({name for each in lists for name in each.utterances})
        splits["eval"] = {}
        for name in names:
            splits["eval"].setdefault(name.split("/")[0], []).append(name)
    return splits, lists


def _as_written(download, near, options, notes):
    """The splits that somebody has written down, and the lists that belong to them."""
    splits = read_choice(options.choice, download)
    lists = lists_beside(options.choice, splits)
    if options.evaluate is not None or not any(each.target.startswith("eval") for each in lists):
        lists = [each for each in lists if not each.target.startswith("eval")]
        asked = _asked(options, download, near, notes) if "eval" in splits else NOTHING
        for each in find_lists(asked, near):
            check_named(each, splits["eval"], f"utterances of eval in {options.choice}")
            lists.append(each)
    evaluated = [each for each in lists if each.target.startswith("eval")]
    overlap = overlapping(options.overlap, near, notes)
    check_unseen(splits, left_out(download.speakers, evaluated, overlap), options.choice)
    return splits, lists


def _asked(options, download, near, notes):
    """The lists to evaluate: by default VoxCeleb1-O, where its audio and the list are there."""
    if options.evaluate is not None:
        return options.evaluate
    if not any(person.part == "vox1-test" for person in download.speakers.values()):
        return NOTHING
    if find_published("O", near) is None:
        notes.append("VoxCeleb1's test set is not evaluated: put veri_test2.txt there, or name it")
        return NOTHING
    return "O"


def _balance_notes(splits, sex, options):
    """What is to be said where there are not as many women as men."""
    if not any(speaker in sex for speaker in splits["train"]):
        yield "not balanced by sex, which nothing tells, and trials pair any two speakers"
    elif options.amounts.speakers and not options.choice:
        counts = [sum(sex.get(name) == kind for name in splits["train"]) for kind in "fm"]
        if abs(counts[0] - counts[1]) > 1:
            yield (
                f"{counts[0]} women and {counts[1]} men to train on: no more of them with "
                f"{options.amounts.min_sessions} sessions or more"
            )


def _print_notes(download, notes):
    for note in notes:
        print(f"{download.data_folder}: {note}")


def _with_paths(splits, paths):
    return {
        split: ((name, paths[name]) for ids in speakers.values() for name in ids)
        for split, speakers in splits.items()
    }


def _print_summary(corpus_folder, splits, sex, counts, lists):
    lists = {each.target: each for each in lists}
    print(f"{corpus_folder}:")
    for split, speakers in splits.items():
        ids = [name for own in speakers.values() for name in own]
        women, men = (sum(sex.get(name) == kind for name in speakers) for kind in "fm")
        line = f"  {split:5} {len(speakers):5} speakers ({women} f, {men} m) "
        line += f"{len({name.rpartition('/')[0] for name in ids}):6} sessions "
        line += f"{len(ids):7} utterances"
        if name := TRIAL_LISTS.get(split):
            number = lists.pop(name).num_trials if name in lists else counts[split]
            line += f" {number:6} trials"
        print(line)
    for each in lists.values():
        print(f"  {each.target}: {each.num_trials:,} trials: {each.title} ({each.path})")
