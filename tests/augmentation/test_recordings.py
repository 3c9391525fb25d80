"""Folders of noise: links are followed, never in circles, and what is not taken is said."""

import os

import numpy as np
import pytest
import soundfile as sf

from local.augmentation import find_recordings
from local.errors import RecipeError


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, np.full(100, value), 16000)


def linked_folder(noise, elsewhere):
    write(elsewhere / "music/a.wav", 0.2)
    (noise / "music").symlink_to(elsewhere / "music")
    return [0.1, 0.2], ""


def linked_file(noise, elsewhere):
    write(elsewhere / "a.flac", 0.2)
    (noise / "a.flac").symlink_to(elsewhere / "a.flac")
    return [0.1, 0.2], ""


def relative_link(noise, elsewhere):
    write(elsewhere / "deep/a.wav", 0.2)
    (noise / "b").symlink_to(os.path.relpath(elsewhere, noise))
    return [0.1, 0.2], ""


def circle(noise, elsewhere):
    (noise / "again").symlink_to(noise)
    (noise / "above").symlink_to(noise.parent)
    return [0.1], "ignored: 2 links to what is there already"


def link_to_a_sibling(noise, elsewhere):
    (noise / "y").symlink_to(noise / "x")
    return [0.1], "ignored: 1 links to what is there already"


def hidden_and_foreign(noise, elsewhere):
    write(noise / ".Trash-0/a.wav", 0.3)
    (noise / "x/b.mp4").touch()
    return [0.1], "ignored: 1 hidden folder .Trash-0, 1 .mp4"


KINDS = (
    *(linked_folder, linked_file, relative_link, circle, link_to_a_sibling, hidden_and_foreign),
)


@pytest.mark.parametrize("make", KINDS)
def test_all_noise_is_found_once(tmp_path, make, capsys):
    noise = tmp_path / "data/noise"
    write(noise / "x/0.wav", 0.1)
    expected, told = make(noise, tmp_path / "elsewhere")
    found = find_recordings(noise, tmp_path / "index")
    assert sorted(found.whole(row)[0] for row in range(len(found))) == pytest.approx(expected, 1e-3)
    out = capsys.readouterr().out
    assert told in out and bool(told) == bool(out)


def test_a_linked_noise_folder_is_followed(tmp_path):
    write(tmp_path / "disk/x/0.wav", 0.1)
    (tmp_path / "noise").symlink_to(tmp_path / "disk")
    assert len(find_recordings(tmp_path / "noise", tmp_path / "index")) == 1


def test_a_folder_of_what_is_not_read_says_so(tmp_path):
    (tmp_path / "noise").mkdir()
    (tmp_path / "noise/a.m4a").touch()
    with pytest.raises(RecipeError, match=r"no wav or flac .*; ignored: 1 \.m4a \(this layout"):
        find_recordings(tmp_path / "noise", tmp_path / "index")


def test_a_link_to_nothing_is_named(tmp_path):
    write(tmp_path / "noise/0.wav", 0.1)
    (tmp_path / "noise/gone.wav").symlink_to(tmp_path / "nothing.wav")
    with pytest.raises(RecipeError, match="gone.wav: unreadable audio"):
        find_recordings(tmp_path / "noise", tmp_path / "index")
