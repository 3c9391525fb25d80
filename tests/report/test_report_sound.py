"""What can be heard in the report, where it comes from, and how large it makes the page."""

import base64
import gzip
import io
import itertools
import json
import re
import shutil
from types import SimpleNamespace

import av
import numpy as np
import pytest
import soundfile as sf

from embedding_runs import make_run
from local.layout import write_utterance
from local.report import make_report
from local.report.__main__ import main
from local.report.opus import encode, num_bytes, num_seconds
from local.report.pictures import COLOURS
from local.report.projection import flatten, speaker_map
from local.report.sound import MOST, POINTS, TRIALS, gather_sounds
from local.shards import write_shards
from report_making import Page, own_run, report
from running import verify
from shard_writing import member_pair, wav_bytes, write_tar


@pytest.fixture(scope="module")
def scored(small, tmp_path_factory):
    """A run whose dev trials were scored from shards."""
    run = make_run(tmp_path_factory.mktemp("heard") / "run")
    verify(run, [small.shards / "dev"], [small.corpus / "dev_trials.txt"], run / "scores.txt")
    return run


@pytest.fixture
def own(scored, small, tmp_path):
    """A copy of that run and of its shards, which a test may spoil."""
    run, shards = tmp_path / "run", tmp_path / "dev"
    shutil.copytree(scored, run)
    shutil.copytree(small.shards / "dev", shards)
    text = (run / "scores.json").read_text().replace(str(small.shards / "dev"), str(shards))
    (run / "scores.json").write_text(text.replace(str(scored), str(run)))
    return run, shards


def content(page, name):
    """What a script element of the page holds as JSON."""
    return json.loads(re.search(rf'id="{name}">(.*?)</script>', page.html, re.DOTALL)[1])


def buttons(page):
    """Number of the clip and utterance of each button."""
    return re.findall(r'data-clip="(\d+)" data-name="([^"]*)"', page.html)


def decode(clip):
    """The samples of a clip at 16 kHz, without what the coder puts before them."""
    with av.open(io.BytesIO(base64.b64decode(clip))) as file:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=16000)
        frames = [part for frame in file.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(float)


def likeness(first, second):
    """The largest correlation of two signals, up to 20 ms apart."""
    length = min(len(first), len(second)) - 640
    first, best = first[320 : 320 + length], 0
    for shift in range(0, 640):
        other = second[shift : shift + length]
        best = max(best, first @ other / np.linalg.norm(first) / np.linalg.norm(other))
    return best


def test_each_clip_is_the_utterance_that_its_button_names(scored, small):
    page = report(scored)
    clips, found = content(page, "clips"), dict(buttons(page))
    points = content(page, "points")["map0"]
    assert found and len(clips) == len({clip for _, clip in points} | set(map(int, found)))
    assert len(clips) == len(points) == 20  # each utterance once
    for clip, name in [*found.items(), *((clip, name) for name, clip in points)][::7]:
        original, _ = sf.read(small.corpus / "dev" / f"{name}.wav", dtype="int16")
        heard = decode(clips[int(clip)])
        assert likeness(heard, original.astype(float)) > 0.8, name
        other, _ = sf.read(small.corpus / "dev" / f"{points[-1][0]}.wav", dtype="int16")
        if name != points[-1][0]:
            assert likeness(heard, other.astype(float)) < 0.5


def test_each_worst_trial_can_be_heard(scored):
    page = report(scored)
    ids = re.findall(r"<span>([^<]+/[^<]+)</span>", page.html)
    assert [name for _, name in buttons(page)] == ids and len(ids) == 40
    assert page.tags["audio"] == 1  # which plays all


def test_it_can_be_left_out(scored, tmp_path, capsys):
    main([str(scored), "--no_audio", "--out", str(tmp_path / "quiet.html")])
    page = Page(tmp_path / "quiet.html")
    assert content(page, "clips") == [] and buttons(page) == []
    assert all(clip is None for _, clip in content(page, "points")["map0"])  # they have names
    assert "There is no sound: it was left out with --no_audio." in page.text
    assert "and plays" not in page.text and "names its utterance" in page.text
    assert len(page.html) < len(report(scored).html) / 2


def test_equal_runs_give_equal_bytes_and_share_their_clips(scored, tmp_path):
    (one, _), (two, _) = (make_report([scored], tmp_path / name) for name in ("a", "b"))
    assert one.read_bytes() == two.read_bytes()
    other = shutil.copytree(scored, tmp_path / "other")
    text = (other / "scores.json").read_text().replace(str(scored), str(other))
    (other / "scores.json").write_text(text)
    both = report(scored, other, out=tmp_path / "both.html")
    assert content(both, "clips") == content(Page(one), "clips")
    assert content(both, "points")["map0"] == content(both, "points")["map1"]


def test_compressed_shards_give_the_same_sound(scored, own):
    run, shards = own
    for path in shards.glob("*.tar"):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert content(report(run), "clips") == content(report(scored), "clips")


@pytest.fixture
def plain(small, tmp_path):
    """A run that was scored on a folder of audio, and that folder."""
    run, folder = make_run(tmp_path / "run"), tmp_path / "wav"
    shutil.copytree(small.corpus / "dev", folder)
    lists, audio = [small.corpus / "dev_trials.txt"], ("--audio_folder", str(folder))
    verify(run, [], lists, run / "scores.txt", *audio, "--num_bootstrap", "0")
    return run, folder


def test_recordings_in_a_folder_are_heard_as_from_shards(plain, scored):
    page, through_shards = report(plain[0]), report(scored)
    assert {name for _, name in buttons(page)} == {name for _, name in buttons(through_shards)}
    assert sorted(content(page, "clips")) == sorted(content(through_shards, "clips"))
    assert str(plain[1]) in page.text


def test_recordings_that_have_changed_are_not_played(plain):
    run, folder = plain
    path = sorted(folder.rglob("*.wav"))[0]
    signal, rate = sf.read(path)
    sf.write(path, signal[::-1], rate)
    page = report(run)
    assert re.search(f"There is no sound: {path} is not what was scored", page.text)
    path.unlink()
    page = report(run)
    assert 0 < len(content(page, "clips")) == len(sorted(folder.rglob("*.wav")))
    shutil.rmtree(folder)
    page = report(run)
    assert f"There is no sound: {folder}: no such folder" in page.text and buttons(page) == []


@pytest.mark.parametrize("how", ["gone", "another", "unnamed", "cut"])
def test_why_there_is_no_sound(own, small, how):
    run, shards = own
    about = json.loads((run / "scores.json").read_text())
    if how == "gone":
        shutil.rmtree(shards)
        told = f"{shards}: expected shards named shard-.*, but the folder does not exist"
    elif how == "another":
        first = next((small.corpus / "dev").rglob("*.wav"))
        corpus = shards.parent / "corpus"
        shutil.copytree(small.corpus, corpus)
        name = first.relative_to(small.corpus / "dev").with_suffix("").as_posix()
        write_utterance(corpus, "dev", name, np.zeros(8000))
        write_shards(corpus, corpus / "tiny_meta.csv", shards.parent / "anew")
        shutil.rmtree(shards)
        shutil.move(shards.parent / "anew/dev", shards)
        told = f"{name} is not what was scored: the shards have changed since; score"
    elif how == "unnamed":
        (run / "scores.json").write_text(json.dumps(about | {"shards": []}))
        told = "the results name no shards, as the embeddings came from a file"
    else:
        path = next(shards.glob("*.tar"))
        path.write_bytes(path.read_bytes()[:4096])
        told = f"{path}: "
    page = report(run)
    assert re.search(f"There is no sound: .*{told}", page.text)
    assert buttons(page) == [] and page.tags["svg"] >= 4


def test_results_of_a_run_without_audio_in_its_shards(tmp_path):
    page = report(own_run(tmp_path / "own").run)
    assert "There is no sound: " in page.text and content(page, "clips") == []


def test_many_utterances_stay_below_5_mb(tmp_path):
    """The clips of the points become shorter, those of the worst trials do not."""
    names = [f"s{number // 70}/v/{number:05d}" for number in range(700)]
    audio = wav_bytes(56000)
    pairs = (member_pair(n, name, None, 56000, audio) for n, name in enumerate(names))
    write_tar(tmp_path / "dev/shard-000000.tar", itertools.chain.from_iterable(pairs))
    results = SimpleNamespace(shards=[str(tmp_path / "dev")], audio_folder=None)
    run = SimpleNamespace(label="a", path=tmp_path / "a.json", results=results, embeddings=None)
    sounds = gather_sounds([run], {"a": names[:40]}, {"a": names})
    assert [sounds.number("a", name) is None for name in names] == [False] * 700
    assert len(sounds.clips) == 700 and 4e6 < sum(map(len, sounds.clips)) <= MOST
    assert sounds.seconds[TRIALS] == 5 and 2 < sounds.seconds[POINTS] < 3
    lengths = [len(decode(clip)) / 16000 for clip in sounds.clips[::30]]
    assert min(lengths[:2]) > 3.4 and max(lengths[2:]) < 3


@pytest.mark.parametrize("seconds", [0.05, 1, 2.345, 5])
def test_the_size_of_a_clip_is_known_before(seconds):
    noise = np.random.default_rng(0).integers(-9000, 9000, int(seconds * 16000)).astype(np.int16)
    for rate in (12_000, 24_000):
        size = num_bytes(seconds, rate)
        assert size - 200 < len(encode(noise, rate)) <= size
        assert seconds <= num_seconds(size, rate) < seconds + 0.06


def test_points_stand_in_the_order_of_their_utterances():
    rng = np.random.default_rng(0)
    ids = [f"s{number % 5}/v/{number:02d}" for number in range(40)]
    vectors = rng.normal(size=(40, 8))
    svg, order = speaker_map("m", ids, vectors)
    groups = re.findall(r'<g id="m-points(\d)">(.*?)</g>\s*</g>', svg, re.DOTALL)
    uses = [use for _, group in groups for use in re.findall(r"<use [^>]*>", group)]
    assert len(uses) == len(order) == 40 and sorted(order) == sorted(ids)
    places = flatten(vectors)[[ids.index(name) for name in order]]
    for axis, name in enumerate("xy"):
        drawn = np.array([float(re.search(rf' {name}="([^"]*)"', use)[1]) for use in uses])
        line = np.polyfit(places[:, axis], drawn, 1)
        np.testing.assert_allclose(np.polyval(line, places[:, axis]), drawn, atol=1e-3)
    for use, name in zip(uses, order, strict=True):
        assert COLOURS[int(name[1])] in use
