# shellcheck shell=bash
# What the job scripts share. Sourced first of all, in the project's folder: a signal that comes
# before the traps below ends the job.

signal='' # the last one from SLURM: USR1 near the time limit, TERM when the job is cancelled
signals=0 # how many there were
child=''  # the process that does the job's work
arguments=()

take_signal() {
    signal=$1 signals=$((signals + 1))
    if [ -n "$child" ]; then kill -s "$signal" "$child" 2>/dev/null || true; fi
}
trap 'take_signal USR1' USR1
trap 'take_signal TERM' TERM

# shellcheck source=cluster/environment.sh
source cluster/environment.sh
project=$PWD

die() {
    echo "error: $*" >&2
    exit 1
}

# Activates the environment and goes to the recipe's folder.
enter_recipe() {
    local venv=${VENV_DIR:-venv}
    [ -f "$venv/bin/activate" ] ||
        die "no environment in $venv, seen from $(uname -n): run" \
            "scripts/prepare_cluster.sh on the login node."
    # shellcheck source=/dev/null
    source "$venv/bin/activate"
    # The last bit of a sum depends on the number of threads, which otherwise differs between nodes.
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}
    # Threads that wait sleep: by default they spin, and take busy cores from those that work.
    export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
    cd recipes/TinyVoxCeleb || die "this is not the project's folder: $PWD."
    echo "$(date '+%F %T') job ${SLURM_JOB_ID:-} on ${SLURM_JOB_NODELIST:-$(uname -n)}," \
        "start $((${SLURM_RESTART_COUNT:-0} + 1))"
}

# Sets `arguments` to those given; the first is an hparams file.
take_arguments() {
    arguments=("$@")
    if [ $# = 0 ] || ! [ -f "$1" ]; then
        die "expected an hparams file in $PWD as the first argument, such as" \
            "hparams/prototype.yaml, found ${1:-none}."
    fi
    arguments+=(--noprogressbar) # for a screen, not for a log
    # Without this a job whose GPU is not to be used would go on, slowly, on the CPU.
    if [ -n "${SLURM_GPUS_ON_NODE:-}" ]; then add_default --device cuda; fi
}

add_default() { # add_default --KEY VALUE: to `arguments`, unless they have that key
    local word
    for word in "${arguments[@]}"; do
        if [[ $word == "$1" || $word == "$1="* ]]; then return; fi
    done
    arguments+=("$1" "$2")
}

# Adds to `arguments` what .env knows about the data.
add_training_data() {
    local data
    if [ -n "${DATA_FOLDER:-}" ]; then
        data=$(cd "$project" && realpath -m -- "$DATA_FOLDER")
        add_default --shard_folder "$data/tiny-voxceleb-shards"
        add_default --val_trials_path "$data/tiny-voxceleb/val_trials.txt"
        add_default --dev_trials_path "$data/tiny-voxceleb/dev_trials.txt"
    fi
    if [ -n "${STAGE_SHARDS_TO:-}" ]; then add_default --stage_shards_to "$STAGE_SHARDS_TO"; fi
}

# Runs a command, to which signals are passed on; ends the job with the command's exit code. Where
# it has stopped for the time limit, the job goes back to the queue; an array's task does so alone.
run_and_requeue() {
    local status seen id=${SLURM_JOB_ID:-}
    if [ -n "$signal" ]; then die "SIG$signal before there was anything to stop."; fi
    "$@" &
    child=$!
    while :; do # a signal ends `wait`, not the command
        seen=$signals status=0
        wait "$child" || status=$?
        if [ "$seen" = "$signals" ]; then break; fi
    done
    if [ "$signal" = USR1 ] && [ "$status" = 138 ]; then
        if [ -n "${SLURM_ARRAY_JOB_ID:-}" ]; then id=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID; fi
        echo "The time limit is near: job $id goes back to the queue."
        scontrol requeue "$id" || echo "error: it cannot be requeued; submit it again." >&2
    fi
    exit "$status"
}
