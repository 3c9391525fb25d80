"""Every command of the READMEs is run, as it stands, in a fresh copy of the project."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import s3_server
from http_server import HttpServer
from s3_server import serve_s3

from conftest import ROOT
from local.corpora.synthetic import prepare_synthetic

SCORINGS = (
    "(cd ../.. && python -m benchmarks.limited_data.scorings --output_folder results/limited_data)"
)
SEARCH = (
    "python sweep.py hparams/ecapa_tdnn.yaml sweeps/ecapa_tdnn.yaml --study_folder results/search "
    "--shard_folder results/voices/shards --val_trials_path results/voices/corpus/val_trials.txt "
    "--dev_trials_path results/voices/corpus/dev_trials.txt"
)
ELSEWHERE = {
    "./test.sh": "it is what runs this test",
    "./run.sh --run slow -- --learning_rate 0.001": "test_run_sh.py runs it on one corpus",
    "scripts/download_data.sh": "test_scripts.py runs it against a stand-in for the cluster",
    "tensorboard --logdir results/voices": "a server; test_training.py reads the curves back",
    "./run.sh --corpus tiny-voxceleb": "test_run_sh.py runs it with data",
    "scripts/prepare_cluster.sh": "test_prepare_cluster.py runs it with a stand-in for Python",
    "cluster/submit.sh cluster/train.sbatch hparams/prototype.yaml": "test_slurm.py submits it",
    SEARCH: "test_sweep.py runs it with fewer trials",
    SCORINGS: "test_benchmarks.py runs it with other data",
    "(cd ../.. && python -m benchmarks.networks)": "test_benchmarks.py runs it for two networks",
    "(cd ../.. && python -m benchmarks.backend)": "test_benchmarks.py runs it with fewer trials",
    "(cd ../.. && python -m benchmarks.pipeline)": "test_benchmarks.py runs it with little data",
}
# What makes a command small enough for a test.
QUICK = ["--epochs", "1", "--crops_per_utterance", "2", "--num_workers", "0"]
TINY = ["--channels", "[8,8,8,8,24]", "--batch_size", "32", "--audio_length_num_frames", "16000"]


def commands(readme):
    text = (ROOT / readme).read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture
def clone(tmp_path_factory):
    """The tracked files, somewhere else, and a folder of own recordings."""
    folder = tmp_path_factory.mktemp("clone") / "TinyVoxCeleb"
    requirements = (path.name for path in ROOT.glob("requirements*.txt"))
    for name in ("run.sh", "scripts", "recipes", *requirements):
        source = ROOT / name
        ignore = shutil.ignore_patterns("results", "__pycache__")
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(source, folder / name)
    corpus = tmp_path_factory.mktemp("corpus") / "corpus"
    prepare_synthetic(corpus, num_train_speakers=6, num_dev_speakers=4, utterances_per_speaker=5)
    for split in ("train", "val", "dev"):
        shutil.copytree(corpus / split, folder / "my_recordings", dirs_exist_ok=True)
    return folder


@pytest.fixture
def environment(tmp_path_factory):
    """As on a machine without Debian's packages: the voices give way to artificial ones."""
    bin_folder = tmp_path_factory.mktemp("bin")
    for name in ("apt-get", "sudo"):
        (bin_folder / name).write_text("#!/bin/sh\nexit 1\n")
        (bin_folder / name).chmod(0o755)
    path = f"{bin_folder}:{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "VENV_DIR": sys.prefix, "DATA_FOLDER": ""}


def run(command, cwd, environment):
    if command.startswith("./run.sh"):
        command = f"{command} -- {' '.join(QUICK)}"
    elif re.search("train_speaker_embeddings.py|find_learning_rate.py", command):
        tiny = TINY if "ecapa" in command else []
        command = f"{command} {' '.join([*QUICK, *tiny])}"
    command = command.replace("results/voices", "results/synthetic")
    options = {"shell": True, "cwd": cwd, "env": environment, "capture_output": True, "text": True}
    answer = subprocess.run(command, **options)
    assert answer.returncode == 0, f"{command}\n{answer.stdout}{answer.stderr}"
    return answer.stdout


def test_commands(clone, environment):
    found = commands("README.md")
    assert found[:2] == ["./run.sh", "./test.sh"]
    for command in found:
        if command not in ELSEWHERE:
            output = run(command, clone, environment)
            assert "ARTIFICIAL voices" in output or "--corpus folder" in command
    found = commands("recipes/TinyVoxCeleb/README.md")
    assert sum(command.startswith("python ") for command in found) >= 3
    results = clone / "recipes/TinyVoxCeleb/results"
    with HttpServer(results / "synthetic") as web, serve_s3(results) as endpoint:
        environment |= s3_server.environment(endpoint)
        for command in found:
            if command not in ELSEWHERE:
                command = command.replace("https://example.org", web.url)
                command = command.replace("s3://bucket", "s3://synthetic")
                run(command, clone / "recipes/TinyVoxCeleb", environment)


def test_experiments_name_themselves():
    for path in (ROOT / "recipes/TinyVoxCeleb/hparams").glob("*.yaml"):
        if "log_config" not in path.name:
            assert f"hparams/{path.name} " in path.read_text(encoding="utf-8").split("\n\n")[0]


def test_results_are_given():
    readme = (ROOT / "recipes/TinyVoxCeleb/README.md").read_text(encoding="utf-8")
    assert "(../../docs/results.md)" in readme.partition("## Results\n")[2]
    text = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    for network in ("prototype", "best"):
        assert re.search(rf"^\| {network} \|(?: \*\*[\d.]+\*\*.*? \|){{3}}", text, re.M)


def test_nothing_is_claimed_to_run_elsewhere_in_vain():
    found = commands("README.md") + commands("recipes/TinyVoxCeleb/README.md")
    assert set(ELSEWHERE) <= set(found)
