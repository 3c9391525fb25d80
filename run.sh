#!/usr/bin/env bash
# The whole recipe: environment, corpus, shards, training, verification.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: ./run.sh [options] [-- training overrides]

Makes the environment, then runs the stages of the recipe. What is done is not done again.
  1 corpus        get or prepare speech in the tiny-voxceleb layout
  2 shards        pack it into tar shards
  3 training      train a speaker embedding network; an interrupted run carries on
  4 verification  score and calibrate the trial lists, compute the EER, write the report

Options
  --corpus NAME         tiny-voxceleb  the real data, or any data in its layout
                        voxceleb       VoxCeleb1, VoxCeleb2 or both as downloaded: some of it
                        folder         your own recordings: one folder a speaker
                        voices         recorded voices from Debian packages (the default)
                        synthetic      artificial voices: no network needed
  --data_folder DIR     where tiny-voxceleb, VoxCeleb or the folders of speakers are; given alone
                        it means tiny-voxceleb, and so does DATA_FOLDER in .env
  --output_folder DIR   gets everything that is made (recipes/TinyVoxCeleb/results/NAME)
  --hparams FILE        the experiment (hparams/quick.yaml)
  --run NAME            the run's folder in the output folder (the name of the hparams file); a
                        variant of an experiment on the same data needs a name of its own
  --device cpu|cuda     where to train and score (cpu)
  --skip_bad            of tiny-voxceleb and voxceleb: leave out audio that cannot be read, with
                        a list of it, and its trials; else stage 2 ends once all of it is known
  --stage N             first stage (1)
  --stop_stage M        last stage (4)
  -h, --help            this text

Of --corpus voxceleb, see docs/voxceleb.md
  --speakers N|all      how many to train on, half of them women (100)
  --min_sessions N      that a speaker has at least (4); two of them are held out
  --utterances_per_speaker N, --sessions_per_speaker N
                        to train on at most (all)
  --dev_speakers N      unseen speakers (10; with more than 200 to train on, 40)
  --evaluate LISTS      VoxCeleb1's O, E or H, or paths of lists, with commas between, or none
                        (O, where its audio and veri_test2.txt are there)
  --choice FILE         utterances.csv of a corpus that is to be made again
  --overlap FILE        list of speakers of VoxCeleb2 who are in VoxCeleb1, to leave out

Everything after -- goes to training, e.g. ./run.sh --run slow -- --learning_rate 0.001
EOF
}

fail() {
    echo "error: $*" >&2
    exit 1
}

paths_of() { # letters and paths of lists, with commas between: the paths as any folder reads them
    local words word whole=()
    if [[ -f $1 && ! $1 =~ ^[OEH]$ ]]; then realpath "$1" && return; fi
    IFS=, read -ra words <<<"$1"
    for word in "${words[@]}"; do
        if [[ -f $word && ! $word =~ ^[OEH]$ ]]; then word=$(realpath "$word"); fi
        whole+=("$word")
    done
    (IFS=, && echo "${whole[*]}")
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
recipe=$here/recipes/TinyVoxCeleb
if [[ -z ${DATA_FOLDER+set} && -f $here/.env ]]; then # the environment goes before .env
    # shellcheck disable=SC1091
    source "$here/.env"
    if [[ -n ${DATA_FOLDER:-} ]]; then # as for download_data.sh, it counts from here
        DATA_FOLDER=$(cd "$here" && realpath -m "$DATA_FOLDER")
    fi
    if [[ -n ${VENV_DIR:-} ]]; then export VENV_DIR; fi
fi

corpus='' data_folder='' output_folder='' hparams=hparams/quick.yaml run='' device=cpu
stage=1 stop_stage=4
skip_bad=() # an option of the shards
voxceleb=() # options of that corpus
while (($#)); do
    case $1 in
    --speakers | --min_sessions | --utterances_per_speaker | --sessions_per_speaker | \
        --dev_speakers | --evaluate | --choice | --overlap)
        [[ $# -ge 2 ]] || fail "$1 needs a value; see ./run.sh --help"
        case $1 in
        --evaluate) voxceleb+=("$1" "$(paths_of "$2")") ;;
        --choice | --overlap) voxceleb+=("$1" "$(realpath -m "$2")") ;;
        *) voxceleb+=("$1" "$2") ;;
        esac
        shift 2
        ;;
    --corpus | --data_folder | --output_folder | --hparams | --run | --device | --stage | --stop_stage)
        [[ $# -ge 2 ]] || fail "$1 needs a value; see ./run.sh --help"
        declare "${1#--}=$2"
        shift 2
        ;;
    --skip_bad)
        skip_bad=("$1")
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    --)
        shift
        break
        ;;
    *) fail "unknown option $1; see ./run.sh --help (options of the training go after --)" ;;
    esac
done
overrides=("$@")
[[ -z $* || $1 == --* ]] || fail "after --: expected options of the training as --key value, found $1"
for word in "$@"; do
    case ${word%%=*} in
    --output_folder | --device) fail "$word belongs before --; see ./run.sh --help (--run names a run)" ;;
    --shard_folder | --val_trials_path | --dev_trials_path) fail "$word is set by run.sh" ;;
    esac
done

[[ $stage =~ ^[1-4]$ ]] || fail "--stage $stage: expected 1 to 4"
[[ $stop_stage =~ ^[1-4]$ ]] || fail "--stop_stage $stop_stage: expected 1 to 4"
((stage <= stop_stage)) || fail "--stage $stage is after --stop_stage $stop_stage"
data_folder=${data_folder:-${DATA_FOLDER:-}}
asked=$corpus
corpus=${corpus:-${data_folder:+tiny-voxceleb}}
corpus=${corpus:-voices}
case $corpus in
tiny-voxceleb | voxceleb | folder | voices | synthetic) ;;
*) fail "--corpus $corpus: expected tiny-voxceleb, voxceleb, folder, voices or synthetic" ;;
esac
[[ $corpus == voxceleb || -z ${voxceleb[*]} ]] ||
    fail "${voxceleb[0]}: an option of --corpus voxceleb only"
[[ $corpus =~ voxceleb || -z ${skip_bad[*]} ]] ||
    fail "--skip_bad: an option of --corpus tiny-voxceleb and voxceleb only"
[[ $device =~ ^(cpu|cuda(:[0-9]+)?)$ ]] || fail "--device $device: expected cpu or cuda"
[[ -f $hparams ]] || hparams=$recipe/$hparams
[[ -f $hparams ]] || fail "--hparams ${hparams#"$recipe/"}: no such file"
hparams=$(realpath "$hparams")
[[ -z $data_folder ]] || data_folder=$(realpath -m "$data_folder")

set_output() {
    out=$(realpath -m "${output_folder:-$recipe/results/$corpus}")
    run_folder=$out/${run:-$(basename "$hparams" .yaml)}
    scores=$run_folder/scores.txt
}
set_output
if ((stage == 1)) && [[ $corpus =~ ^(folder|tiny-voxceleb|voxceleb)$ ]]; then
    [[ -n $data_folder ]] || fail "--corpus $corpus: give --data_folder"
    [[ -d $data_folder ]] || fail "--data_folder $data_folder: no such folder"
fi

runs() { # whether stage $1 is to run; says so
    ((stage <= $1 && $1 <= stop_stage)) || return 1
    echo "== stage $1: $2"
}

fall_back() {
    corpus=synthetic
    set_output
    echo "#################################################################################"
    echo "# The voices could not be fetched: going on with ARTIFICIAL voices. The numbers #"
    echo "# below say that the recipe works here, and nothing about real speakers.        #"
    echo "#################################################################################"
}

if [[ -z $asked && $corpus == voices && ! -e $out/corpus.source ]] && ((stage > 1)) &&
    [[ -e $recipe/results/synthetic/corpus.source ]]; then
    fall_back # as an earlier call did
elif [[ -z $asked && $corpus == voices && -n $output_folder && -e $out/corpus.source ]] &&
    grep -q ^synthetic "$out/corpus.source"; then
    fall_back
fi
if ((stage > 2)); then
    [[ -d $out/shards/train ]] || fail "no shards in $out/shards: run stages 1 and 2 first"
fi

# shellcheck source=scripts/setup_virtual_environment.sh
"$here/scripts/setup_virtual_environment.sh"
cd "$here" # from where a relative VENV_DIR counts
# shellcheck disable=SC1091
source "${VENV_DIR:-venv}/bin/activate"
# Threads of torch that wait sleep: by default they spin, and take busy cores from those that work.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
cd "$recipe"

if [[ $device == cuda* ]]; then # now, not after the corpus and the shards
    python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' ||
        fail "--device $device: no CUDA device here; use --device cpu"
fi

if runs 1 "corpus $corpus"; then
    status=0
    python -m local.corpora --corpus "$corpus" --data_folder "$data_folder" --out "$out" \
        "${voxceleb[@]}" || status=$?
    if ((status == 3)) && [[ -z $asked ]]; then
        fall_back
        python -m local.corpora --corpus "$corpus" --out "$out"
    elif ((status)); then
        exit "$status"
    fi
fi

if runs 2 shards; then
    if [[ -L $out/shards ]]; then
        echo "using the shards in $(realpath "$out/shards")"
    else
        python -m local.shards --in "$out/corpus" --meta "$out/corpus/tiny_meta.csv" \
            --out "$out/shards" "${skip_bad[@]}"
    fi
fi
lists_folder=$out/corpus
if [[ ! -L $out/shards && -d $out/shards/trials ]]; then # without trials of what was left out
    lists_folder=$out/shards/trials
fi

if runs 3 "training $(basename "$hparams")"; then
    data=(--shard_folder "$out/shards" --val_trials_path "$lists_folder/val_trials.txt"
        --dev_trials_path "$lists_folder/dev_trials.txt" --output_folder "$run_folder")
    # A tiny corpus gets enough training steps; who asks for a number of them knows better.
    if ! grep -q '^min_epoch_steps: [1-9]' "$hparams" &&
        [[ " ${overrides[*]}" != *" --crops_per_utterance"* ]]; then
        data+=(--min_epoch_steps 20)
    fi
    python train_speaker_embeddings.py "$hparams" --device "$device" "${data[@]}" "${overrides[@]}"
fi

scored() { # trial lists, shard folders, score list: whether it is complete and newer than all else
    local list_files shard_folders changed trials network=$run_folder/inference/hyperparams.yaml
    mapfile -t list_files <<<"${1//,"$out/"/$'\n'"$out/"}" # $out itself may hold commas
    mapfile -t shard_folders <<<"${2//,"$out/"/$'\n'"$out/"}"
    [[ -f $3 && -f ${3%.txt}.json ]] || return 1
    changed=$(find -L "${list_files[@]}" "${shard_folders[@]}" "$network" -newer "$3" -print -quit)
    trials=$(cat "${list_files[@]}" | grep -c '[^[:blank:]]')
    [[ -z $changed ]] && ((trials == $(wc -l <"$3")))
}

verify() { # trial lists, shard folders, score list, further options
    if scored "$@"; then
        echo "scored already: $3"
    else
        python speaker_verification.py hparams/verification.yaml --device "$device" \
            --checkpoint "$run_folder" --trial_lists "$1" --shards_dirs_to_evaluate "$2" \
            --score_file "$3" "${@:4}"
    fi
}

quoted() { # a path as a shell reads it: bare where it is plain
    if [[ $1 =~ ^[[:alnum:]_./:@%+=,-]+$ ]]; then echo "$1"; else echo "${1@Q}"; fi
}

speakers() { # trial list: how many speakers its ids tell
    awk 'NF == 3 { for (i = 2; i < 4; i++) if (split($i, parts, "/") > 1) seen[parts[1]] }
        END { for (name in seen) count++; print count + 0 }' "$1"
}

if [[ " ${overrides[*]} " == *" --debug "* ]] && runs 4 "verification: none, as --debug leaves no network"; then
    exit 0
fi

if runs 4 verification; then
    [[ -d $run_folder/inference ]] || fail "no trained network in $run_folder: run stage 3 first"
    options=()
    if [[ -f $out/corpus/tiny_meta.csv ]]; then options=(--meta_file "$out/corpus/tiny_meta.csv"); fi
    lists=$lists_folder/dev_trials.txt folders=$out/shards/dev
    if [[ -d $out/shards/eval ]]; then # with labels or without: whichever lists there are
        for list in "$lists_folder"/eval_trials*.txt; do
            if [[ -f $list ]]; then lists+=,$list; fi
        done
        if [[ $lists == *,"$lists_folder"/* ]]; then folders+=,$out/shards/eval; fi
    fi
    dev_options=("${options[@]}")
    if (($(speakers "$lists_folder/dev_trials.txt") >= 8)); then
        dev_options+=(--calibration_trials "$lists_folder/dev_trials.txt")
    else
        echo "not calibrated: dev_trials.txt has fewer than 8 speakers"
    fi
    verify "$lists" "$folders" "$scores" "${dev_options[@]}"
    verify "$lists_folder/val_trials.txt" "$out/shards/val" "$run_folder/val_scores.txt" "${options[@]}"
    report=$run_folder/report.html
    if [[ ! -f $report || $scores -nt $report ]]; then
        python -m local.report "$run_folder" --out "$report"
    fi
    val=$(grep EER "$run_folder/val_scores_eer.txt")
    dev=$(grep ^dev_trials "$run_folder/scores_eer.txt")
    echo
    echo "run folder: $run_folder"
    echo "score list: $scores"
    echo "DET curve:  $run_folder/scores_det.png"
    echo "report:     $report"
    echo "val, known speakers:  ${val#*: }"
    # "unseen speakers", where they are
    who=$(sed -n 's/.*dev trials (\([^)]*\)).*/\1/p' "$run_folder/dev_eer.txt")
    echo "dev, $who: ${dev#*: }"
    while IFS=: read -r list measured; do
        echo "eval, unseen speakers ($list):$measured"
    done < <(grep '^eval_trials.*: EER' "$run_folder/scores_eer.txt")
    echo
    python=$(quoted "$(command -v python)") network=$(quoted "$run_folder")
    echo "to verify two recordings, and to open the page that enrols and identifies:"
    echo "  $python $(quoted "$PWD/speakers.py") verify A.wav B.wav --checkpoint $network"
    echo "  $python $(quoted "$PWD/demo.py") --checkpoint $network"
fi
