"""How loud the training speech is: found at the end, by one process; its package, before."""

import sys

import train_speaker_embeddings
from running import one_line, train


def test_a_training_without_the_package_does_not_begin(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    line = one_line(capsys, train, small, tmp_path / "run")
    assert "the package silero-vad" in line and line.endswith("; the same command carries on")
    assert not list((tmp_path / "run").glob("save/*"))


def test_it_is_asked_for_when_the_network_is_written(small, tmp_path, monkeypatch):
    logs, asked = [], []

    def level(*indexes):
        logs.append((tmp_path / "train_log.csv").read_text())
        return -23.4

    def on_main(function, *arguments):
        asked.append(function)
        return function(*arguments)

    monkeypatch.setattr(train_speaker_embeddings, "training_level", level)
    monkeypatch.setattr(train_speaker_embeddings, "on_main", on_main, raising=False)
    train(small, tmp_path, "--epochs", "1")
    assert len(logs) == 1 and logs[0].count("\n") == 2 and asked == [level]
    assert "\nspeech_level: -23.4\n" in (tmp_path / "inference/hyperparams.yaml").read_text()
