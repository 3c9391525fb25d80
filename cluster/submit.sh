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
exec sbatch "$@"
