"""The benchmarks run, small, and find what they are there to find."""

import csv
import math
import multiprocessing.spawn
import os
import re
import shutil
import subprocess
import sys

import pytest
import soundfile as sf

import export
from benchmarks import inference, networks
from benchmarks.limited_data import __main__ as limited_data
from benchmarks.limited_data.experiments import EXPERIMENTS
from benchmarks.limited_data.rows import Rows
from conftest import ROOT
from running import TINY_ECAPA
from warm_python import warm_python

pytestmark = pytest.mark.long


def call(*command):
    command = [warm_python(), *map(str, command)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_back_end_agrees_with_speechbrain():
    out = call("-m", "benchmarks.backend", "--trials", "500", "--many", "9999", "--repeats", "1")
    compared = re.findall(r"^(EER|minDCF|AS-norm).* x .* MiB .* differ by", out, re.MULTILINE)
    assert compared == ["EER", "minDCF", "AS-norm"]  # it has checked that values agree
    assert "all our metrics of 9,999 trials" in out
    assert "s beyond importing torch and SpeechBrain" in out


def test_table_of_the_networks():
    rows = ["prototype", "CAM++, small"]
    _, _, *table = call("-m", "benchmarks.networks", "--rows", *rows, "--repeats", "1").splitlines()
    assert table[0].startswith("| prototype | 15,488 | 12,900 | 1.2 M | ")
    # In each of the 799 frames of 10 s: 40 x 3 x 128 of the convolution, 128 of the mean over time
    prototype = networks.load_modules(*networks.ROWS["prototype"], n_speakers=100)
    _, _, multiply_adds, _ = networks.measure(prototype, repeats=1)
    assert multiply_adds == (40 * 3 + 1) * 128 * 799 / 10
    document = (ROOT / "docs/networks.md").read_text()
    for name, (hparams, changes) in networks.ROWS.items():
        modules = networks.load_modules(hparams, changes, n_speakers=100)
        sizes = (networks.size(modules[key]) for key in ("embedding_model", "classifier"))
        assert "| {} | {:,} | {:,} |".format(name, *sizes) in document
    assert re.fullmatch(r"\| CAM\+\+, small \|( [\d,]+ \|){2} [\d.]+ M \| [\d.]+ \|", table[1])


def test_torch_and_exports_beside_each_other(run, tmp_path, monkeypatch, capsys):
    out = str(tmp_path / "exported")
    options = ("--quantize", "--max_eer_rise", "1")
    export.main(["--checkpoint", str(run), "--out", out, *options])
    options = ("--threads", "1", "--seconds", "1", "2", "--repeats", "2")
    words = ("inference", "--checkpoint", run, "--exported", out, *options)
    capsys.readouterr()
    # Only whole processes are compared as they are, from their start.
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", list(map(str, words)))
        patch.setattr(multiprocessing.spawn, "_python_exe", os.fsencode(warm_python()))
        inference.main()
    lines = capsys.readouterr().out.splitlines()
    ways = ["torch", "ONNX", "ONNX int8"]
    assert [line.split(" | ")[0] for line in lines[2:5]] == [f"| {way}" for way in ways]
    cell = r" [\d.]+ \(x[\d.]+\) \|"
    assert all(re.fullmatch(rf"\|[\w ]+\| 1 \|{cell}{cell}", line) for line in lines[2:5])
    fresh = [re.fullmatch(r"\| ([\w ]+) \| ([\d.]+) \| (\d+) \|", line) for line in lines[-3:]]
    assert [found[1] for found in fresh] == ways
    assert float(fresh[1][2]) < float(fresh[0][2]) and int(fresh[1][3]) < int(fresh[0][3])


def test_results_at_a_hundred_speakers(small, tmp_path, monkeypatch, capsys):
    unseen = tmp_path / "unseen"
    for number, path in enumerate(sorted((small.corpus / "dev").rglob("*.wav"))):
        signal, rate = sf.read(path)
        (unseen / path.parts[-3]).mkdir(parents=True, exist_ok=True)
        sf.write(unseen / path.parts[-3] / f"{number}.flac", signal, rate)
    shutil.copy(ROOT / "docs/results.md", tmp_path / "results.md")
    folders = ["--unseen_folder", unseen, "--output_folder", tmp_path / "out"]
    for name in ("data", "channels", "calls", "moods"):
        folders += [f"--{name}_folder", small.corpus]
    files = ["--csv", tmp_path / "rows.csv", "--document", tmp_path / "results.md"]
    rows = ["--names", "prototype", "--seeds", "1", "--jobs", "1", "--", "--epochs", "1"]
    # The CPU time that is measured is that of the training itself.
    python = tmp_path / "python"
    cases = f'train_*) exec {sys.executable} "$@" ;; *) exec {warm_python()} "$@" ;;'
    python.write_text(f"#!/bin/sh\ncase $1 in {cases} esac\n")
    python.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(python))
        patch.setattr(sys, "argv", ["limited_data", *map(str, [*folders, *files, *rows])])
        limited_data.main()
    out = capsys.readouterr().out
    assert re.search(r"1/1 prototype, seed 1: choice [\d.]+, EER in % -channels [\d.]+, tiny-", out)
    (row,) = csv.DictReader((tmp_path / "rows.csv").open())
    assert row["dev_eer"] == row["channels_eer"] and float(row["cpu_minutes"]) > 0
    document = (tmp_path / "results.md").read_text()
    assert document.count(f"| **{float(row['choice']):.1f}** |") >= 2
    assert f"| prototype | {float(row['channels_mindcf']):.2f}, " in document
    eers = [float(row[f"{key}_eer"]) for key in ("channels", "dev", "calls_odd", "moods_odd")]
    product = math.prod(eers) * float(row["unseen_eer"])
    assert float(row["choice"]) == pytest.approx(product ** (1 / 5), abs=0.05)
    assert row["calls_odd_eer"] == row["moods_odd_eer"]  # here of the same corpus
    assert f"Commit: {row['commit']}." in document
    for name in ("speakers", "time"):
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
    assert (
        call("-m", "benchmarks.limited_data", *folders, *files, *rows) == ""
    )  # nothing is missing

    # Ways of scoring these runs: six training speakers are too few for a cohort
    ways = ["--names", "prototype", "--lists", "dev", "--rows", "cosine, raw", "PLDA"]
    options = ["--output_folder", tmp_path / "out", *ways, "--", "--epochs", "1"]
    out = call("-m", "benchmarks.limited_data.scorings", *options)
    head, _, raw, plda = out.splitlines()
    assert head == "| network | scores | EER, dev | Cllr |"
    eer = f"{float(row['dev_eer']):.1f} %"  # four speakers are too few for an interval
    assert re.fullmatch(rf"\| prototype \| cosine, raw \| {eer} \| [\d.]+ \|", raw)
    assert re.fullmatch(r"\| prototype \| PLDA \| [\d.]+ % \| [\d.]+ \|", plda)


def test_what_is_compared_is_of_one_commit(tmp_path):
    best, without = EXPERIMENTS[-1], EXPERIMENTS[-2]  # their settings differ by the speakers
    rows = Rows(tmp_path / "rows.csv")
    for experiment, seed, commit in (
        *((best, 1, "old"), (best, 2, "old"), (without, 1, "old")),
        *((best, 1, "new"), (best, 3, "new")),
    ):
        rows.add({**experiment.settings, "seed": seed, "commit": commit})
    rows = Rows(tmp_path / "rows.csv")
    commits = {seed: row["commit"] for seed, row in rows.of(best).items()}
    assert commits == {1: "new", 2: "old", 3: "new"}
    of_best, of_without = rows.of_one_commit([best, without])
    assert {seed: row["commit"] for seed, row in of_best.items()} == {1: "old", 2: "old", 3: "new"}
    assert list(of_without) == [1]


TINY = ["--files", "24", "--val", "8", "--seconds", "3.2", "--speakers", "4", "--repeats", "1"]


def pipeline(*options):
    return call("-m", "benchmarks.pipeline", *TINY, *options)


def test_readers_beside_each_other():
    """On so few crops the times say nothing; opens and bytes are counted exactly."""
    rows = ["SpeechBrain's CSV of files", "plain webdataset", "ours, indexed", "ours, streamed"]
    peers = ["--peers", "speechbrain", "webdataset", "indexed", "streamed"]
    out = pipeline(
        "--only", "reading", "http", "growth", *peers, "--served", "0", "--growth", "300"
    )
    number = r" +[\d,]+"
    for row, opens in zip(rows, (24, 8, 16, 16), strict=True):
        assert len(re.findall(rf"^{row}{number}{number}$", out, re.MULTILINE)) >= 1, row
        # Each worker opens each of the eight shards that it reads from once.
        found = re.search(rf"^{row} +(\d+) +1 +\d+ MB +\d+ MB", out, re.MULTILINE)
        assert found, row
        assert row.startswith("ours") or int(found[1]) == opens
        assert 8 <= int(found[1]) <= opens
    assert re.search(r"ours, indexed to SpeechBrain's CSV of files: [\d.]+ x", out)
    assert (
        len(re.findall(r"ours, streamed to plain webdataset: [\d.]+ x", out)) == 2
    )  # also by http
    assert re.search(r"^ +300 +[\d.]+ s", out, re.MULTILINE)


def test_an_epoch_and_a_step():
    out = pipeline("--only", "epoch", "step", "--steps", "2", "--", *TINY_ECAPA)
    # Without torchdata there is no skeleton to compare with, and the line says how to get it.
    ours = r"^ours, val whole +[\d.]+ s +val EER [\d.]+%"
    assert re.search(rf"{ours}|--no-deps torchdata", out, re.MULTILINE)
    gap = re.search(r"the Brain .* ms .*; 2 steps, losses differ by (.*)", out)[1]
    assert float(gap) < 1e-5


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace to count opens with")
def test_opens_are_counted_as_the_kernel_sees_them(small, tmp_path):
    """By path and by file object, of this process and of one that it forks."""
    paths = sorted((small.corpus / "train").rglob("*.wav"))[:3]
    script = f"""if True:
        import os, soundfile
        from pathlib import Path
        from benchmarks.usage import OpenCounter
        paths = {[str(path) for path in paths]}
        counter = OpenCounter({str(small.corpus)!r})
        open(paths[0], "rb").close()
        with counter.counting() as opened:
            soundfile.read(paths[0])
            Path(paths[1]).read_bytes()
            pid = os.fork()
            soundfile.info(paths[2])
            with open(paths[0], "rb") as file:
                soundfile.read(file)
            if not pid:
                os._exit(0)
            os.wait()
        print(sum(opened.values()), max(opened.values()))
    """
    log = tmp_path / "strace"
    command = ["strace", "-f", "-e", "trace=open,openat", "-o", log, sys.executable, "-c", script]
    answer = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
    if "ptrace" in answer.stderr:
        pytest.skip("strace may not trace here")
    assert answer.stdout.split() == ["6", "2"], answer.stderr
    seen = [line for line in log.read_text().splitlines() if str(small.corpus) in line]
    assert len(seen) == 6 + 1  # and the one before it counted
