#!/usr/bin/env bash
# Makes the environment, then runs the tests.
#
#   ./test.sh [arguments for pytest]         all tests: minutes
#   ./test.sh quick [arguments for pytest]   the loop of an edit, under a minute: doctests, tests
#                                            that start no process and no long training, one training
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
scripts/setup_virtual_environment.sh --dev
if [[ ${1:-} == quick ]]; then
    shift
    set -- recipes/TinyVoxCeleb/local recipes/TinyVoxCeleb/speaker_models \
        tests/test_{files,layers,metadata}.py tests/{augmentation,scoring} \
        tests/corpora/test_{convert,folder,splits,synthetic,trial_lists}.py \
        tests/shards/test_{shards,shard_index,joined_shards}.py tests/dataset/test_by_speaker.py \
        tests/speaker_models/test_{losses,poolings,within_class_norm}.py \
        tests/metrics/test_{breakdown,det,metrics}.py tests/training/test_schedules.py \
        tests/training/test_training.py::test_equal_seeds_give_equal_numbers "$@"
fi
exec "${VENV_DIR:-venv}/bin/python" -m pytest -n 2 --maxschedchunk 1 "$@"
