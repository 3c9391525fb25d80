"""Every command of the READMEs and documents is run, as it stands, in a fresh copy."""

import os
import re
import shutil
import subprocess
import sys

import pytest

import s3_server
import speaker_models
from conftest import RECIPE, ROOT
from http_server import HttpServer
from local.corpora.synthetic import prepare_synthetic
from running import SHORT, TINY_ECAPA, train
from s3_server import serve_s3
from warm_python import warm_environment

pytestmark = pytest.mark.long

LIMITED_DATA = (
    "python -m benchmarks.limited_data --data_folder tiny-librispeech "
    "--channels_folder tiny-librispeech-channels --calls_folder phone-calls "
    "--moods_folder emodb --unseen_folder arabic-speakers --output_folder results/limited_data"
)
SCORINGS = "python -m benchmarks.limited_data.scorings --output_folder results/limited_data"
SEARCH = (
    "python sweep.py hparams/ecapa_tdnn.yaml sweeps/ecapa_tdnn.yaml --study_folder results/search "
    "--shard_folder results/voices/shards --val_trials_path results/voices/corpus/val_trials.txt "
    "--dev_trials_path results/voices/corpus/dev_trials.txt"
)
ELSEWHERE = {
    "./test.sh": "it is what runs this test",
    "./run.sh --run slow -- --learning_rate 0.001": "test_run_sh.py runs it on one corpus",
    "scripts/download_data.sh": "test_download.py runs it against a stand-in for the cluster",
    "tensorboard --logdir results/voices": "a server; test_training.py reads the curves back",
    "./run.sh --corpus tiny-voxceleb": "test_run_sh.py runs it with data",
    "./run.sh --corpus voxceleb --data_folder VOXCELEB": "test_run_sh.py runs it with little data",
    "scripts/prepare_cluster.sh": "test_prepare_cluster.py runs it with a stand-in for Python",
    "cluster/submit.sh cluster/train.sbatch hparams/prototype.yaml": "test_slurm.py submits it",
    SEARCH: "test_sweep.py runs it with fewer trials",
    LIMITED_DATA: "test_benchmarks.py runs it with other data",
    SCORINGS: "test_benchmarks.py runs it with other data",
    "python -m benchmarks.networks": "test_benchmarks.py runs it for two networks",
    "python -m benchmarks.scale": "test_benchmarks_of_scale.py runs a part of it with few files",
    "python -m benchmarks.backend": "test_benchmarks.py runs it with fewer trials",
    "python -m benchmarks.pipeline": "test_benchmarks.py runs it with little data",
}
# In the order in which their commands are called; test_slurm.py has those of docs/cluster.md.
IN_RECIPE = ("recipes/TinyVoxCeleb/README.md", "docs/shards.md", "docs/scoring.md", "docs/using.md")
DOCUMENTS = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))
# What makes a command small enough for a test.
QUICK = ["--epochs", "1", "--crops_per_utterance", "2", "--num_workers", "0"]
OF_RUN_SH = [*QUICK, "--min_epoch_steps", "0", "--base_channels", "4", "--rooms", "3"]
TINY = ["--channels", "[8,8,8,8,24]", "--batch_size", "32", "--audio_length_num_frames", "16000"]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands(*documents):
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in documents]
    found = [block for text in texts for block in blocks(text, "bash")]
    return [line for block in found for line in block.splitlines()]


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
    for place in (folder, folder / "recipes/TinyVoxCeleb"):
        for name, speaker in zip(("ann", "bob"), sorted((corpus / "dev").iterdir()), strict=False):
            (place / name).mkdir()
            paths = sorted(speaker.rglob("*.wav"))
            for number, path in enumerate(paths, start=1):
                shutil.copy(path, place / f"{name}/{number}.wav")
        for name in ("unknown", "meeting"):
            shutil.move(
                place / f"ann/{len(paths) - (name == 'meeting')}.wav", place / f"{name}.wav"
            )
    return folder


@pytest.fixture
def environment(tmp_path_factory):
    """As on a machine without Debian's packages: the voices give way to artificial ones."""
    bin_folder = tmp_path_factory.mktemp("bin")
    for name in ("apt-get", "sudo"):
        (bin_folder / name).write_text("#!/bin/sh\nexit 1\n")
        (bin_folder / name).chmod(0o755)
    warm = warm_environment()
    path = f"{bin_folder}:{warm}/bin:{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "VENV_DIR": str(warm), "DATA_FOLDER": ""}


def run(command, cwd, environment):
    if command.startswith("./run.sh"):
        command = f"{command} -- {' '.join(OF_RUN_SH)}"
    elif re.search("train_speaker_embeddings.py|find_learning_rate.py", command):
        tiny = TINY if "hparams/ecapa_tdnn.yaml" in command else []
        tiny = TINY[2:] if "--start_from" in command else tiny  # with the run's channels
        command = f"{command} {' '.join([*QUICK, *tiny])}"
    command = command.replace("results/voices", "results/synthetic")
    command = command.replace("venv/bin/python", "python")
    options = {"shell": True, "cwd": cwd, "env": environment, "capture_output": True, "text": True}
    answer = subprocess.run(command, **options)
    no = 1 if re.search(r"speaker\w*.py (verify|identify)", command) else 0  # as a network may say
    assert answer.returncode in (0, no), f"{command}\n{answer.stdout}{answer.stderr}"
    return answer.stdout


def test_commands(clone, environment):
    found = commands("README.md")
    assert found[:2] == ["./run.sh", "./test.sh"]
    for command in found:
        if command not in ELSEWHERE:
            output = run(command, clone, environment)
            assert (
                "speakers.py" in command
                or "ARTIFICIAL voices" in output
                or "--corpus folder" in command
            )
    found = commands(*IN_RECIPE)
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
    assert set(ELSEWHERE) <= set(commands("README.md", *IN_RECIPE, *DOCUMENTS))
    rest = set(commands(*DOCUMENTS)) - set(commands(*IN_RECIPE, "docs/cluster.md"))
    assert rest <= set(ELSEWHERE)  # what is called in the project's folder


def test_every_document_can_be_reached():
    pages, reached = ["README.md"], set()
    while pages:
        page = pages.pop()
        reached.add(page)
        text = (ROOT / page).read_text(encoding="utf-8")
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            path = (ROOT / page).parent.joinpath(link).resolve()
            assert path.exists(), f"{page}: {link}"
            name = str(path.relative_to(ROOT))
            pages += [name] if name.endswith(".md") and name not in reached else []
    expected = [*DOCUMENTS, "CHANGELOG.md", "CONTRIBUTING.md", "recipes/TinyVoxCeleb/README.md"]
    assert reached.issuperset(expected)


def test_networks_and_losses_of_a_user_train(small, tmp_path, monkeypatch):
    """The files that the recipe's README tells to write, as they stand."""
    text = (ROOT / IN_RECIPE[0]).read_text(encoding="utf-8").partition("## Add a network")[2]
    (code,), variants = blocks(text, "python"), blocks(text, "yaml")
    (tmp_path / "my_network.py").write_text(code)
    monkeypatch.setattr(speaker_models, "__path__", [*speaker_models.__path__, str(tmp_path)])
    hparams = shutil.copytree(RECIPE / "hparams", tmp_path / "hparams")
    for number, variant in enumerate(variants):
        path = hparams / f"variant_{number}.yaml"
        path.write_text(variant)
        options = SHORT if "embedding_model:" in variant else TINY_ECAPA  # of its own network
        folder = train(small, tmp_path / path.stem, *options, "--epochs", "1", hparams=str(path))
        assert (folder / "dev_eer.txt").is_file()
    assert "speaker_models.my_network.MyNetwork" in experiment(tmp_path / "variant_0")
    assert list(folder.glob("save/*/embedding_cost.ckpt"))
    train(
        *(small, tmp_path / "fine_tuning", "--start_from", str(tmp_path / "variant_0")),
        *("--epochs", "1", "--audio_length_num_frames", "8000"),
        hparams=str(hparams / "fine_tuning.yaml"),
    )
    assert "speaker_models.my_network.MyNetwork" in experiment(tmp_path / "fine_tuning")


def experiment(folder):
    return (folder / "experiment.yaml").read_text(encoding="utf-8")
