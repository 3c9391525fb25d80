#!/usr/bin/env bash
# Installs Chromium, in which a test opens the report, where that needs no questions: as root on a
# Debian-like system. Elsewhere it says so, and the test is skipped. It never fails.
#
#   scripts/install_chromium.sh
set -uo pipefail
export DEBIAN_FRONTEND=noninteractive

skip() {
    echo "No Chromium ($*): the test that opens the report in a browser is skipped."
    exit 0
}

# apt_get SECONDS ARGUMENT...: gives up on a lock or a network that does not answer
apt_get() {
    timeout "$1" apt-get -qq -o DPkg::Lock::Timeout=20 -o Acquire::Retries=1 "${@:2}" >/dev/null 2>&1
}

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
command -v apt-get >/dev/null || skip "and no apt-get to install it with"
[ "$(id -u)" = 0 ] || skip "run 'apt-get install chromium' as root"

echo "Installing Chromium ..."
# Images of containers come without lists of packages.
[[ "$(apt-cache policy chromium 2>/dev/null)" == *"Candidate: "[0-9]* ]] || apt_get 30 update
# The download is what may take long; an installation that has begun is not broken off.
packages=(install -y --no-install-recommends chromium)
apt_get 60 --download-only "${packages[@]}" || skip "apt-get cannot download it"
apt_get 300 "${packages[@]}" || skip "apt-get cannot install it"
