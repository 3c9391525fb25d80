"""The benchmarks run, small, and find what they are there to find."""

import re
import subprocess
import sys

from running import train

from conftest import ROOT


def call(*command):
    command = [sys.executable, *map(str, command)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_back_end_agrees_with_speechbrain():
    out = call("-m", "benchmarks.backend", "--trials", "500", "--many", "9999", "--repeats", "1")
    compared = re.findall(r"^(EER|minDCF|AS-norm).* x .* MiB .* differ by", out, re.MULTILINE)
    assert compared == ["EER", "minDCF", "AS-norm"]  # it has checked that values agree
    assert "all our metrics of 9,999 trials" in out
    assert "s beyond importing torch and SpeechBrain" in out


def test_table_of_the_scorings(small, tmp_path):
    """On six training speakers, too few for a cohort: the rows that need none."""
    seed = tmp_path / "seed_1"
    (seed / "prototype").parent.mkdir()
    (seed / "shards").symlink_to(small.shards)
    train(small, seed / "prototype")
    rows = ["cosine, raw", "mean-subtracted", "PLDA"]
    options = ["--hparams", "prototype", "--data_folder", small.corpus, "--rows", *rows]
    out = call("benchmarks/scorings.py", *options, "--output_folder", tmp_path)
    head, _, *table = out.splitlines()
    assert head == "| network | scores | EER, corpus | Cllr |"
    value = r"[\d.]+(?: %)?"  # four speakers are too few for an interval
    for row, line in zip(rows, table, strict=True):
        assert re.fullmatch(rf"\| prototype \| {row} \| {value} \| {value} \|", line)
