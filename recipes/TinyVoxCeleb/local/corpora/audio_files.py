"""Find the audio files below a folder, through links but never in circles, and count the rest."""

import heapq
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from local.errors import first_of

# What FFmpeg reads and libsndfile does not
FOREIGN_AUDIO = {".3gp", ".aac", ".amr", ".avi", ".flv", ".m4a", ".mka", ".mkv", ".mov", ".mp4"}
FOREIGN_AUDIO |= {".spx", ".webm", ".wma"}
MOST_REASONS = 10  # that are said


class Ignored(Counter):
    """How many files were not taken, by reason; with what is missing as a whole.

    Both are paths within the folder that was walked: `lost` of links that lead nowhere, `bare` of
    folders without any audio that was taken, but not of those in them, with what they hold.
    """

    def __init__(self):
        super().__init__()
        self.lost, self.bare = [], {}


def find_audio(
    folder: str | Path, extensions: Collection[str], ignored: Ignored, repeated: bool = False
) -> Iterator[Path]:
    """Yield the files with one of some extensions (".wav") below a folder; count all others.

    Links are followed. No folder is taken twice, nor one above the folder, which would lead through
    the whole disk and back; what a link leads to keeps the name of its real place, if that is below
    the folder too. With `repeated`, links to files are taken in any case. What is hidden is not
    taken, whatever is below it. `ignored` gets what was not taken, and is complete at the end.

    Example
    -------
    >>> folder, ignored = getfixture("tmp_path"), Ignored()
    >>> for name in ("ann/1/hello.wav", "ann/1/notes.txt", ".Trash-0/old.wav", "bob/2/a.m4v"):
    ...     (folder / name).parent.mkdir(parents=True, exist_ok=True)
    ...     (folder / name).touch()
    >>> (folder / "ann/2").symlink_to(folder)
    >>> [path.name for path in find_audio(folder, {".wav"}, ignored)]
    ['hello.wav']
    >>> ignored_line(ignored, above=0)  # doctest: +NORMALIZE_WHITESPACE
    'ignored: 1 hidden folder .Trash-0, 1 .txt, 1 .m4v, 1 links to what is there already; without a
    recording that can be used: speaker bob (only .m4v)'
    """
    top = Path(folder).resolve()
    seen = set(map(str, top.parents))
    # Ordered by the number of links on the way: those to what has a real place come after it.
    found = [(0, str(folder), str(top))]
    folders, used = [], set()
    while found:
        links, path, place = heapq.heappop(found)
        mode = _mode(path)
        is_folder = stat.S_ISDIR(mode)
        extension = os.path.splitext(path)[1].lower()
        if mode and place in seen and not (repeated and not is_folder):
            ignored["links to what is there already"] += 1
            continue
        seen.add(place)
        if not is_folder:
            if mode and not stat.S_ISREG(mode):
                ignored["pipes and devices"] += 1
            elif extension in extensions:
                yield Path(path)
                while (path := os.path.dirname(path)) not in used and path != str(folder):
                    used.add(path)
            elif mode:
                ignored[extension or "without extension"] += 1
            else:
                ignored["links that lead nowhere"] += 1
                ignored.lost.append(os.path.relpath(path, folder))
            continue
        folders.append(path)
        for entry in os.scandir(path):
            if entry.name.startswith("."):
                folder_name = f"hidden folder {entry.name}"
                ignored[folder_name if os.path.isdir(entry.path) else "hidden files"] += 1
            elif entry.is_symlink():
                heapq.heappush(found, (links + 1, entry.path, os.path.realpath(entry.path)))
            else:
                heapq.heappush(found, (links, entry.path, os.path.join(place, entry.name)))
    for path in sorted(set(folders[1:]) - used):
        if (above := os.path.dirname(path)) in used or above == str(folder):
            ignored.bare[os.path.relpath(path, folder)] = _content(path)


def _content(folder):
    """What a folder holds that has no audio to take: "empty" or the extensions of its files."""
    names = [name for _, _, files in os.walk(folder) for name in files if not name.startswith(".")]
    kinds = sorted({os.path.splitext(name)[1].lower() or "others" for name in names})
    return f"only {first_of(kinds, 3)}" if kinds else "empty"


def _mode(path):
    """What a path leads to, by the one call that a slow disk has to answer; 0 for a dead link."""
    try:
        return os.stat(path).st_mode
    except OSError:
        if not os.path.islink(path):  # as where its folder may be listed, but not entered
            raise
        return 0


def system_fault(path: str | Path) -> str:
    """Why the system does not open a file, where soundfile says "System error"; "" if it does."""
    if os.path.islink(path) and not os.path.exists(path):
        return f"a link that leads nowhere, to {os.readlink(path)}"
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        return error.strerror
    return ""


def ignored_line(ignored: Ignored, above: int | None = None) -> str:
    """What `find_audio` has not taken, for the user.

    So many folders are above each speaker's; None where the tree is not one of speakers.
    """

    def named(path):
        depth = path.count(os.sep)
        if above is None or depth < above:
            return path
        return f"{'speaker' if depth == above else 'session'} {path}"

    reasons = [f"{count} {reason}" for reason, count in ignored.most_common(MOST_REASONS)]
    if rest := ignored.total() - sum(count for _, count in ignored.most_common(MOST_REASONS)):
        reasons.append(f"{rest} others")
    line = f"ignored: {', '.join(reasons)}" if reasons else ""
    if FOREIGN_AUDIO & set(ignored):
        line += " (this layout has .wav and .flac only: convert the others first)"
    parts = [line] if line else []
    if ignored.lost:
        names = first_of(list(map(named, ignored.lost)))
        parts.append(f"missing, as links lead nowhere: {names}")
    if ignored.bare:
        names = first_of([f"{named(path)} ({what})" for path, what in ignored.bare.items()])
        parts.append(f"without a recording that can be used: {names}")
    return "; ".join(parts)
