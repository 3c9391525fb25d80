"""Trial lists as other toolkits, editors and systems write them: read, or refused by the cause."""

import io
import pickle
import tarfile

import numpy as np
import pytest
import soundfile as sf
import torch

from local.embeddings import Embeddings, read_embeddings
from local.errors import RecipeError
from local.layout import utterance_key
from local.metadata import read_speakers
from local.metrics import evaluate
from local.scoring.score_list import check_scores, read_scores, scores_of, write_scores
from local.scoring.trial_scores import cosine_scores, read_labelled_trials
from local.scoring.trials import read_trials
from local.scoring.utterances import find_utterances

PLAIN = "1 a/x/0.wav a/y/0.wav\n0 a/x/0.wav b/z/0.wav\n-1 b/z/0 a/y/0\n"
PLAIN_PAIRS = "a/x/0.wav a/y/0.wav\na/x/0 b/z/0\n"
KEYS = ["a/x/0", "a/y/0", "b/z/0"]
FORMS = {
    "words first": "target a/x/0 a/y/0\nnontarget a/x/0 b/z/0\n",
    "words last": "a/x/0 a/y/0 target\na/x/0 b/z/0 nontarget\n",
    "capitals in ids": "a/x/0.WAV a/y/0.Wav target\na/x/0.wav b/z/0.WAV impostor\n",
    "label last": "a/x/0.wav a/y/0.wav 1\na/x/0.wav b/z/0.wav 0\n",
    "tabs": "a/x/0.wav\ta/y/0.wav\t1\na/x/0.wav\tb/z/0.wav\t0\n",
    "commas": "1,a/x/0,a/y/0\n0,a/x/0,b/z/0\n",
    "commas and blanks": "a/x/0, a/y/0, 1\r\na/x/0, b/z/0, 0\r\n",
    "semicolons and quotes": '"1";"a/x/0";"a/y/0"\n"0";"a/x/0";"b/z/0"\n',
    "absolute paths": "1 /d/vox/wav/a/x/0.wav /d/vox/wav/a/y/0.wav\n0 /d/a/x/0.wav /d/b/z/0.wav\n",
    "paths with wav": "1 wav/a/x/0.wav wav/a/y/0.wav\n0 wav/a/x/0.wav wav/b/z/0.wav\n",
    "relative paths": "1 ./a/x/0.wav ../dev/a/y/0.wav\n0 ./a/x/0 ./b/z/0\n",
    "capital labels": "a/x/0 a/y/0 TARGET\na/x/0 b/z/0 NonTarget\n",
    "numbers with a point": "1.0 a/x/0 a/y/0\n0.0 a/x/0 b/z/0\n",
    "truth": "a/x/0,a/y/0,True\na/x/0,b/z/0,false\n",
    "Windows": "1 a\\x\\0.wav a\\y\\0.wav\r\n0 C:\\d\\a\\x\\0.wav C:\\d\\b\\z\\0.wav\r\n",
    "double slashes": "1 a//x/0 a/y//0\n0 d//a/x/0 b/z/0\n",
    "lists put together": "\ufeff1 a/x/0 a/y/0\n\ufeff\n\ufeff0 a/x/0 b/z/0\n",
}


def write(folder, text, encoding="utf-8"):
    path = folder / "trials.txt"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_other_toolkits_mean_the_same(tmp_path, form):
    trials = read_trials(write(tmp_path, FORMS[form]))
    assert trials.labels.tolist() == [1, 0]
    assert [list(map(utterance_key, side)) for side in trials.pairs()] == [
        ["a/x/0", "a/x/0"],
        ["a/y/0", "b/z/0"],
    ]
    assert trials.speakers() == (["a", "a"], ["a", "b"])
    find_utterances(trials, KEYS)
    # Score lists repeat the ids as the list has them, but for ".wav".
    assert not any(name.lower().endswith(".wav") for name in trials.enrol + trials.test)


def test_hashes_by_path():
    for name in ("/d/eval/wav/d045.wav", "eval\\wav\\d045.wav", "wav/d045.wav", "./d045", "d045"):
        assert utterance_key(name) == "d045"


ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", ["a", "Jürgen", "Ju\u0308rgen"])
def test_encodings_of_editors(tmp_path, encoding, name):
    text = PLAIN.replace("a/", f"{name}/").replace("\n", "\r\n")
    trials = read_trials(write(tmp_path, text, encoding))
    assert trials.labels.tolist() == [1, 0, -1] and trials.enrol[0] == f"{name}/x/0"
    scores = tmp_path / "scores.txt"
    scores.write_bytes(f"0.5 {name}/x/0 b/z/0\r\n".encode(encoding))
    assert read_scores(scores)[1] == [f"{name}/x/0"]


def test_names_that_look_alike_are_one(tmp_path):
    mac, other = "Ju\u0308rgen/x/0", "J\u00fcrgen/x/0"
    trials = read_trials(write(tmp_path, f"1 {mac} J\u00fcrgen/y/0\n0 {other} b/z/0\n"))
    assert set(trials.speakers()[0]) == {"J\u00fcrgen"}
    find_utterances(trials, [mac, "Ju\u0308rgen/y/0", "b/z/0"])
    scores = tmp_path / "scores.txt"
    scores.write_text(f"0.75 {other} Ju\u0308rgen/y/0\n0.25 {mac} b/z/0\n")
    assert scores_of(scores, [trials])[0].tolist() == [0.75, 0.25]
    found = check_scores(scores, [trials])
    assert list(found) == ["ids spelt otherwise"] and found["ids spelt otherwise"][0] == 2


def test_names_that_look_alike_have_one_embedding_and_one_speaker(tmp_path):
    mac, other = "Ju\u0308rgen", "J\u00fcrgen"
    vectors = np.eye(2, dtype=np.float32)
    for name in (mac, other):
        embeddings = Embeddings([f"{name}/x/0", "b/z/0"], vectors, np.ones(2, dtype=int), {})
        assert embeddings.rows([f"{mac}/x/0.wav", f"{other}/x/0"]).tolist() == [0, 0]
        (tmp_path / "meta.csv").write_text(f"id,gender\n{name},m\n")
        assert list(read_speakers(tmp_path / "meta.csv")) == [utterance_key(f"{mac}/x/0")[:6]]


def test_names_that_are_no_utf_8_are_scored_too(tmp_path):
    path = tmp_path / "trials.txt"
    path.write_bytes(b"1 J\xfcrgen/x/0.wav J\xfcrgen/y/0.wav\n")
    trials = read_trials(path)
    write_scores(tmp_path / "scores.txt", [(trials, np.array([0.5]))])
    line = b"0.5 J\xfcrgen/x/0 J\xfcrgen/y/0\n"
    assert (tmp_path / "scores.txt").read_bytes() == line
    assert check_scores(tmp_path / "scores.txt", [trials]) == {}


@pytest.mark.parametrize("separator", [" ", "\t", ",", ", ", ";"])
def test_two_ids_a_line_are_trials_without_labels(tmp_path, separator):
    trials = read_trials(write(tmp_path, PLAIN_PAIRS.replace(" ", separator)))
    assert trials.labels.tolist() == [-1, -1] and not trials.has_labels
    assert trials.pairs() == (["a/x/0", "a/x/0"], ["a/y/0", "b/z/0"])
    with pytest.raises(RecipeError, match="0 target and 0 non-target trials: an EER needs both"):
        read_labelled_trials(str(tmp_path / "trials.txt"), KEYS)


LABELS = ["tgt imp", "same different", "1.00 0.00", "+1 0", "1 +0", "1.000000 0.000000", "Pos NEG"]
LABELS += [
    "1.000000000000000000e+00 0.000000000000000000e+00",
    "True False",
    "same diff",
    "TAR non",
]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("form", ["{0} a/x/0 {1}\n", "a/x/0 {1} {0}\n", "{0},a/x/0,{1}\n"])
def test_labels_that_mean_the_same(tmp_path, labels, form):
    pairs = zip(labels.split(), ("a/y/0", "b/z/0"), strict=True)
    assert read_trials(
        write(tmp_path, "".join(form.format(*pair) for pair in pairs))
    ).labels.tolist() == [1, 0]


def test_minus_one_is_told_to_be_no_label_of_non_targets(tmp_path):
    path = write(tmp_path, "1 a/x/0 a/y/0\n-1 a/x/0 b/z/0\n-1 a/y/0 b/z/0\n")
    with pytest.raises(RecipeError, match="1 target and 0 .* beside 2 that do not count"):
        read_labelled_trials(str(path), KEYS)
    with pytest.raises(RecipeError, match="-1 means unknown, not 0.: an EER needs both"):
        evaluate([0.5, 0.5, 0.5], read_trials(path).labels)


HEADS = {
    "label first": "label enroll test\n1 a/x/0 a/y/0\n0 a/x/0 b/z/0\n",
    "commas": "label,enroll,test\n1,a/x/0,a/y/0\n0,a/x/0,b/z/0\n",
    "ids by number": "\ufefflabel id1 id2\r\n1 a/x/0 a/y/0\r\n0 a/x/0 b/z/0\r\n",
    "quotes": '"Is_Same";"Wav1";"Wav2"\n"1";"a/x/0";"a/y/0"\n"0";"a/x/0";"b/z/0"\n',
    "label last": "enroll test label\na/x/0 a/y/0 1\na/x/0 b/z/0 0\n",
    "label word": "\ntarget utt1 utt2\n1 a/x/0 a/y/0\n0 a/x/0 b/z/0\n",
    "words": "enrolment-id test-id target\na/x/0 a/y/0 target\na/x/0 b/z/0 nontarget\n",
    "comments": "# a list\n#of two trials, with labels\n1 a/x/0 a/y/0\n # 1 b\n0 a/x/0 b/z/0\n#",
    "comment before a head": "# a b 1\nlabel\tfile1\tfile2\n1\ta/x/0\ta/y/0\n0\ta/x/0\tb/z/0\n",
    "comment, label last": "a/x/0 a/y/0 1\n# three 1\na/x/0 b/z/0 0\n",
    "left out": "1 a/x/0 a/y/0\n#1 a/x/0 b/y/0\n0 a/x/0 b/z/0\n",
}


@pytest.mark.parametrize("form", HEADS)
def test_head_lines_and_comments_are_read_past(tmp_path, form):
    trials = read_trials(write(tmp_path, HEADS[form]))
    assert trials.labels.tolist() == [1, 0]
    assert trials.pairs() == (["a/x/0", "a/x/0"], ["a/y/0", "b/z/0"])


@pytest.mark.parametrize("head", ["id1 id2", "enroll test", "enroll_id, test_id", "# a b", "#"])
def test_head_lines_of_lists_without_labels(tmp_path, head):
    separator = "," if "," in head else " "
    text = f"{head}\n{PLAIN_PAIRS.replace(' ', separator)}"
    assert len(read_trials(write(tmp_path, text))) == 2


TRIALS_ALL = ["utt1 utt2\nutt1 utt3", "id1 id2\nid3 id4", "target utt1 utt2\nnontarget id1 wav1"]
TRIALS_ALL += ["enroll test", "target id1 id2", "#a/x/0 #a/y/0\n1a/x/0 b/y/0"]


@pytest.mark.parametrize("text", TRIALS_ALL)
def test_ids_that_could_be_those_of_a_head_line_are_trials(tmp_path, text):
    assert len(read_trials(write(tmp_path, text))) == text.count("\n") + 1


def test_doubtful_heads_are_named_and_lines_numbered_with_them(tmp_path):
    with pytest.raises(RecipeError, match="trials.txt:1: malformed .*; if this is a head line, ta"):
        read_trials(write(tmp_path, f"Gleich Stimme Probe\n{PLAIN}"))
    with pytest.raises(RecipeError, match="trials.txt:1: malformed .* no id may hold blanks$"):
        read_trials(write(tmp_path, "Gleich Stimme Probe\n1 2\n3\n"))
    with pytest.raises(RecipeError, match="trials.txt:5: label 0 contradicts .* a/x/0 and a/y/0"):
        read_trials(write(tmp_path, "label id1 id2\n# x\n\n0 a/x/0 b/y/0\n0 a/x/0 a/y/0\n"))


VIDEO = "1zcIwhm-eo_4"  # as YouTube's, which may hold what joins
SAMPLES = [f"id10001/{VIDEO}/00001", "id10001/-video_/00002", f"id10002/{VIDEO}/00001", "d045"]
KALDI = {
    "dashes": "{0}-{v}-00001 {0}--video_-00002 target\n{0}-{v}-00001 {1}-{v}-00001 nontarget\n",
    "wav": "1 {0}-{v}-00001.wav {0}--video_-00002.WAV\n0 {0}-{v}-00001.wav {1}-{v}-00001.wav\n",
    "underscores": "1 {0}_{v}_00001 {0}_-video__00002\n0 {0}_{v}_00001 {1}_{v}_00001\n",
    "folder": "1 wav/{0}-{v}-00001.wav ./{0}--video_-00002\n0 /wav/{0}-{v}-00001 {1}-{v}-00001\n",
    "both": "1 {0}-{v}-00001 {0}/-video_/00002\n0 {0}/{v}/00001 {1}-{v}-00001\n",
}


@pytest.mark.parametrize("form", KALDI)
def test_ids_with_dashes_mean_the_one_sample_that_fits(tmp_path, form):
    path = write(tmp_path, KALDI[form].format("id10001", "id10002", v=VIDEO))
    trials = read_labelled_trials(str(path), SAMPLES)
    assert [list(map(utterance_key, side)) for side in trials.utterances()] == [
        [SAMPLES[0], SAMPLES[0]],
        [SAMPLES[1], SAMPLES[2]],
    ]
    assert trials.speakers() == (["id10001", "id10001"], ["id10001", "id10002"])
    # Score lists repeat the ids as the list has them; a call of its own finds the same.
    assert trials.pairs() == read_trials(path).pairs()
    assert find_utterances(trials, SAMPLES) == trials
    vectors = dict.fromkeys(SAMPLES, np.ones(2)) | {SAMPLES[2]: np.array([1.0, -1.0])}
    assert cosine_scores(vectors, trials).round(6).tolist() == [1, 0]


DOUBTFUL = {
    "two samples": (["a/b-c/0", "a-b/c/0"], "a-b-c-0 may be a-b/c/0 or a/b-c/0: write the ids"),
    "two ways": (["a/b-c/0", "a-b-c/0"], "a-b-c-0 may be a-b-c/0 or a/b-c/0: write the ids"),
    "none": (["a/b/c"], "1 of 1 trials name utterances that are in no shard, 1 in all, first a-b"),
    "label": (["a/b/c-0"], "trials.txt:1: label 0 contradicts the speaker ids of a/b/c-0 and a/x"),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_ids_with_dashes_that_are_doubtful(tmp_path, case):
    keys, message = DOUBTFUL[case]
    with pytest.raises(RecipeError, match=message):
        find_utterances(read_trials(write(tmp_path, "0 a-b-c-0 a/x/0\n")), [*keys, "a/x/0"])


REFUSED = {
    "0 1 1\n1 0 0\n": "each line can be read as '1|0|-1 id1 id2' and as 'id1 id2 1|0|-1'",
    "1 target nontarget\n": "each line can be read as",
    "a/x/0 a/y/0 1\n1 a/x/0 a/y/0\n": "trials.txt:2: malformed .* one form throughout",
    "target a/x/0 a/y/0\n0 a/x/0 b/x/0\n": "trials.txt:2: malformed .* one form throughout",
    "1,a/x/0,a/y/0\n0 a/x/0 b/x/0\n": "trials.txt:2: malformed .* one form throughout",
    "1 a/x/0 a/y/0\na/x/0 b/x/0 nontarget\n": "2: malformed .* '1|0|-1 id1 id2' as .* one form thr",
    "1 a/x/0 a/y/0\n1 a/x/0 a/y/0\na/x/0 b/x/0 0\n": "3: malformed .* one form throughout",
    "1 a/x/0 a/y/0\n0,a/x/0,b/x/0\n": "one form throughout .this line is '1|0|-1,id1,id2'.",
    "1 a/x/0 a/y/0\na/x/0 b/x/0\n": "one form throughout .this line is 'id1 id2'.",
    "1 a/x/0 a/y/0\n0 a/x/0\n": "2: malformed .* one form throughout; no id",
    "1 a/x/0\n": "malformed trial '1 a/x/0'",
    "a/x/0 Target\n": "malformed trial 'a/x/0 Target'",
    "a/x/0 a/y/0\n1 a/x/0 a/y/0\n": "trials.txt:2: malformed .* one form throughout",
    "a/x/0 a/y/0 1\na/x/0 a/y/0\n": "trials.txt:2: malformed .* one form throughout",
    "1,my a/x/0,my a/y/0\n": "no id may hold blanks",
    "1\tmy a/x/0\tmy a/y/0\n": "no id may hold blanks",
    "1 a/x/0 a/y/\x000\n": "is no id but damage",
    "0 dev/a0/0 dev/b0/0\n1 dev/a0/0 dev/a0/1\n": "'dev' may be no speaker",
    "0 a/x/0 a/y/0\n1 a/x/0 b/z/0\n": "as all others do; turn them round",
    f"1 a/x/0 a/y/0 {'x' * 10**6}\n": "malformed trial '.{200}…'",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_is_doubtful_is_refused_by_its_cause(tmp_path, text):
    with pytest.raises(RecipeError, match=REFUSED[text].replace("|", r"\|")) as error:
        read_trials(write(tmp_path, text))
    assert "correct the label" not in str(error.value)


def test_one_wrong_label_among_many_is_a_wrong_label(tmp_path):
    text = "1 a/x/0 a/y/0\n\n" * 20 + "0 a/x/0 a/y/0\n"
    with pytest.raises(RecipeError, match="trials.txt:41: label 0 .*; correct the label or the"):
        read_trials(write(tmp_path, text))


def test_an_id_may_be_a_label_where_other_lines_tell_the_form(tmp_path):
    assert read_trials(write(tmp_path, "1 0 1\n0 1 2\n")).test == ["1", "2"]
    assert read_trials(write(tmp_path, "0 1 1\n2 0 1\n")).enrol == ["0", "2"]


@pytest.mark.parametrize("start", [b"\x1f\x8b\x08", b"PK\x03\x04", b"BZh9", b"\xfd7zXZ\x00"])
def test_packed_lists(tmp_path, start):
    (tmp_path / "trials.txt.gz").write_bytes(start + b"rest")
    with pytest.raises(RecipeError, match=r"trials.txt.gz: packed by \w+: unpack the trial list"):
        read_trials(tmp_path / "trials.txt.gz")


OTHERS = {
    b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n": "a pointer of Git LFS",
    b"\n<!DOCTYPE html><html><head><title>404</title>": "a page or message of a web server",
    b"<HTML>\n<body>Sign in</body>": "a page or message of a web server",
    b"404: Not Found": "a page or message of a web server",
    b'\xef\xbb\xbf{"trials": []}': "JSON",
    b'[\n  {"label": 1}]': "JSON",
    b'[["a/x/0", "b/y/0", 1]]': "JSON",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "a spreadsheet",
    b"PK\x03\x04\x14\x00\x06[Content_Types].xml \xa2": "a spreadsheet",
}


@pytest.mark.parametrize("content", OTHERS, ids=range(len(OTHERS)))
@pytest.mark.parametrize("read", [read_trials, read_scores, read_speakers])
def test_what_is_no_list_or_table_is_told_by_what_it_is(tmp_path, content, read):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(RecipeError, match=f"list.txt: .*{OTHERS[content]}"):
        read(tmp_path / "list.txt")


def stored(write, *content):
    file = io.BytesIO()
    write(file, *content)
    return file.getvalue()


def audio(fmt, subtype=None):
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 4000)
    return stored(lambda file: sf.write(file, noise, 16000, format=fmt, subtype=subtype))


BINARY = {
    "a WAV file": audio("WAV"),
    "a WAV file ": audio("WAV", "FLOAT"),
    "a WAV file  ": audio("RF64"),
    "a FLAC file": audio("FLAC"),
    "an OGG file": audio("OGG"),
    "an MP3 file": audio("MP3"),
    "a SPHERE file": audio("NIST"),
    "an audio file": audio("AIFF"),
    "an audio file ": audio("AU"),
    "a binary file": np.random.default_rng(0).bytes(5000),
    "a binary file ": bytes(300),
    "a binary file  ": pickle.dumps(["a/x/0", "a/y/0", 1]),
    "a file of NumPy arrays": stored(np.save, np.zeros(9)),
    "a file of NumPy arrays ": stored(np.savez, np.zeros(9)),
    "a file that torch has written": stored(lambda file: torch.save(torch.ones(3), file)),
    "a tar archive": tarfile.TarInfo("a.wav").tobuf(),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3",
    "a picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
}


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize("read", [read_trials, read_scores, read_speakers])
def test_binary_files_are_no_lists_or_tables(tmp_path, kind, read):
    (tmp_path / "list.txt").write_bytes(BINARY[kind])
    with pytest.raises(RecipeError, match=f"list.txt: is {kind.strip()}, expected a "):
        read(tmp_path / "list.txt")


@pytest.mark.parametrize("name", ["RIFF", "ID3", "fLa", "FORM", "GIF", "ÿþ", "\x01", "王\x7f"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_ids_that_begin_like_a_binary_file_are_ids(tmp_path, name, encoding):
    path = tmp_path / "trials.txt"
    path.write_bytes((f"{name}1/x/0 {name}1/y/0 target\n" * 9).encode(encoding))
    try:
        assert read_trials(path).enrol == [f"{name}1/x/0"] * 9
    except RecipeError as error:
        assert "is no id but damage" in str(error) and not name.isprintable()


@pytest.mark.parametrize("read", [read_trials, read_scores, read_speakers, read_embeddings])
def test_a_folder_is_told_to_be_one(tmp_path, read):
    with pytest.raises(RecipeError, match="a folder, not a "):
        read(tmp_path)


def test_what_cannot_be_printed_is_cut_short(tmp_path):
    with pytest.raises(RecipeError, match="malformed trial") as error:
        read_trials(write(tmp_path, f"1 a/x/0 a/y/0\n{chr(1) * 10**4} x\n"))
    assert len(str(error.value)) < 500


def test_damaged_utf_16(tmp_path):
    (tmp_path / "trials.txt").write_bytes("1 a/x/0 a/y/0\n".encode("utf-16")[:-1])
    with pytest.raises(RecipeError, match="trials.txt: not the UTF-16 that it begins as"):
        read_trials(tmp_path / "trials.txt")


@pytest.mark.parametrize(
    "text, message",
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a pointer of Git LFS"),
        ("<!DOCTYPE html><html><body>404", "a page or message of a web server"),
        ('{"trials": []}', "JSON"),
        ("\ufeff[1, 2]", "JSON"),
    ],
)
def test_what_is_no_list_is_named(tmp_path, text, message):
    with pytest.raises(RecipeError, match=f"trials.txt: no trial list, but {message}"):
        read_trials(write(tmp_path, text))
    with pytest.raises(RecipeError, match="a folder, not a trial list"):
        read_trials(tmp_path)


def test_scores_of_trials_with_their_sides_swapped(tmp_path):
    trials = read_trials(write(tmp_path, PLAIN))
    (tmp_path / "scores.txt").write_text("0.5 a/y/0 a/x/0\n0.25 b/z/0 a/x/0\n0.75 a/y/0 b/z/0\n")
    (scores,) = scores_of(tmp_path / "scores.txt", [trials])
    assert scores.tolist() == [0.5, 0.25, 0.75]
