#!/usr/bin/env bash
# Makes the virtual environment of the project. Where it is complete already, nothing is installed.
#
#   scripts/setup_virtual_environment.sh [--dev]
#
# --dev     also installs what the tests and the lint need
# VENV_DIR  where to make it, e.g. on a node's scratch disk (default: venv; a relative path counts
#           from the project's folder)
# PYTHON    the Python to make it with, a name or an absolute path (default: the first that fits of
#           python3, python3.14, ..., python3.11)
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
venv=${VENV_DIR:-venv}
stamp=$venv/.setup.stamp         # written last: what is installed, and for which Python
dev_stamp=$venv/.setup-dev.stamp # the same for --dev
lock=$venv/.setup.lock           # also marks the folder as ours from the first moment
report=""                        # the versions, once everything has been imported
export PIP_DISABLE_PIP_VERSION_CHECK=1

die() {
    echo "error: $*" >&2
    exit 1
}

# Sets python and python_version. Candidates are tried by running them: a name on PATH may be a shim
# that fails. An environment goes on using the Python that it was made with, whatever the shell has
# activated since.
find_python() {
    local candidate answer has_ensurepip found=""
    local candidates=("$venv/bin/python" python3 python3.14 python3.13 python3.12 python3.11)
    # The base interpreter: the one that answers may be in the environment that is made anew below
    local probe='
import sys
try:
    import ensurepip
except ImportError:
    ensurepip = None
executable = getattr(sys, "_base_executable", sys.executable)
print("%d %d %d %s %s" % (tuple(sys.version_info[:3]) + (ensurepip is not None, executable)))'
    if [ -n "${PYTHON:-}" ]; then candidates=("$PYTHON"); fi

    for candidate in "${candidates[@]}"; do
        answer=$("$candidate" -c "$probe" 2>/dev/null) || answer=""
        if ! [[ $answer =~ ^([0-9]+)\ ([0-9]+)\ ([0-9]+)\ (True|False)\ (.+)$ ]]; then
            if [ -n "${PYTHON:-}" ]; then found="$candidate does not run, "; fi
            continue
        fi
        python_version=${BASH_REMATCH[1]}.${BASH_REMATCH[2]}.${BASH_REMATCH[3]}
        has_ensurepip=${BASH_REMATCH[4]}
        python=${BASH_REMATCH[5]}
        if ! [[ $python_version =~ ^3\.1[1-4]\. ]]; then
            found+="$candidate is $python_version, "
        elif [ "$has_ensurepip" = False ]; then
            found+="$candidate is $python_version without the module ensurepip, "
        else
            return 0
        fi
    done
    found=${found:-no python3, }
    die "Python 3.11 to 3.14 with its venv module is needed; found: ${found%, }." \
        "Install one (Debian: apt-get install python3-venv) or set PYTHON to one."
}

# key FILE...: what the stamp of an environment made from these requirements says
key() {
    echo "Python $python_version, $*, $(cat "$@" | cksum)"
}

has_stamp() { # has_stamp STAMP KEY
    [ -f "$1" ] && [ "$(<"$1")" = "$2" ]
}

write_stamp() { # write_stamp STAMP KEY
    echo "$2" >"$1.tmp"
    mv -- "$1.tmp" "$1"
}

has_gpu() {
    [[ "$(nvidia-smi -L 2>/dev/null)" == GPU* ]]
}

# The CUDA build runs on a CPU too: nodes with and without a GPU can share an environment with it.
is_installed() {
    has_stamp "$stamp" "$(key requirements.txt)" ||
        { ! has_gpu && has_stamp "$stamp" "$(key requirements.txt requirements_cpu.txt)"; }
}

is_dev_installed() {
    [ "$dev" = no ] || has_stamp "$dev_stamp" "$(key requirements_dev.txt)"
}

imports() {
    local status=0
    report=$("$venv/bin/python" -W ignore -c '
import torch, torchaudio, speechbrain, webdataset
modules = torch, torchaudio, speechbrain, webdataset
print(*(f"{module.__name__} {module.__version__}" for module in modules), sep=", ")' 2>&1) || status=$?
    report=${report##*$'\n'} # the versions, or what the error was
    return $status
}

is_complete() {
    is_installed && is_dev_installed && imports
}

# -qq still shows pip's errors, only not its warnings.
pip_install() {
    "$venv/bin/python" -m pip install -qq --no-input "$@" ||
        die "pip failed, see above; run this again to repeat it."
}

# Beside a torch without CUDA the libraries in torchaudio's wheel, which are linked against CUDA,
# cannot be loaded. Without them torchaudio runs in pure Python, as it is built to do.
free_torchaudio_of_cuda() {
    "$venv/bin/python" -W ignore -c '
import importlib.util, pathlib, torch
try:
    import torchaudio
except (ImportError, OSError):
    if torch.version.cuda is None:
        folder = pathlib.Path(importlib.util.find_spec("torchaudio").origin).parent / "lib"
        libraries = sorted(folder.glob("*.so"))
        for library in libraries:
            library.unlink()
        print(f"Removed the {len(libraries)} CUDA libraries of torchaudio: it runs in pure Python.")'
}

take_lock() {
    local content
    mkdir -p -- "$venv" 2>/dev/null ||
        die "cannot make the folder $venv; set VENV_DIR to one that you may write to."
    # In this order: what another call has begun to make meanwhile holds a lock before all else.
    content=$(ls -A -- "$venv")
    if [ -n "$content" ] && ! [ -e "$lock" ] && ! [ -e "$venv/pyvenv.cfg" ]; then
        die "$venv is not empty and no virtual environment; set VENV_DIR to a new or an empty folder."
    fi
    { : >>"$lock"; } 2>/dev/null ||
        die "cannot write to $venv; set VENV_DIR to a folder that you may write to."
    exec 9>>"$lock"
    if command -v flock >/dev/null && ! flock -n 9; then
        echo "Waiting for another call that is at work in $venv ..."
        flock 9 || true
    fi
}

make_environment() {
    local requirements=(requirements.txt)
    # Not on top of an old one: the CUDA build of torch never replaces the CPU build of its version.
    find "$venv/" -mindepth 1 -maxdepth 1 ! -name "${lock##*/}" -exec rm -rf -- {} +
    "$python" -m venv "$venv" || die "$python cannot make a virtual environment, see above."

    if ! has_gpu; then
        if "$venv/bin/python" -m pip install -qqq --no-input --no-deps --dry-run \
            "$(grep '^torch==' requirements_cpu.txt)" >/dev/null 2>&1; then
            requirements+=(requirements_cpu.txt)
        else
            echo "pip finds no CPU build of torch: the larger CUDA build is installed, which runs on a" \
                "CPU too (to spare the download, stop this, point PIP_EXTRA_INDEX_URL at PyTorch's" \
                "index of CPU wheels, and run it again)."
        fi
    fi
    echo "Installing ${requirements[-1]} into $venv with Python $python_version;" \
        "this takes a minute or two ..."
    pip_install -r "${requirements[-1]}"
    free_torchaudio_of_cuda || die "torch is installed, but it cannot be imported, see above."
    imports || die "installed, but it cannot be imported: $report"
    write_stamp "$stamp" "$(key "${requirements[@]}")"
}

case "$*" in
    "") dev=no ;;
    --dev) dev=yes ;;
    *) die "unknown arguments: $*; the only one is --dev." ;;
esac

for file in requirements.txt requirements_cpu.txt requirements_dev.txt; do
    [ -f "$file" ] || die "$file is missing from $PWD; check the project out again."
done
find_python
if ! is_complete; then
    take_lock
    if ! is_installed || ! imports; then make_environment; fi
    if ! is_dev_installed; then
        echo "Installing requirements_dev.txt into $venv ..."
        pip_install -r requirements_dev.txt
        write_stamp "$dev_stamp" "$(key requirements_dev.txt)"
    fi
fi
echo "$report"
