"""What SpeechBrain asks of a recipe: a row for each experiment in tests/recipes, requirements."""

import csv
import importlib.metadata
import re
import shlex

import pytest

import train_speaker_embeddings
from conftest import RECIPE, ROOT
from local.hparams import parse_arguments, read_hparams
from running import close_logs

ROWS = ROOT / "tests/recipes/TinyVoxCeleb.csv"
COLUMNS = [
    *("Task", "Dataset", "Script_file", "Hparam_file", "Data_prep_file", "Readme_file"),
    *("Result_url", "HF_repo", "test_debug_flags", "test_debug_checks", "performance"),
]
NO_TRAINING = {"log_config.yaml", "verification.yaml"}
RESULTS = {"xvector": "x-vector", "ecapa_tdnn": "ECAPA-TDNN", "resnet": "ResNet"} | {
    "cam_plus_plus": "CAM++",
    "speechbrain_voxceleb": "SpeechBrain's VoxCeleb settings",
}


def read_rows():
    with open(ROWS, encoding="utf-8", newline="") as fin:
        reader = csv.DictReader(fin)
        assert reader.fieldnames == COLUMNS
        return {row["Hparam_file"].rpartition("/")[2]: row for row in reader}


@pytest.fixture
def toolkit_folder(small, tmp_path, monkeypatch):
    """A folder as SpeechBrain's, from which its tests call the recipes."""
    for name, target in (
        ("recipes", ROOT / "recipes"),
        ("tests/tmp/TinyVoxCeleb/shards", small.shards),
        ("tests/tmp/TinyVoxCeleb/corpus", small.corpus),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(target)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def arguments(row, *more):
    return [row["Hparam_file"], *shlex.split(row["test_debug_flags"]), "--device=cpu", *more]


def test_every_experiment_has_a_row_and_the_files_are_there():
    rows = read_rows()
    assert {path.name for path in RECIPE.glob("hparams/*.yaml")} == rows.keys() | NO_TRAINING
    for row in rows.values():
        for column in ("Script_file", "Hparam_file", "Data_prep_file", "Readme_file"):
            assert (ROOT / row[column]).is_file(), row[column]
        assert row["Task"] and row["test_debug_flags"]


def test_flags_are_options(toolkit_folder):
    for row in read_rows().values():
        if "--start_from" not in row["test_debug_flags"]:  # the folder of a row before
            path, _, overrides = parse_arguments(arguments(row))
            read_hparams(path, overrides)


@pytest.mark.long
def test_a_row_trains(toolkit_folder):
    row = read_rows()["prototype.yaml"]
    try:
        train_speaker_embeddings.main(arguments(row, "--output_folder=out", "--noprogressbar"))
    finally:
        close_logs()
    files, check = re.findall(r"\w+=\[(.*?)\]", row["test_debug_checks"])
    for name in files.split(","):
        assert (toolkit_folder / "out" / name).exists(), name
    log, quantity, bound, epoch = (part.strip() for part in check.split(","))
    (line,) = (line for line in (toolkit_folder / "out" / log).open() if line.startswith(epoch))
    assert bound.startswith("<")
    assert float(re.search(rf"{quantity}: (\d+\.\d+)", line)[1]) < float(bound[1:])


def test_performance_is_that_of_the_results():
    table = (ROOT / "docs/results.md").read_text(encoding="utf-8").partition("table networks")[2]
    for name, row in read_rows().items():
        recipe = RESULTS.get(name.removesuffix(".yaml"), name.removesuffix(".yaml"))
        row_of = rf"^\| {re.escape(recipe)} \| \*\*.*?\*\*.*?\*\*(.*?)\*\*.*?\*\*(.*?)\*\*"
        found = re.search(row_of, table, re.M)
        expected = f"EER={found[2]}% EER-channels={found[1]}%" if found else ""
        assert row["performance"] == expected, name


def test_extra_requirements_are_what_speechbrain_does_not_ask_for():
    ours = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    extra = (RECIPE / "extra_requirements.txt").read_text(encoding="utf-8").splitlines()
    required = importlib.metadata.requires("speechbrain")
    theirs = {re.match(r"[\w-]+", line)[0].lower() for line in required if "extra ==" not in line}
    theirs |= {"speechbrain"}
    pinned = [line for line in ours if "==" in line]
    assert extra[1:] == [line for line in pinned if line.split("==")[0].lower() not in theirs]
