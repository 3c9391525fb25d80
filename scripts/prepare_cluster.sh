#!/usr/bin/env bash
# Prepares the project for jobs: the environment on a scratch disk that the nodes see, and links to
# it, as a home folder is often small and slow. Called again, it does what is left to do.
#
#   scripts/prepare_cluster.sh
#
# SCRATCH_FOLDER  a folder of your own on that disk
# DATA_FOLDER     the folder that holds tiny-voxceleb and tiny-voxceleb-shards, if it exists
#                 (default: SCRATCH_FOLDER/data)
# VENV_DIR        where to make the environment (default: SCRATCH_FOLDER/venv)
#
# The variables come from the environment or from .env, see .env.example. Nothing that exists is
# moved, replaced or removed.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
# shellcheck source=cluster/environment.sh
source cluster/environment.sh

die() {
    echo "error: $*" >&2
    exit 1
}

check_link() { # check_link LINK TARGET: whether LINK can be made, or is there
    local now
    if [ -L "$1" ]; then
        now=$(readlink -- "$1")
        [ "$(realpath -m -- "$1")" = "$(realpath -m -- "$2")" ] ||
            die "$1 is a link to $now, expected one to $2; remove the link, then run this again."
    elif [ -e "$1" ]; then
        die "$1 exists and is no link: move what is in it to $2, remove it, then run this again."
    fi
}

make_link() { # make_link LINK TARGET
    if ! [ -L "$1" ]; then ln -s -- "$2" "$1"; fi
    echo "$1 -> $2"
}

scratch=${SCRATCH_FOLDER:-}
[ -n "$scratch" ] ||
    die "SCRATCH_FOLDER is not set: copy .env.example to .env and fill it in."
[[ $scratch == /* ]] || die "SCRATCH_FOLDER=$scratch: expected an absolute path."
venv=${VENV_DIR:-}
if [[ $venv != /* ]]; then venv=$scratch/venv; fi # a relative one is the link
case ${DATA_FOLDER:-data} in
data | "$PWD/data") # the link itself
    data=$scratch/data
    if [ -L data ]; then data=$(realpath -m data); fi
    ;;
*) data=$(realpath -m -- "$DATA_FOLDER") ;;
esac
results=recipes/TinyVoxCeleb/results

check_link venv "$venv"
check_link data "$data"
check_link "$results" "$scratch/results"
mkdir -p -- "$scratch/data" "$scratch/results" 2>/dev/null && [ -w "$scratch" ] ||
    die "SCRATCH_FOLDER=$scratch is no folder that can be written to; set another one in .env."

VENV_DIR=$venv scripts/setup_virtual_environment.sh
make_link venv "$venv"
make_link data "$data"
make_link "$results" "$scratch/results"
[ -d "$data/tiny-voxceleb-shards" ] ||
    echo "There are no shards in $data yet: scripts/download_data.sh fetches the data."
