#!/usr/bin/env bash
# Fetches the tiny-voxceleb data from the science cluster: data.zip by rsync, unpacked into
# DATA_FOLDER. A killed call can be repeated: the download goes on where it stopped, and folders
# appear only when they are complete.
#
#   scripts/download_data.sh
#
# The variables come from the environment or from .env, see .env.example.
# A relative DATA_FOLDER counts from the project's folder.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

die() {
    echo "error: $*" >&2
    exit 1
}

need() { # need VARIABLE
    [ -n "${!1:-}" ] || die "$1 is not set: copy .env.example to .env and fill it in."
}

if [ -f .env ]; then
    given=$(declare -p SCIENCE_USERNAME DATA_FOLDER DATA_REMOTE 2>/dev/null || true)
    # shellcheck source=/dev/null
    source .env
    eval "$given" # what the environment says goes before .env
fi
need DATA_FOLDER
remote=${DATA_REMOTE:-cn99.science.ru.nl:/ceph/csedu-scratch/course/IMC030_MLIP/data/data.zip}
zip=$DATA_FOLDER/data.zip
unpacked=$DATA_FOLDER/.data.zip.unpacked # on the same disk, so that moving is renaming

if [ -d "$DATA_FOLDER/tiny-voxceleb" ]; then
    echo "The data is in $DATA_FOLDER/tiny-voxceleb already; to fetch it again, remove that folder."
    exit 0
fi
command -v unzip >/dev/null || die "unzip is missing; install it (Debian: apt-get install unzip)."
mkdir -p -- "$DATA_FOLDER" 2>/dev/null && [ -w "$DATA_FOLDER" ] ||
    die "DATA_FOLDER=$DATA_FOLDER is no folder that can be written to; set another one in .env."

if ! [ -f "$zip" ]; then
    need SCIENCE_USERNAME
    command -v rsync >/dev/null ||
        die "rsync is missing; install it (Debian: apt-get install rsync openssh-client)."
    echo "Fetching $SCIENCE_USERNAME@$remote ..."
    rsync --progress --partial --append-verify -- "$SCIENCE_USERNAME@$remote" "$zip.part" ||
        die "rsync failed, see above; check SCIENCE_USERNAME, DATA_REMOTE and the VPN, then run" \
            "this again: it goes on where it stopped."
    mv -- "$zip.part" "$zip"
fi

echo "Unpacking $zip; this takes some minutes ..."
trap 'rm -rf -- "$unpacked"' EXIT
rm -rf -- "$unpacked"
unzip -q -o "$zip" -d "$unpacked" || [ $? -eq 1 ] || # 1: with a warning, but complete
    die "$zip cannot be unpacked, see above; if the disk is not full, remove it and run this again."
for root in "$unpacked" "$unpacked"/*; do
    if [ -d "$root/tiny-voxceleb" ]; then break; fi
done
[ -d "$root/tiny-voxceleb" ] ||
    die "$zip has no folder tiny-voxceleb, but $(cd "$unpacked" && echo *); remove it if it is wrong."

# The audio tree is moved last: it is what says that nothing is left to do.
for folder in tiny-voxceleb-shards tiny-voxceleb; do
    if [ -d "$root/$folder" ] && ! [ -e "$DATA_FOLDER/$folder" ]; then
        mv -- "$root/$folder" "$DATA_FOLDER/$folder"
    fi
done
echo "The data is in $DATA_FOLDER; $zip is not needed any more."
