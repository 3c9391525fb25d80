"""Real people's voices from Debian's packages of children's software: the corpus to try things on.

Volunteers read letters and syllables for KLettres, and names of things for KTuberling and Tux
Paint, each in their own language. Short clips of one voice are joined to utterances of 2-4 s.

**Voice and language go together here**, and so do voice and microphone: whoever tells the
languages or the rooms apart has told the speakers apart. An equal error rate on this corpus shows
that things work, not how well.
"""

import fnmatch
import itertools
import random
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from tqdm import tqdm

from local.corpora.convert import join_clips, read_clips
from local.corpora.debian_packages import fetch_packages, package_licence
from local.corpora.splits import make_trial_lists, write_lists
from local.errors import RecipeError
from local.files import atomic_folder
from local.layout import META_FILE, SAMPLE_RATE, write_utterance

PACKAGES = ("klettres-data", "ktuberling-data", "tuxpaint-stamps-default")
# Where a package keeps its clips; the group is the language, English where there is none.
CLIPS = {
    "klettres": re.compile(r"usr/share/klettres/([^/]+)/.+\.(?:ogg|opus|wav)"),
    "ktuberling": re.compile(r"usr/share/ktuberling/sounds/([^/]+)/.+\.(?:ogg|opus|wav)"),
    "tuxpaint": re.compile(r"usr/share/tuxpaint/stamps/.+_desc(?:_([A-Za-z_@]+))?\.ogg"),
}
EXCLUDED = (
    # Several people speak in one folder.
    *("klettres-ru", "klettres-de", "klettres-it", "klettres-pt_BR"),
    *("ktuberling-da", "ktuberling-fr"),
    "ktuberling-ca",  # its files name seven artists
    "ktuberling-ru",  # two voices, by the pitch and the dates of its files
    *("tuxpaint-fr", "tuxpaint-ca", "tuxpaint-pt_BR", "tuxpaint-ml"),
    "ktuberling-sr@*",  # copies of ktuberling-sr
    "tuxpaint-be",  # one of the voices of ktuberling-ru
)
MAX_UTTERANCES = 40  # a voice, so that the voices stay balanced
MIN_UTTERANCES = 4  # a voice: two to train on, two for a target trial
VAL_SHARE = 0.2
DEV_VOICES, DEV_MIN_UTTERANCES = 8, 10


def prepare_voices(corpus_folder: str | Path, seed: int = 123, skip_prep: bool = False) -> None:
    """Make the corpus in the tiny-voxceleb layout, unless it is there, or with `skip_prep`.

    The seed decides which clips are joined, which voices are dev, and the trials. While this runs,
    about 600 MB are needed beside the folder.

    Raises
    ------
    local.corpora.debian_packages.PackagesUnavailable
        If the packages cannot be fetched here.
    RecipeError
        If their licence is not a known free one, or their content is not what this file knows.
    """
    corpus_folder = Path(corpus_folder)
    if skip_prep or (corpus_folder / META_FILE).is_file():
        return
    if corpus_folder.is_dir() and any(corpus_folder.iterdir()):
        raise RecipeError(
            f"{corpus_folder}: exists but holds no {META_FILE}: expected a corpus or nothing; "
            "name another folder or move this one away"
        )
    with atomic_folder(corpus_folder) as folder:
        # The packages are unpacked inside, so that a killed run's leftovers go with the rest.
        with tempfile.TemporaryDirectory(dir=folder) as root:
            versions = fetch_packages(PACKAGES, root)
            _check_licences(Path(root), versions, folder / "licences")
            utterances = _join_voices(find_voices(root), seed)
        dev = _choose_dev(utterances, seed)
        _write_corpus(folder, utterances, dev, seed)


def find_voices(root: str | Path) -> dict[str, list[Path]]:
    """List the clips of each voice in the folder that holds the packages' ``usr/``.

    Voices are called "package-language". Folders of several people are left out.

    Example
    -------
    >>> stamps = getfixture("tmp_path") / "usr/share/tuxpaint/stamps/food"
    >>> stamps.mkdir(parents=True)
    >>> for name in ("egg_desc.ogg", "egg_desc_es.ogg", "egg_desc_fr.ogg", "egg.ogg"):
    ...     (stamps / name).touch()
    >>> list(find_voices(stamps.parents[4]))
    ['tuxpaint-en', 'tuxpaint-es']
    """
    voices = {}
    for path in sorted(Path(root).glob("usr/share/**/*.*")):
        for package, pattern in CLIPS.items():
            match = pattern.fullmatch(path.relative_to(root).as_posix())
            if match:
                voices.setdefault(f"{package}-{match[1] or 'en'}", []).append(path)
    excluded = {name for pattern in EXCLUDED for name in fnmatch.filter(voices, pattern)}
    return {name: voices[name] for name in sorted(voices.keys() - excluded)}


def language_of(speaker: str) -> str:
    """The language of a voice, without its country or script.

    Example
    -------
    >>> language_of("klettres-en_GB"), language_of("ktuberling-nn")
    ('en', 'no')
    """
    language = re.split("[_@]", speaker.partition("-")[2])[0]
    # Bokmål and Nynorsk are two ways to write; one person may well have read both.
    return "no" if language in ("nb", "nn") else language


def _check_licences(root, versions, folder):
    """Print each package's version, licence and source, and keep its copyright file."""
    folder.mkdir()
    for name, version in versions.items():
        copyright_file = root / "usr/share/doc" / name / "copyright"
        licence, source = package_licence(copyright_file)
        print(f"{name} {version}: {licence}, {source}")
        shutil.copyfile(copyright_file, folder / name)


def _join_voices(voices, seed):
    """Make the utterances of every voice that has enough of them."""
    skipped, utterances = Counter(), {}
    for speaker, paths in tqdm(voices.items(), desc="voices", unit="voice", disable=None):
        order = random.Random(f"{seed} {speaker}").sample(paths, len(paths))
        # Lazily: a clip that no utterance needs is never decoded.
        joined = join_clips(read_clips(order, skipped))
        utterances[speaker] = list(itertools.islice(joined, MAX_UTTERANCES))
    if skipped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
        print(f"clips left out: {reasons}")
    short = [speaker for speaker in utterances if len(utterances[speaker]) < MIN_UTTERANCES]
    if short:
        print(f"voices left out, fewer than {MIN_UTTERANCES} utterances: {', '.join(short)}")
    return {speaker: ids for speaker, ids in utterances.items() if speaker not in short}


def _choose_dev(utterances, seed):
    """Draw dev voices whose language no other voice speaks: nobody of dev can be in train."""
    languages = Counter(map(language_of, utterances))
    candidates = [
        speaker
        for speaker, signals in utterances.items()
        if languages[language_of(speaker)] == 1 and len(signals) >= DEV_MIN_UTTERANCES
    ]
    if len(candidates) < DEV_VOICES or len(utterances) < DEV_VOICES + 2:
        raise RecipeError(
            f"the Debian packages hold {len(utterances)} usable voices, {len(candidates)} of them "
            f"with a language of their own: expected at least {DEV_VOICES + 2} and {DEV_VOICES}; "
            "use --corpus synthetic, or your own recordings with --corpus folder"
        )
    return set(random.Random(seed).sample(candidates, DEV_VOICES))


def _write_corpus(folder, utterances, dev, seed):
    """Split, write and sum up."""
    ids = {"train": {}, "val": {}, "dev": {}}
    samples = Counter()
    for speaker, signals in utterances.items():
        held_out = 0 if speaker in dev else max(2, round(VAL_SHARE * len(signals)))
        for number, signal in enumerate(signals):
            if number < held_out:
                split, session = "val", "held-out"
            else:
                split, session = "dev" if speaker in dev else "train", "joined"
            identifier = f"{speaker}/{session}/{number:05d}"
            write_utterance(folder, split, identifier, signal)
            ids[split].setdefault(speaker, []).append(identifier)
            samples[split] += len(signal)
    languages = {speaker: language_of(speaker) for speaker in utterances}
    write_lists(folder, ids, make_trial_lists(ids, seed=seed), nationality=languages)
    for split, speakers in ids.items():
        count, hours = sum(map(len, speakers.values())), samples[split] / SAMPLE_RATE / 3600
        print(f"{split}: {len(speakers)} voices, {count} utterances, {hours:.2f} h")
