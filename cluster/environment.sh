# shellcheck shell=bash
# Sourced in the project's folder: reads .env. What the environment says goes before .env.

if [ -f .env ]; then
    given=$(declare -p "${!SBATCH_@}" DATA_FOLDER SCRATCH_FOLDER STAGE_SHARDS_TO VENV_DIR \
        PIP_EXTRA_INDEX_URL 2>/dev/null || true)
    # shellcheck source=/dev/null
    source .env
    eval "$given"
    unset given
fi
# sbatch reads these: SBATCH_PARTITION, SBATCH_ACCOUNT, ... An empty one is none.
for name in "${!SBATCH_@}"; do
    if [ -n "${!name}" ]; then export "${name?}"; else unset "$name"; fi
done
unset name
