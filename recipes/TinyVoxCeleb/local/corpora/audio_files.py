"""Find the audio files below a folder, through links but never in circles, and count the rest."""

import heapq
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

# What FFmpeg reads and libsndfile does not
FOREIGN_AUDIO = {".3gp", ".aac", ".amr", ".avi", ".flv", ".m4a", ".mka", ".mkv", ".mov", ".mp4"}
FOREIGN_AUDIO |= {".spx", ".webm", ".wma"}
MOST_REASONS = 10  # that are said


def find_audio(
    folder: str | Path, extensions: Collection[str], ignored: Counter, repeated: bool = False
) -> Iterator[Path]:
    """Yield the files with one of some extensions (".wav") below a folder; count all others.

    Links are followed. No folder is taken twice, nor one above the folder, which would lead through
    the whole disk and back; what a link leads to keeps the name of its real place, if that is below
    the folder too. With `repeated`, links to files are taken in any case. What is hidden is not
    taken, whatever is below it. `ignored` gets how many were not taken, by reason.

    Example
    -------
    >>> folder, ignored = getfixture("tmp_path"), Counter()
    >>> for name in ("ann/1/hello.wav", "ann/1/notes.txt", ".Trash-0/old.wav"):
    ...     (folder / name).parent.mkdir(parents=True, exist_ok=True)
    ...     (folder / name).touch()
    >>> (folder / "ann/2").symlink_to(folder)
    >>> [path.name for path in find_audio(folder, {".wav"}, ignored)]
    ['hello.wav']
    >>> ignored_line(ignored)
    'ignored: 1 hidden folder .Trash-0, 1 .txt, 1 links to what is there already'
    """
    top = Path(folder).resolve()
    seen = set(map(str, top.parents))
    # Ordered by the number of links on the way: those to what has a real place come after it.
    found = [(0, str(folder), str(top))]
    while found:
        links, path, place = heapq.heappop(found)
        mode = _mode(path)
        is_folder = stat.S_ISDIR(mode)
        extension = os.path.splitext(path)[1].lower()
        if place in seen and not (repeated and not is_folder):
            ignored["links to what is there already"] += 1
            continue
        seen.add(place)
        if not is_folder:
            if mode and not stat.S_ISREG(mode):
                ignored["pipes and devices"] += 1
            elif extension in extensions:
                yield Path(path)
            elif mode:
                ignored[extension or "without extension"] += 1
            else:
                ignored[f"link to nothing {os.path.basename(path)}"] += 1
            continue
        for entry in os.scandir(path):
            if entry.name.startswith("."):
                folder_name = f"hidden folder {entry.name}"
                ignored[folder_name if os.path.isdir(entry.path) else "hidden files"] += 1
            elif entry.is_symlink():
                heapq.heappush(found, (links + 1, entry.path, os.path.realpath(entry.path)))
            else:
                heapq.heappush(found, (links, entry.path, os.path.join(place, entry.name)))


def _mode(path):
    """What a path leads to, by the one call that a slow disk has to answer; 0 for a dead link."""
    try:
        return os.stat(path).st_mode
    except OSError:
        if not os.path.islink(path):  # as where its folder may be listed, but not entered
            raise
        return 0


def ignored_line(ignored: Counter) -> str:
    """What `find_audio` has not taken, for the user."""
    reasons = [f"{count} {reason}" for reason, count in ignored.most_common(MOST_REASONS)]
    if rest := ignored.total() - sum(count for _, count in ignored.most_common(MOST_REASONS)):
        reasons.append(f"{rest} others")
    line = f"ignored: {', '.join(reasons)}"
    if FOREIGN_AUDIO & set(ignored):
        line += " (this layout has .wav and .flac only: convert the others first)"
    return line
