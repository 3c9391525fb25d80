#!/usr/bin/env bash
# Makes the environment, then runs the tests.
#
#   ./test.sh [arguments for pytest]        all tests
#   ./test.sh quick [arguments for pytest]  in a minute, after an edit: the tests of single parts, the
#                                           examples in docstrings, and one small training
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
scripts/setup_virtual_environment.sh --dev
if [[ ${1:-} == quick ]]; then set -- -m "not long" "${@:2}"; fi
# More processes than the least machine has cores: some tests wait most of the time.
exec "${VENV_DIR:-venv}/bin/python" -m pytest -n 3 --maxschedchunk 1 "$@"
