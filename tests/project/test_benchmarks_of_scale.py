"""The benchmarks at the size of VoxCeleb, with few files."""

import sys
from types import SimpleNamespace

from benchmarks.scale import __main__ as scale
from benchmarks.scale import tree


def test_packing_many_files(tmp_path, monkeypatch, capsys):
    arguments = ["--parts", "shards", "--folder", str(tmp_path), "--files", "300"]
    monkeypatch.setattr(sys, "argv", ["scale", *arguments])
    scale.main()
    said = capsys.readouterr().out
    assert "| write shards |" in said and "(--check) |" in said
    assert not list(tmp_path.iterdir())


def test_finding_finds_what_was_built(tmp_path):
    sent = []
    pipe = SimpleNamespace(send=sent.append)
    tree.build(tmp_path / "files", 1200, pipe)
    tree.pack(tmp_path / "packed", 1200, pipe)
    for measured in (tree.find, tree.walk_files):
        measured(tmp_path / "files", pipe)
    for measured in (tree.find, tree.list_members):
        measured(tmp_path / "packed", pipe)
    assert [count for count, *_ in sent[2:]] == [1200] * 4
