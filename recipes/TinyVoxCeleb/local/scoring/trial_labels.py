"""Labels of trial lists against the speakers that the ids tell."""

import numpy as np

from local.errors import RecipeError
from local.scoring.lines import brief, shown
from local.scoring.manifests import trial_lines
from local.scoring.trial_forms import find_form, find_head, is_skipped

MANY = 0.1  # from this share of labels on, it is not the labels that are wrong


def check_labels(labels, sides, path):
    """Check labels against the speakers of utterances: of each side, places and their keys.

    One that contradicts them is a RecipeError, with the number of its line.
    """
    found, speakers = {}, []
    for places, keys in sides:
        names = (key.split("/")[0] if "/" in key else None for key in keys)
        codes = [-1 if name is None else found.setdefault(name, len(found)) for name in names]
        speakers.append(np.array(codes)[places])
    first, second = speakers
    checked = (labels >= 0) & (first >= 0) & (second >= 0)
    wrong = np.flatnonzero(checked & ((first == second) != labels))
    if not len(wrong):
        return
    row, total = wrong[0], np.sum(checked)
    trial, number = [keys[places[row]] for places, keys in sides], line_of(path, row)
    label, speaker = labels[wrong[0]], trial[0].split("/")[0]
    what, remedy = f"expected {1 - label}", "correct the label or the ids"
    if len(wrong) == total and len(set(labels[checked])) == 2:
        what, remedy = "as all others do", "turn them round: 1 is for the same speaker"
    elif len(wrong) > MANY * total:
        what = f"as in {len(wrong)} of {total} trials, so {shown(speaker)} may be no speaker"
        remedy = "expected 'speaker/session/utterance', in any folder: mend the ids, or the labels"
    raise RecipeError(
        f"{path}:{number}: label {label} contradicts the speaker ids of "
        f"{' and '.join(map(brief, trial))}: {what}; {remedy}"
    )


def line_of(path, row):
    """The number of the line of a trial, given by its row."""
    form, head = form_of(path)
    for number, line in enumerate(trial_lines(path), start=1):
        row -= not is_skipped(number, line, form, head)
        if row < 0:
            return number


def form_of(path):
    """The form of a list, None without a trial, and the number of its head line or 0."""
    head = find_head(trial_lines(path))
    return find_form(trial_lines(path), str(path), head), head
