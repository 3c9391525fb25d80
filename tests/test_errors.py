"""What goes wrong on the command line is one line on stderr, exit code 1 and no traceback."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

import pytest
import torch

import train_speaker_embeddings
from conftest import RECIPE
from local.errors import RecipeError, end_at_interrupts, first_of, one_line_errors
from local.files import atomic_file, atomic_folder
from running import ECAPA, PROTOTYPE, QUICK, VERIFICATION, data_options, one_line, train, verify
from shard_writing import member_pair, write_tar
from warm_python import warm_python

pytestmark = pytest.mark.long


def test_no_shards(small, tmp_path, capsys):
    (tmp_path / "shards/train").mkdir(parents=True)
    message = one_line(capsys, train, small, tmp_path / "run", shards=tmp_path / "shards")
    assert f"{tmp_path}/shards/train: expected shards named shard-*.tar" in message


def test_truncated_shard(small, own_shards, tmp_path, capsys):
    shard = own_shards / "dev/shard-000000.tar"
    shard.write_bytes(shard.read_bytes()[:100_000])
    message = one_line(capsys, train, small, tmp_path / "run", shards=own_shards)
    assert "dev/shard-000000.tar: holds 100,000 bytes where shards.json tells " in message
    (shard.parent / "shards.json").unlink()  # as of the original data
    message = one_line(capsys, train, small, tmp_path / "run", shards=own_shards)
    assert "dev/shard-000000.tar: truncated" in message


def test_val_speaker_beyond_the_classes(small, own_shards, tmp_path, capsys):
    write_tar(own_shards / "val/shard-000001.tar", member_pair(0, "new/x/0", 6))
    message = one_line(capsys, train, small, tmp_path / "run", shards=own_shards)
    assert "class_idx of new/x/0 is 6: expected 0 to 5" in message


def test_unreadable_audio_in_a_shard(small, own_shards, tmp_path, capsys):
    speaker = min(path.name for path in (small.corpus / "train").iterdir())
    pair = member_pair(0, f"{speaker}/x/0", 0, audio=b"not audio")
    write_tar(own_shards / "train/shard-000001.tar", pair)
    message = one_line(
        capsys, train, small, tmp_path / "run", "--num_workers", "2", shards=own_shards
    )
    assert f"{speaker}/x/0: unreadable audio" in message


def test_trial_without_utterance(small, tmp_path, capsys):
    trials = tmp_path / "trials.txt"
    trials.write_text("1 a/x/0 a/y/0\n0 a/x/0 b/x/0\n")
    message = one_line(capsys, train, small, tmp_path / "run", "--val_trials_path", str(trials))
    assert (
        "2 of 2 trials name utterances that are in no shard, 3 in all, first a/x/0, a/y" in message
    )


@pytest.mark.parametrize("line", ["1 only/one/id", "0 a/x/0 a/y/0"])
def test_bad_trial_list(small, tmp_path, capsys, line):
    (tmp_path / "trials.txt").write_text(f"{line}\n")
    options = ("--dev_trials_path", str(tmp_path / "trials.txt"))
    assert "trials.txt:1: " in one_line(capsys, train, small, tmp_path / "run", *options)


def test_dev_list_without_labels(small, tmp_path, capsys):
    text = (small.corpus / "dev_trials.txt").read_text()
    text = "".join("-1" + line[1:] for line in text.splitlines(keepends=True))
    (tmp_path / "trials.txt").write_text(text)
    options = ("--dev_trials_path", str(tmp_path / "trials.txt"))
    message = one_line(capsys, train, small, tmp_path / "run", *options)
    assert "0 target and 0 non-target trials: an EER needs both kinds" in message


def test_unknown_key(small, tmp_path, capsys):
    message = one_line(capsys, train, small, tmp_path, "--learning_rat", "1")
    assert "--learning_rat: unknown key" in message and "did you mean learning_rate?" in message


def test_stray_argument(small, tmp_path, capsys):
    message = one_line(capsys, train, small, tmp_path, "stray")
    assert "--num_workers: expected a whole number" in message and "'0 stray'" in message


def test_missing_key(tmp_path, capsys):
    message = one_line(capsys, train_speaker_embeddings.main, [PROTOTYPE])
    assert "give --shard_folder, --val_trials_path, --dev_trials_path" in message


def test_missing_and_broken_hparams(small, tmp_path, capsys):
    message = one_line(capsys, train, small, tmp_path, hparams="nowhere.yaml")
    assert "nowhere.yaml: no such hparams file" in message
    (tmp_path / "broken.yaml").write_text("a: [1\n")
    message = one_line(capsys, train, small, tmp_path, hparams=str(tmp_path / "broken.yaml"))
    assert "broken.yaml or its options: not valid YAML" in message


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_where_there_is_none(small, tmp_path, capsys):
    message = one_line(capsys, train, small, tmp_path, "--device", "cuda")
    assert "--device cuda: no CUDA device here" in message
    message = one_line(capsys, verify, tmp_path, [], [], tmp_path, "--device", "cuda:0")
    assert "--device cuda:0: no CUDA device here" in message


def test_verification_in_several_processes(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    message = one_line(capsys, verify, tmp_path, [], [], tmp_path / "scores.txt")
    assert "verification runs in one" in message


def test_output_folder_that_cannot_be_made(small, tmp_path, capsys):
    (tmp_path / "file").touch()
    message = one_line(capsys, train, small, tmp_path / "file" / "run")
    assert "cannot be made (Not a directory)" in message


# Runs a module without the powers of root, who may read and write everywhere.
POWERLESS = """
import ctypes, runpy, sys
header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()  # version 3, no set
assert ctypes.CDLL(None).capset(header, none) == 0
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def run_powerless(*command):
    command = [warm_python(), "-c", POWERLESS, *map(str, command)]
    return subprocess.run(command, capture_output=True, text=True, cwd=RECIPE)


@pytest.mark.parametrize(
    "begun, said",
    [
        (False, ": {}/index cannot be made (Permission denied): choose another"),
        (True, " {}: not writable; choose another"),
    ],
)
def test_output_folder_not_writable(small, trained, tmp_path, begun, said):
    run = tmp_path / "run"
    if begun:
        shutil.copytree(trained, run)
    run.mkdir(exist_ok=True)
    run.chmod(0o500)
    command = ["train_speaker_embeddings", PROTOTYPE, *data_options(small)]
    answer = run_powerless(*command, "--output_folder", run)
    assert answer.returncode == 1
    assert answer.stderr == f"error: output_folder{said.format(run)}\n"


def test_one_speaker(small, own_shards, tmp_path, capsys):
    shutil.rmtree(own_shards / "train")
    write_tar(own_shards / "train/shard-000000.tar", member_pair(0, "a/x/0", 0))
    message = one_line(capsys, train, small, tmp_path / "run", shards=own_shards)
    assert "found 1 speaker: expected at least two" in message


def test_no_trained_network(small, tmp_path, capsys):
    lists = [small.corpus / "dev_trials.txt"]
    message = one_line(capsys, verify, tmp_path, [small.shards / "dev"], lists, tmp_path / "s.txt")
    assert "no trained network here" in message


def test_the_same_utterance_in_two_folders(small, own_shards, tmp_path, capsys):
    folders, lists = [small.shards / "dev", own_shards / "dev"], [small.corpus / "dev_trials.txt"]
    bundle = tmp_path / "run/inference"  # nothing of it is loaded before the lists are checked
    bundle.mkdir(parents=True)
    for name in ("label_encoder.ckpt", "hyperparams.yaml"):
        (bundle / name).touch()
    message = one_line(capsys, verify, tmp_path / "run", folders, lists, tmp_path / "s.txt")
    assert "is in both" in message


def test_no_traceback_unless_asked_for(tmp_path):
    command = [warm_python(), str(RECIPE / "speaker_verification.py"), VERIFICATION]
    command += ["--checkpoint", "x", "--shards_dirs_to_evaluate", str(tmp_path)]
    command += ["--trial_lists", "x", "--score_file", "x"]
    short, long = (
        subprocess.run([*command, *extra], capture_output=True, text=True)
        for extra in ((), ("--debug",))
    )
    assert short.returncode == long.returncode == 1
    assert short.stderr.startswith("error: ") and short.stderr.count("\n") == 1
    assert "Traceback" in long.stderr


def test_interrupt():
    with pytest.raises(SystemExit) as stop, one_line_errors():
        raise KeyboardInterrupt
    assert stop.value.code == 130


COMMANDS = [
    *("train_speaker_embeddings.py", "speaker_verification.py", "sweep.py"),
    *("find_learning_rate.py", "-m local.corpora", "-m local.shards", "-m local.shards.stage"),
    *("-m local.embeddings", "-m local.scoring", "-m local.scoring.fusion"),
    *("-m local.metrics", "-m local.report"),
]
# A finder of modules that sends Ctrl-C at the import of one that every command needs late.
INTERRUPTING = """
import os, signal, sys
class Finder:
    def find_spec(name, path=None, target=None):
        if name in ("numpy", "optuna", "webdataset", "torch.nn"):
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder)
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_an_interrupt_while_libraries_are_imported(tmp_path, command):
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    options = {"cwd": RECIPE, "env": environment, "capture_output": True, "text": True}
    answer = subprocess.run([sys.executable, *command.split()], **options, timeout=60)
    assert (answer.returncode, answer.stdout, answer.stderr) == (130, "", "")


def test_an_import_of_a_station_leaves_interrupts_as_they_are():
    code = "import signal, local.errors; print(signal.getsignal(signal.SIGINT).__name__)"
    options = {"cwd": RECIPE, "capture_output": True, "text": True}
    answer = subprocess.run([sys.executable, "-c", code], **options)
    assert answer.stdout == "default_int_handler\n"


def test_interrupts_are_errors_again_once_work_begins():
    kept = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        end_at_interrupts()
        with pytest.raises(SystemExit) as stop, one_line_errors():
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.value.code == 130
    finally:
        signal.signal(signal.SIGINT, kept)


def test_a_training_whose_screen_is_closed_goes_on(small, tmp_path):
    command = [warm_python(), str(RECIPE / "train_speaker_embeddings.py"), PROTOTYPE, *QUICK]
    command += [*data_options(small), "--epochs", "3", "--output_folder", str(tmp_path / "run")]
    answer = subprocess.run(
        f"({shlex.join(command)}; echo $? >&2) | head -1",
        **{"shell": True, "capture_output": True, "text": True, "cwd": RECIPE},
    )
    assert answer.stdout.startswith("9 steps in 3 epochs: ") and answer.stdout.count("\n") == 1
    assert answer.stderr.splitlines()[-1] == "0"
    assert "Error" not in answer.stderr and "Logging" not in answer.stderr
    assert "epoch 3: " in (tmp_path / "run/log.txt").read_text()
    assert (tmp_path / "run/dev_eer.txt").exists()


@pytest.mark.parametrize("key", ["val_trials_path", "dev_trials_path"])
@pytest.mark.parametrize("name", ["absent.txt", "."])
def test_a_wrong_path_leaves_no_output_folder(small, tmp_path, capsys, key, name):
    path = tmp_path / name
    message = one_line(capsys, train, small, tmp_path / "run", f"--{key}", str(path))
    assert f"--{key}: {path}: no such file" in message
    assert not (tmp_path / "run").exists()


def test_other_exceptions_keep_their_traceback():
    with pytest.raises(ZeroDivisionError), one_line_errors():
        _ = 1 / 0


def test_a_failed_file_or_folder_leaves_what_was_there(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/old").touch()
    with pytest.raises(RecipeError), atomic_file(tmp_path / "file") as fout:
        fout.write("new")
        raise RecipeError("failed")
    with pytest.raises(RecipeError), atomic_folder(tmp_path / "folder") as folder:
        (folder / "new").touch()
        raise RecipeError("failed")
    assert (tmp_path / "file").read_text() == "old"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder", "old"]


def test_value_of_the_wrong_kind(small, tmp_path, capsys):
    message = one_line(capsys, train, small, tmp_path, "--epochs", "many")
    assert "--epochs: expected a whole number from 1 (30 in" in message and "'many'" in message
    message = one_line(capsys, train, small, tmp_path, "--channels", "8", hparams=ECAPA)
    assert "ecapa_tdnn.yaml: Invalid argument to class" in message


def test_small_numbers_in_scientific_notation(small, tmp_path):
    run = train(small, tmp_path, "--learning_rate", "1e-3", "--epochs", "1")
    assert "lr: 1.0000e-03" in (run / "train_log.txt").read_text()


@pytest.mark.parametrize(
    "options, message",
    [
        (("--batch_size", "0"), "--batch_size: expected a whole number from 1"),
        (("--batch_size", "2.5"), "--batch_size: expected a whole number from 1"),
        (("--train_loggers", "2"), "--train_loggers: made by"),
        (("--audio_length_num_frames", "100"), "crops of 100 audio samples"),
        (("--audio_length_num_frames", "1000000"), "samples, but the longest utterance in"),
        (("--ema_decay", "1"), "ema_decay 1.0: expected 0 (no average) or more, below 1"),
        (("--crops_per_speaker", "3"), "batch_size 8: expected a multiple of crops_per_speaker 3"),
        (("--device", "nonsense"), "--device nonsense: expected cpu or cuda"),
        (("--precision", "fp16"), "--precision fp16: a CPU has none"),
        (("--test_only",), "no epoch to test"),
    ],
)
def test_values_that_cannot_be(small, tmp_path, capsys, options, message):
    assert message in one_line(capsys, train, small, tmp_path / "run", *options)


def test_sizes_that_do_not_go_together(small, tmp_path, capsys):
    options = ("--channels", "[8,8]")
    message = one_line(capsys, train, small, tmp_path / "run", *options, hparams=ECAPA)
    assert "ecapa_tdnn.yaml: assert len(channels) == len(kernel_sizes); check the val" in message


@pytest.mark.parametrize("name", ["a #1: b=c", "2024", "with blank", "{x}"])
def test_output_folders_of_any_name(small, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    train(small, name, "--epochs", "1")
    assert (tmp_path / name / "inference/hyperparams.yaml").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    lists = [small.corpus / "dev_trials.txt"]
    assert verify(name, [small.shards / "dev"], lists, f"{name}/scores.txt")


def test_score_file_that_cannot_be_written(small, tmp_path, capsys):
    (tmp_path / "file").touch()
    lists = [small.corpus / "dev_trials.txt"]
    score_file = tmp_path / "file/scores.txt"
    message = one_line(capsys, verify, tmp_path, [small.shards / "dev"], lists, score_file)
    assert "scores.txt: its folder cannot be made (" in message


@pytest.mark.parametrize(
    "names, options, expected",
    [
        ([], {}, ""),
        (["a"], {}, "a"),
        (list("abcde"), {}, "a, b, c, d, e"),
        (list("abcdef"), {}, "a, b, c, d, e, …"),
        ({3: "x", 1: "y"}, {"count": 1}, "3, …"),
        (["a: b", "c: d"], {"count": 1, "joiner": "; "}, "a: b; …"),
    ],
)
def test_the_first_of_some_names(names, options, expected):
    assert first_of(names, **options) == expected


def test_names_are_cut_in_one_place():
    paths = (RECIPE / "local").rglob("*.py")
    found = [path for path in paths if re.search("[\"'], …[\"']", path.read_text(encoding="utf-8"))]
    assert found == []


CLOSED = {"no entering": 0o600, "no listing": 0o300, "neither": 0o000}


@pytest.mark.parametrize("mode", CLOSED.values(), ids=CLOSED.keys())
@pytest.mark.parametrize("place", [".", "train", "dev"])
def test_a_shard_folder_that_is_closed_is_named(small, own_shards, tmp_path, mode, place):
    if (place, mode) == (".", 0o300):
        return  # whose folders can be named
    command = ["train_speaker_embeddings", PROTOTYPE, *data_options(small, own_shards)]
    (own_shards / place).chmod(mode)
    answer = run_powerless(*command, "--output_folder", tmp_path / "run")
    checked = run_powerless("local.shards", "--check", own_shards)
    (own_shards / place).chmod(0o700)
    for said in (answer, checked):
        assert said.returncode == 1 and len(said.stderr.splitlines()) == 1
        assert str(own_shards) in said.stderr and "Permission denied" in said.stderr
    assert f"{own_shards / ('train' if place == '.' else place)}: cannot be read" in answer.stderr
    assert "output_folder" not in answer.stderr
