#!/usr/bin/env bash
# Installs SLURM and munge, with which the tests submit the job scripts, where
# scripts/apt_install.sh can. Elsewhere it says so, and these tests are skipped. It never fails. The
# packages come without a configuration: their services have nothing to start with.
#
#   scripts/install_slurm.sh
set -uo pipefail
PATH=$PATH:/usr/sbin

missing=''
for name in munged slurmctld slurmd sbatch; do
    command -v "$name" >/dev/null || missing=$name
done
if [ -z "$missing" ]; then exit 0; fi
why=$("${BASH_SOURCE[0]%/*}/apt_install.sh" slurm-wlm munge) ||
    echo "No SLURM ($why): the tests that submit jobs are skipped."
exit 0
