#!/usr/bin/env bash
# sbatch with partition and account from .env:
#
#   cluster/submit.sh [options of sbatch] cluster/SCRIPT.sbatch [arguments of the script]
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
# shellcheck source=cluster/environment.sh
source cluster/environment.sh
command -v sbatch >/dev/null || {
    echo "error: no sbatch here: run this on the cluster's login node." >&2
    exit 1
}
if [[ " $* " != *.sbatch\ * ]]; then
    echo "error: give a script, such as: cluster/submit.sh cluster/train.sbatch hparams/prototype.yaml" >&2
    exit 1
fi
exec sbatch "$@"
