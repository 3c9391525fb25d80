"""The benchmark of VoxCeleb1-E's size, at a small one: its peers give what ours does."""

import re

from benchmarks.scale import trials
from benchmarks.scale.made_up_trials import Size, write_evaluation
from local.embeddings import read_embeddings
from local.metadata import read_speakers
from local.scoring.trials import read_trials

SIZE = Size(trials=2000, utterances=240, speakers=12, cohort=30, resamples=5)


class Answer:
    """One end of a pipe that keeps what is sent."""

    def send(self, value):
        self.value = value


def here(function, *arguments):
    """Call a function that answers through a pipe in this process."""
    answer = Answer()
    function(*arguments, answer)
    return answer.value


def test_ours_and_the_peers_agree(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "in_process", here)
    size, _, *table = trials.measure(tmp_path, SIZE)
    assert size.startswith("2,000 trials of 240 utterances of 12 speakers; a cohort of 30")
    rows = [line.split(" | ") for line in table[2:]]
    assert len(rows) == 10 and all(len(row) == 7 for row in rows)
    compared = [row for row in rows if row[2]]
    assert len(compared) == 3
    for row in compared:
        assert re.fullmatch(r"[\d,]+\.\d", row[3]) and re.fullmatch(r"[\d,]+\.\d", row[4]), row
    assert list(tmp_path.iterdir()) == []


def test_made_up_trials_are_like_those_of_voxceleb(tmp_path):
    write_evaluation(tmp_path, SIZE)
    read, embeddings = (
        read_trials(tmp_path / "trials.txt"),
        read_embeddings(tmp_path / "embeddings.npz"),
    )
    assert len(read) == 2000 and set(read.named()) <= set(embeddings.ids)
    assert 0.5 <= read.labels.mean() < 0.6 and "itself" not in read.remarks
    assert all(re.fullmatch(r"id1\d{4}/[\w-]{11}/\d{5}", name) for name in embeddings.ids)
    people = read_speakers(tmp_path / "tiny_meta.csv")
    assert set(people) == {name.split("/")[0] for name in embeddings.ids}
    assert {person.sex for person in people.values()} == {"female", "male"}
