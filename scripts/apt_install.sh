#!/usr/bin/env bash
# Installs Debian packages, for a test that needs them, where that needs no questions: as root on a
# Debian-like system. Elsewhere it fails, and says why in a few words.
#
#   scripts/apt_install.sh PACKAGE...
set -uo pipefail
export DEBIAN_FRONTEND=noninteractive

fail() {
    echo "$*"
    exit 1
}

# apt_get SECONDS ARGUMENT...: gives up on a lock or a network that does not answer
apt_get() {
    timeout "$1" apt-get -qq -o DPkg::Lock::Timeout=20 -o Acquire::Retries=1 "${@:2}" >/dev/null 2>&1
}

command -v apt-get >/dev/null || fail "and no apt-get to install it with"
[ "$(id -u)" = 0 ] || fail "run 'apt-get install $*' as root"

echo "Installing $* ..." >&2
# Images of containers come without lists of packages.
[[ "$(apt-cache policy "$1" 2>/dev/null)" == *"Candidate: "[0-9]* ]] || apt_get 30 update
# The download is what may take long; an installation that has begun is not broken off.
packages=(install -y --no-install-recommends "$@")
apt_get 60 --download-only "${packages[@]}" || fail "apt-get cannot download it"
apt_get 300 "${packages[@]}" || fail "apt-get cannot install it"
