#!/usr/bin/env bash
# Makes the environment, then runs the tests: ./test.sh [arguments for pytest]
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
scripts/setup_virtual_environment.sh --dev
exec "${VENV_DIR:-venv}/bin/python" -m pytest -n 2 --maxschedchunk 1 "$@"
