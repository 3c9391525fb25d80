"""The job scripts in a real SLURM, by the very commands of docs/cluster.md.

A training here waits for its shards: a command writes them that first sleeps for as long as a file
says. So it meets its time limit on the fastest machine, and afterwards need not be waited for.
"""

import re
import shutil
import subprocess
import sys

import pytest
from test_readme import commands

from conftest import ROOT
from local.search.study import open_study
from running import train
from slurm import Slurm, UnavailableError
from warm_python import warm_environment, warm_python

pytestmark = pytest.mark.long

# The commands of the document, by their beginnings.
TRAIN = "cluster/submit.sh cluster/train.sbatch"
VERIFY = "cluster/submit.sh cluster/verify.sbatch"
SWEEP = "cluster/submit.sh --array=1-5"
SEARCH = "cluster/submit.sh --array=1-4"
TWO_NODES = "cluster/submit.sh --nodes=2"
ON_CPU = "cluster/submit.sh --gres=none"
ELSEWHERE = {
    "cp .env.example .env": "test_prepare_cluster.py copies it",
    "scripts/prepare_cluster.sh": "test_prepare_cluster.py runs it with a stand-in for Python",
}

OPTIONS = ("--device", "cpu", "--batch_size", "8", "--epochs", "20", "--num_workers", "1")
PAUSE = 3  # seconds an epoch: a minute in all
# SLURM looks every 30 s for jobs to be signalled: it finds these 22 to 52 s after they start.
LIMIT = {"SBATCH_TIMELIMIT": "1", "SBATCH_SIGNAL": "B:USR1@8"}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    subprocess.run([warm_python(), "-c", ""], check=True)  # before any job's time runs
    try:
        cluster.start()
        yield cluster
    except UnavailableError as reason:
        pytest.skip(str(reason))
    finally:
        cluster.stop()


def documented(start):
    """The one command of the document that begins so."""
    (command,) = (one for one in commands("docs/cluster.md") if one.startswith(start))
    return command


class Project:
    """A copy of the project on a cluster, with data and .env, whose jobs run in the SLURM."""

    def __init__(self, folder, slurm, small):
        self.folder, self.slurm, self.small = folder / "TinyVoxCeleb", slurm, small
        for name in ("cluster", "recipes"):
            ignore = shutil.ignore_patterns("results", "__pycache__")
            shutil.copytree(ROOT / name, self.folder / name, ignore=ignore)
        data = self.folder / "data"
        data.mkdir()
        (data / "tiny-voxceleb").symlink_to(small.corpus)
        (data / "tiny-voxceleb-shards").symlink_to(small.shards)
        (self.folder / ".env").write_text(
            f"DATA_FOLDER=data\nVENV_DIR={warm_environment()}\nSBATCH_PARTITION=students\nSBATCH_ACCOUNT=\n"
        )
        self.pause = folder / "pause"
        self.set_pause(PAUSE)
        (shard,) = small.shards.glob("train/*.tar")
        source = f"pipe:sleep $(cat {self.pause}); cat {shard}"
        self.train_shards = ("--train_shards", source, "--shard_cache", "")

    def set_pause(self, seconds):
        self.pause.write_text(f"{seconds}\n")

    def submit(self, start, *options, replace=(), **env):
        """Submit by the command that begins so, with further options of the script."""
        command = documented(start)
        for old, new in replace:
            command = command.replace(old, new)
        quoted = " ".join(f"'{option}'" for option in options)
        return self.slurm.submit(f"{command} {quoted}", self.folder, **env)

    def train(self, start, *options, **how):
        return self.submit(start, *self.train_shards, *OPTIONS, *options, **how)

    def call(self, start):
        return self.slurm.call(documented(start), self.folder)

    def said(self, job):
        return (self.folder / f"slurm-{job}.out").read_text()

    def results(self, name):
        return self.folder / "recipes/TinyVoxCeleb/results" / name


@pytest.fixture
def project(tmp_path, slurm, small):
    return Project(tmp_path, slurm, small)


def same_result(run, other):
    """Whether two runs have left the same curves and, to the last bit, the same network."""
    logs = [(folder / "train_log.csv").read_text() for folder in (run, other)]
    networks = [
        [(path.name, path.read_bytes()) for path in sorted(folder.glob("inference/*.ckpt"))]
        for folder in (run, other)
    ]
    return logs[0] == logs[1] and networks[0] == networks[1] and len(networks[0]) > 1


def restarts(task):
    return int(task["Restarts"])


def test_a_training_outlives_its_time_limit(project, tmp_path):
    slurm = project.slurm
    job = project.train(TRAIN, **LIMIT)
    sweep = project.train(SWEEP, replace=[("1-5", "1-2")], **LIMIT)
    seen = []

    def both_stopped(_):
        tasks = slurm.tasks(sweep)
        seen.append([task["JobState"] for task in tasks])
        return any(map(restarts, slurm.tasks(job))) and any(map(restarts, tasks))

    slurm.wait(job, both_stopped)
    project.set_pause(0)
    (task,) = slurm.finish(job)
    first, second = sorted(slurm.finish(sweep), key=lambda task: int(task["ArrayTaskId"]))
    # Those of a sweep run one after the other; the first was requeued alone.
    assert all(states.count("RUNNING") <= 1 for states in seen)
    for one in (task, first):
        assert (one["JobState"], restarts(one)) == ("COMPLETED", 1), slurm.tell([one])
    assert second["JobState"] == "COMPLETED", slurm.tell([second])  # it may have been stopped too

    said = project.said(job)
    assert re.search(r"stopped by SIGUSR1 in epoch \d+ after \d of \d steps; the same", said)
    assert f"The time limit is near: job {job} goes back to the queue." in said
    assert f"job {sweep}_1 goes back to the queue" in project.said(f"{sweep}_1")
    for run, seed in (("prototype/1337", 1337), ("sweep/1", 1), ("sweep/2", 2)):
        options = (*project.train_shards, *OPTIONS, "--random_seed", str(seed))
        whole = train(project.small, tmp_path / "whole" / str(seed), *options)
        assert same_result(project.results(run), whole)

    # A complete training ends at once, and one that fails is not tried again.
    again = project.train(TRAIN)
    wrong = project.train(TRAIN, "--learning_rate", "1")
    scoring = project.submit(VERIFY, "--device", "cpu")
    staged = {"STAGE_SHARDS_TO": str(project.folder / "staged")}
    near = project.submit(TRAIN, *OPTIONS, "--output_folder", "results/near", **staged)
    ends = {again: "COMPLETED", wrong: "FAILED", scoring: "COMPLETED", near: "COMPLETED"}
    for number, state in ends.items():
        (task,) = slurm.finish(number)
        assert (task["JobState"], restarts(task)) == (state, 0), slurm.tell([task])
    assert "this run is complete" in project.said(again)
    assert {path.parent.name for path in project.folder.glob("staged/*/shard-*.tar")} >= {"train"}
    assert "holds a run with learning_rate" in project.said(wrong)
    trials = (project.small.corpus / "dev_trials.txt").read_text().splitlines()
    scores = project.results("prototype/1337/scores.txt").read_text().splitlines()
    assert len(scores) == len(trials)


def test_two_nodes_and_a_job_that_is_cancelled(project, tmp_path):
    slurm = project.slurm
    job = project.train(TWO_NODES, **LIMIT)
    cancelled = project.train(ON_CPU, VENV_DIR=sys.prefix)  # SLURM itself signals its processes
    slurm.wait(cancelled, lambda _: list(project.results("on_cpu/save").glob("CKPT*")))
    assert all(number in project.call("squeue") for number in (job, cancelled))
    project.call("scancel")  # that of this name, not the other
    (task,) = slurm.finish(cancelled)
    assert task["JobState"] == "CANCELLED"
    assert "stopped by SIGTERM" in project.call("tail")

    slurm.wait(job, lambda tasks: restarts(tasks[0]) == 1)
    assert "stopped by SIGUSR1" in project.said(job)
    project.set_pause(0)
    resumed = project.train(ON_CPU)
    one_node = project.train(
        TWO_NODES,
        replace=[("--nodes=2", "--nodes=1 --gres=none"), ("two_nodes", "one_node")],
        PROCESSES_PER_NODE="2",
    )
    for number in (job, resumed, one_node):
        (task,) = slurm.finish(number)
        assert task["JobState"] == "COMPLETED", slurm.tell([task])
    assert same_result(project.results("two_nodes"), project.results("one_node"))
    whole = train(project.small, tmp_path / "whole", *project.train_shards, *OPTIONS)
    assert same_result(project.results("on_cpu"), whole)


def test_a_search_whose_task_is_put_off(project):
    slurm, folder = project.slurm, project.results("search")
    few = ("--n_trials", "3", "--epochs", "4", "--crops_per_utterance", "1", "--num_workers", "1")
    options = (*project.train_shards, "--device", "cpu", *few)
    job = project.submit(SEARCH, *options, replace=[("1-4%2", "1-2")])
    slurm.wait(job, lambda _: len(list(folder.glob("trials/*/save/CKPT+epoch_0001*"))) == 2)
    slurm.call(f"scontrol requeue {job}_1")  # as for a more important job
    project.set_pause(0)
    tasks = slurm.finish(job)
    assert {task["JobState"] for task in tasks} == {"COMPLETED"}, slurm.tell(tasks)
    assert sorted(map(restarts, tasks)) == [0, 1]
    assert "stopped by SIGTERM in trial" in project.said(f"{job}_1")
    trials = open_study(folder).get_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 3
    assert all(len(trial.intermediate_values) == 4 for trial in trials)


def test_every_command_of_the_document_is_run():
    starts = (TRAIN, VERIFY, SWEEP, SEARCH, TWO_NODES, ON_CPU, "squeue", "scancel", "tail")
    rest = [one for one in commands("docs/cluster.md") if not one.startswith(starts)]
    assert set(rest) == set(ELSEWHERE)
