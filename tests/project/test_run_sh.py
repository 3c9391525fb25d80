"""run.sh from end to end, as a new user calls it."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, shared
from local.shards import index_shards, write_shards
from voxceleb_lists import noise, write_list
from voxceleb_trees import build
from warm_python import make_environment, warm_environment

pytestmark = pytest.mark.long

SPLITS = ("train", "val", "dev")


def run_sh(*arguments, cwd=None, venv=None):
    venv = venv or warm_environment()
    env = {**os.environ, "VENV_DIR": str(venv), "DATA_FOLDER": ""}
    command = [str(ROOT / "run.sh"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)


def check_end(answer, out, run="quick"):
    assert answer.returncode == 0, answer.stdout + answer.stderr
    *_, blank, told, verify, page = answer.stdout.splitlines()
    run_folder, score_list, det_curve, report, val, dev = answer.stdout.splitlines()[-10:-4]
    assert blank == "" and told.startswith("to verify two recordings")
    for line, script in ((verify, "speakers.py"), (page, "demo.py")):
        python, path, *words = shlex.split(line)
        assert os.access(python, os.X_OK) and path == str(ROOT / "recipes/TinyVoxCeleb" / script)
        assert words[-2:] == ["--checkpoint", f"{out}/{run}"]
    assert run_folder == f"run folder: {out}/{run}"
    assert score_list == f"score list: {out}/{run}/scores.txt"
    assert Path(det_curve.removeprefix("DET curve:  ")).read_bytes().startswith(b"\x89PNG")
    assert "<svg" in Path(report.removeprefix("report:     ")).read_text(encoding="utf-8")
    assert re.match(r"val, known speakers: +EER [\d.]+% \(convex hull, 95 % interval ", val)
    assert re.match(r"dev, unseen speakers: EER [\d.]+% \(convex hull, (95 %|too little)", dev)
    return float(re.search(r"EER ([\d.]+)%", dev)[1])


def written(folder):
    """When each file was written; folders change with the locks that come and go in them."""
    files = filter(Path.is_file, folder.rglob("*"))
    return {path: path.stat().st_mtime_ns for path in files}


def test_synthetic_in_a_home_with_commas(tmp_path):
    tmp_path = tmp_path / "Smith,John"
    tmp_path.mkdir()
    quick = ("--", "--epochs", "2", "--crops_per_utterance", "2", "--min_epoch_steps", "0")
    arguments = ("--corpus", "synthetic", "--output_folder", "out", *quick)
    check_end(run_sh(*arguments, cwd=tmp_path), tmp_path / "out")
    content = written(tmp_path / "out")
    again = run_sh(*arguments, cwd=tmp_path)
    check_end(again, tmp_path / "out")
    for word in (
        "as it was prepared earlier",
        "shards are there already",
        "this run is complete",
        "scored already",
    ):
        assert word in again.stdout
    changed = written(tmp_path / "out")
    differ = {path.name for path in changed if changed[path] != content.get(path)}
    assert differ <= {"corpus.source"} and changed.keys() == content.keys()
    slow = (
        "--run",
        "slow",
        "--stage",
        "3",
        "--stop_stage",
        "3",
        *quick,
        "--learning_rate",
        "0.001",
    )
    assert run_sh(*arguments[:4], *slow, cwd=tmp_path).returncode == 0
    assert (tmp_path / "out/slow/inference").is_dir()
    # A list that has changed is scored anew; an interrupted report is made again.
    trials = tmp_path / "out/corpus/dev_trials.txt"
    trials.write_text("".join(trials.read_text().splitlines(keepends=True)[:100]))
    (tmp_path / "out/quick/val_scores.txt").unlink()
    (tmp_path / "out/quick/val_scores_eer.txt").unlink()
    third = run_sh(*arguments[:4], "--stage", "4", cwd=tmp_path)
    check_end(third, tmp_path / "out")
    assert "scored already" not in third.stdout
    assert len((tmp_path / "out/quick/scores.txt").read_text().splitlines()) == 100
    other = run_sh(
        "--corpus", "voices", "--output_folder", "out", "--stop_stage", "1", cwd=tmp_path
    )
    assert other.returncode == 1 and "holds synthetic, seed 123, not voices" in other.stderr


def test_stages_one_by_one(tmp_path):
    options = ("--corpus", "synthetic", "--output_folder", tmp_path)
    make_environment(tmp_path / "venv")  # whose Python is not warm
    for stage, made in enumerate(("corpus/tiny_meta.csv", "shards/dev"), start=1):
        assert not (tmp_path / made).exists()
        answer = run_sh(*options, "--stage", stage, "--stop_stage", stage, venv=tmp_path / "venv")
        assert answer.returncode == 0, answer.stderr
        assert (tmp_path / made).exists()
        assert re.findall(r"^== stage (\d)", answer.stdout, re.MULTILINE) == [str(stage)]


@pytest.mark.parametrize("data", [shared("tiny-librispeech")])
def test_real_speech_in_the_tiny_voxceleb_layout(data, tmp_path):
    prototype = ("--hparams", "hparams/prototype.yaml", "--", "--epochs", "2")
    answer = run_sh("--data_folder", data, "--output_folder", tmp_path, *prototype)
    assert "each gives 11 random crops, so that an epoch has at least 20" in answer.stderr
    assert check_end(answer, tmp_path, "prototype") < 25
    scores = (tmp_path / "prototype/scores.txt").read_text().splitlines()
    trials = [
        line.replace(".wav", "").split()[1:]
        for name in ("dev_trials.txt", "eval_trials_no_gt.txt")
        for line in (data / name).read_text().splitlines()
    ]
    assert [line.split()[1:] for line in scores] == trials and len(trials) == 21_045


def test_voxceleb_with_options_and_lists_from_where_it_is_called(tmp_path):
    people = {f"id{n:05}": "fm"[n % 2] for n in (*range(10001, 10011), 10270, 10275)}
    ids = build(tmp_path / "vox", "parts", people, sessions=4, of=noise)
    write_list(tmp_path / "veri_test2.txt", ids, {"id10270", "id10275"})
    options = ("--corpus", "voxceleb", "--data_folder", "vox", "--stop_stage", "1")
    amounts = ("--speakers", "6", "--dev_speakers", "4", "--evaluate", "veri_test2.txt")
    answer = run_sh(*options, *amounts, "--output_folder", "first", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "  train     6 speakers (3 f, 3 m)     12 sessions" in answer.stdout
    again = ("--choice", "first/corpus/utterances.csv", "--output_folder", "second")
    answer = run_sh(*options, *again, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    first, second = (written(tmp_path / name / "corpus") for name in ("first", "second"))
    assert len(first) == 5 and {path.name for path in first} == {path.name for path in second}
    for path in first:
        assert path.read_bytes() == (tmp_path / "second/corpus" / path.name).read_bytes()


def test_lists_with_and_without_labels_are_scored_beside_dev(small, decided_run, tmp_path):
    shutil.copytree(small.corpus, tmp_path / "corpus", ignore=shutil.ignore_patterns("train"))
    shutil.copytree(small.shards, tmp_path / "shards")
    shutil.copytree(decided_run, tmp_path / "quick")
    for folder in (small.corpus / "dev").iterdir():  # the same audio, of speakers called otherwise
        shutil.copytree(folder, tmp_path / "other/eval" / folder.name.replace("syn", "eval"))
    write_shards(tmp_path / "other", small.corpus / "tiny_meta.csv", tmp_path / "shards")
    table = (small.corpus / "tiny_meta.csv").read_text()
    unseen = [row.replace("syn", "eval", 1) for row in table.splitlines() if ",dev," in row]
    (tmp_path / "corpus/tiny_meta.csv").write_text(table + "\n".join(unseen))
    lines = (small.corpus / "dev_trials.txt").read_text().replace("syn", "eval").splitlines()
    for name, kept in (("", ""), ("_E", ""), ("_no_gt", "-1")):
        text = "".join(f"{kept or line[0]}{line[1:]}\n" for line in lines)
        (tmp_path / f"corpus/eval_trials{name}.txt").write_text(text)
    options = ("--corpus", "voxceleb", "--output_folder", tmp_path, "--stage", "4")
    answer = run_sh(*options)
    assert answer.returncode == 0, answer.stderr
    scores = (tmp_path / "quick/scores.txt").read_text().splitlines()
    assert [line.replace("eval", "syn") for line in scores] == scores[: len(lines)] * 4
    *_, dev, first, second, _, _, _, _ = answer.stdout.splitlines()
    measured = dev.removeprefix("dev, unseen speakers:")
    assert first == f"eval, unseen speakers (eval_trials):{measured}"
    assert second == f"eval, unseen speakers (eval_trials_E):{measured}"
    assert "scored already" in run_sh(*options).stdout


def test_audio_that_is_left_out_is_in_no_trial(small, decided_run, tmp_path):
    corpus = shutil.copytree(small.corpus, tmp_path / "corpus")
    shutil.copytree(decided_run, tmp_path / "quick")
    first = (corpus / "dev_trials.txt").read_text().splitlines()[0]
    (corpus / "dev" / first.split()[2]).write_bytes(b"")
    options = ("--corpus", "tiny-voxceleb", "--output_folder", tmp_path, "--stage")
    shards = ("2", "--stop_stage", "2")
    orders = shards, (*shards, "--skip_bad"), "4", shards
    codes = [run_sh(*options, *order).returncode for order in orders]
    assert codes == [1, 0, 0, 0] and "scored already" in run_sh(*options, "4").stdout
    kept = (tmp_path / "shards/trials/dev_trials.txt").read_text().splitlines()
    scored = (tmp_path / "quick/scores.txt").read_text().splitlines()
    assert first not in kept and 0 < len(kept) == len(scored)


@pytest.mark.parametrize("data", [shared("arabic-speakers")])
def test_own_folder_of_speakers(data, tmp_path):
    options = ("--corpus", "folder", "--data_folder", data, "--output_folder", tmp_path)
    answer = run_sh(*options, "--stop_stage", "2")  # test_readme.py goes on to the EER
    assert answer.returncode == 0, answer.stderr
    counts = {split: len(index_shards(tmp_path / "shards" / split)) for split in SPLITS}
    assert counts == {"train": 144, "val": 48, "dev": 48}


def test_existing_shards_are_used_where_dotenv_says(small, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "run.sh").write_bytes((ROOT / "run.sh").read_bytes())
    (project / "run.sh").chmod(0o755)
    for name in ("scripts", "recipes", *(path.name for path in ROOT.glob("requirements*.txt"))):
        (project / name).symlink_to(ROOT / name)
    (project / ".env").write_text("SCIENCE_USERNAME=me\nDATA_FOLDER=data\n")
    tree = project / "data" / "tiny-voxceleb"
    tree.mkdir(parents=True)
    for name in ("val_trials.txt", "dev_trials.txt"):
        (tree / name).write_bytes((small.corpus / name).read_bytes())
    (project / "data" / "tiny-voxceleb-shards").symlink_to(small.shards)
    env = {key: value for key, value in os.environ.items() if key != "DATA_FOLDER"}
    command = [project / "run.sh", "--output_folder", tmp_path / "out", "--stop_stage", "2"]
    options = {"cwd": tmp_path, "capture_output": True, "text": True}
    answer = subprocess.run(command, env={**env, "VENV_DIR": str(warm_environment())}, **options)
    assert answer.returncode == 0, answer.stderr
    assert "== stage 1: corpus tiny-voxceleb" in answer.stdout
    assert f"using the shards in {small.shards}" in answer.stdout
    assert Path(tmp_path / "out/shards").resolve() == small.shards


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--corpus", "nonsense"), "--corpus nonsense: expected tiny-voxceleb"),
        (("--stage", "5"), "--stage 5: expected 1 to 4"),
        (("--hparams", "none.yaml"), "none.yaml: no such file"),
        (("--learning_rate", "1"), "unknown option --learning_rate"),
        (("--stage",), "--stage needs a value"),
        (("--stage", "3", "--stop_stage", "2"), "--stage 3 is after --stop_stage 2"),
        (("--", "epochs", "2"), "expected options of the training as --key value, found epochs"),
        (("--", "--output_folder", "x"), "--output_folder belongs before --"),
        (("--device", "gpu"), "--device gpu: expected cpu or cuda"),
        (("--corpus", "synthetic", "--stage", "3"), "run stages 1 and 2 first"),
        (("--corpus", "folder"), "--corpus folder: give --data_folder"),
        (("--corpus", "voxceleb"), "--corpus voxceleb: give --data_folder"),
        (("--speakers", "20"), "--speakers: an option of --corpus voxceleb only"),
        (("--skip_bad",), "--skip_bad: an option of --corpus tiny-voxceleb and voxceleb only"),
        (("--choice",), "--choice needs a value"),
        (("--data_folder", "/nowhere"), "--data_folder /nowhere: no such folder"),
    ],
)
def test_wrong_options(tmp_path, arguments, message):
    answer = run_sh("--output_folder", tmp_path, *arguments)
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: ") and answer.stderr.count("\n") == 1
    assert message in answer.stderr


def test_help():
    answer = run_sh("--help")
    assert answer.returncode == 0 and answer.stdout.startswith("Usage: ./run.sh")
    options = re.findall(r"^    --(\w+)", (ROOT / "run.sh").read_text().split("case")[1], re.M)
    assert all(f"--{option}" in answer.stdout for option in options)
