"""A real SLURM of two nodes on this machine, for tests: munged, slurmctld and two slurmd.

It needs root and Debian's slurm-wlm and munge; nothing of the machine's own SLURM is touched.
"""

import contextlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path

PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED")
# Each node says that it has more than the job scripts ask for, whatever this machine has. A file
# stands for its GPU. Nothing here needs control groups, but slurmd wants their plugin.
CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=2
GresTypes=gpu
NodeName=DEFAULT CPUs=16 RealMemory=65536 Gres=gpu:1
NodeName=node1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]}
NodeName=node2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]}
PartitionName=students Nodes=ALL Default=YES MaxTime=12:00:00 State=UP
"""


class UnavailableError(Exception):
    """No SLURM can be started here; the message tells why."""


class Slurm:
    """Submits jobs and follows them.

    Arguments
    ---------
    folder : Path
        An empty one.
    """

    def __init__(self, folder):
        self.folder = folder
        self.daemons = []
        self.sped = set()  # starts of jobs that were brought forward
        self.env = {**os.environ, "PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}

    def start(self, timeout=30):
        """Start the daemons and wait for the nodes."""
        missing = [
            name for name in ("munged", "slurmctld", "slurmd") if not shutil.which(name, path=PATH)
        ]
        if missing:
            raise UnavailableError(f"no {missing[0]} here: see scripts/install_slurm.sh")
        if os.geteuid():
            raise UnavailableError("starting SLURM's daemons takes root")
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        (self.folder / "state").mkdir()
        ports = _free_ports(3)
        text = CONFIGURATION.format(folder=self.folder, ports=ports)
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        own = [f"--{name}-file={self.folder}/munged.{name}" for name in ("log", "pid", "seed")]
        socket_option = f"--socket={self.folder}/munge.socket"
        self._daemon("munged", "--force", "--foreground", f"--key-file={key}", socket_option, *own)
        self._until(lambda: (self.folder / "munge.socket").exists(), timeout, "munged")
        self._daemon("slurmctld", "-D", "-i")
        for node in ("node1", "node2"):
            self._daemon("slurmd", "-D", "-N", node)
        self._until(lambda: self.call("sinfo -h -o %T", check=False).split() == ["idle"], timeout)

    def stop(self):
        """Cancel what still runs, and end the daemons."""
        if len(self.daemons) == 4:
            self.call("scancel --me", check=False)
            with contextlib.suppress(UnavailableError):
                self._until(lambda: not self.call("squeue -h", check=False).strip(), 40)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()

    def call(self, command, cwd=None, check=True, **env):
        """Run a command; returns what it prints."""
        env = {**self.env, **env}
        options = {"capture_output": True, "text": True, "cwd": cwd, "env": env}
        answer = subprocess.run(command, shell=True, **options)
        assert answer.returncode == 0 or not check, f"{command}\n{answer.stdout}{answer.stderr}"
        return answer.stdout

    def submit(self, command, cwd, **env):
        """Submit a job as a command does; returns its number."""
        said = self.call(command, cwd, **env)
        return re.fullmatch(r"Submitted batch job (\d+)\n", said)[1]

    def tasks(self, job):
        """What SLURM knows of a job, or of each task of an array: a list of dict of str to str."""
        lines = self.call(f"scontrol show job --oneliner {job}").splitlines()
        return [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines]

    def wait(self, job, until, timeout=180):
        """Wait until something holds of the tasks of a job; returns them."""
        end = time.monotonic() + timeout
        while not until(tasks := self.tasks(job)):
            ended = all(task["JobState"] in ENDED for task in tasks)
            assert not ended and time.monotonic() < end, self.tell(tasks)
            time.sleep(0.3)
        return tasks

    def tell(self, tasks):
        """States of tasks and what they have said, for the message of a test that fails."""
        text = ""
        for task in tasks:
            text += "job {JobId}: {JobState}, {Reason}, {Restarts} restarts\n".format(**task)
            said = Path(task["StdOut"].replace("%a", task.get("ArrayTaskId", "")))
            text += said.read_text() if said.exists() else ""
        return text

    def finish(self, job, timeout=180):
        """Wait until a job has ended; one that was requeued has now all the time it needs."""

        def ended(tasks):
            for task in tasks:
                self.start_again(task)
            return all(task["JobState"] in ENDED for task in tasks)

        return self.wait(job, ended, timeout)

    def start_again(self, task):
        """Give a requeued job an hour, and not in two minutes but in three seconds.

        Not at once: a node does not let a job in that it has just let out.
        """
        name = task["JobId"]
        if "ArrayTaskId" in task:
            name = f"{task['ArrayJobId']}_{task['ArrayTaskId']}"
        start = (name, task["Restarts"])
        if (task["JobState"], task["Reason"]) == (
            "PENDING",
            "BeginTime",
        ) and start not in self.sped:
            self.sped.add(start)
            self.call(f"scontrol update JobId={name} TimeLimit=60 StartTime=now+3seconds")

    def _daemon(self, *command):
        # None of them is to outlive the tests, however these end.
        bind = [setpriv, "--pdeathsig", "TERM"] if (setpriv := shutil.which("setpriv")) else []
        with open(self.folder / f"{len(self.daemons)}.{command[0]}.log", "wb") as log:
            output = {"stdout": log, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
            self.daemons.append(subprocess.Popen([*bind, *command], env=self.env, **output))

    def _until(self, condition, timeout, name="SLURM"):
        end = time.monotonic() + timeout
        while not condition():
            ended = [daemon for daemon in self.daemons if daemon.poll() is not None]
            if ended or time.monotonic() > end:
                logs = sorted(self.folder.glob("*.log"))
                tails = [f"{log.name}: {log.read_text(errors='replace')[-500:]}" for log in logs]
                raise UnavailableError(f"{name} does not start here:\n" + "\n".join(tails))
            time.sleep(0.1)


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
