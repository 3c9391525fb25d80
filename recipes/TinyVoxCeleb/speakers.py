#!/usr/bin/env python3
r"""Use a trained network: embed recordings, verify, enrol people, find out who speaks.

To run this recipe:
> python speakers.py verify one.wav other.m4a --checkpoint RUN_FOLDER
> python speakers.py enrol Ann ann/ --gallery people.npz --checkpoint RUN_FOLDER
> python speakers.py identify *.wav --gallery people.npz --checkpoint RUN_FOLDER

Recordings are files of any kind that libsndfile or FFmpeg reads, folders of them, or - for a list
of paths from standard input. `speakers.py VERB --help` tells the options of each verb. Exit codes:
0 for yes, or done; 1 for no: another speaker, or somebody who is not enrolled; 2 for an error.

Authors
 * The TinyVoxCeleb authors 2026
"""

import contextlib
import json
import sys

from local.errors import RecipeError, first_of, one_line_errors  # isort: skip - first, see local

import numpy as np
from tqdm import tqdm

from local.bundle import checkpoint_digest, find_bundle
from local.files import check_writable, split_paths
from local.people import gallery
from local.people.comparing import Comparer, verify_voices, who_is
from local.people.gallery import changed_gallery, check_new, enrolled_names, read_gallery
from local.people.live import microphone_seconds, read_seconds, recent_speech
from local.people.network import HearingNetwork
from local.people.options import parse
from local.people.recordings import find_recordings
from local.people.tables import check_kind, write_table
from local.people.timeline import UNKNOWN, timeline, write_rttm
from local.people.timeline_picture import write_timeline_picture
from local.people.voices import as_voices, merge
from local.scoring.backends import cosine_similarity

YES, NO, ERROR = 0, 1, 2


def say(args, answer, text):
    """Print an answer, as JSON where that is asked for."""
    print(json.dumps(answer, ensure_ascii=False) if args.json else text, flush=True)


def hear_all(network, paths):
    """Embed recordings; gives those that could be, and says what is wrong with the others."""
    heard, wrong = {}, 0
    for path, embedded in network.embed_each(tqdm(paths, unit="file", disable=None)):
        if isinstance(embedded, RecipeError):
            print(f"error: {embedded}", file=sys.stderr, flush=True)
            wrong += 1
        else:
            heard[path] = embedded
    return heard, wrong


def one_voice(network, paths, name):
    """What was heard in all of some recordings, as one speaker; an error where one is bad."""
    heard, wrong = hear_all(network, paths)
    if wrong:
        raise RecipeError(f"{wrong} of {len(paths)} recordings of {name} cannot be used, see above")
    return merge(name, [as_voices(name, *one[:3]) for one in heard.values()])


def embed(args):
    """Leave the embeddings of recordings in a table."""
    check_kind(args.out)
    check_writable(args.out)
    paths = find_recordings(args.files)
    network = HearingNetwork(args.checkpoint, args.device, args.min_speech)
    heard, wrong = hear_all(network, paths)
    if not heard or (wrong and not args.skip_bad):
        advice = "" if not heard else "; --skip_bad leaves them out"
        raise RecipeError(f"{wrong} of {len(paths)} cannot be embedded, nothing written{advice}")
    write_table(args.out, list(heard), list(heard.values()), network.digest)
    answer = {"out": args.out, "recordings": len(heard), "skipped": wrong}
    say(args, answer, f"{args.out}: {len(heard)} recordings" + f", {wrong} skipped" * bool(wrong))
    return YES


def verify(args):
    """Compare two speakers, each by one recording or several."""
    sides = [find_recordings(split_paths(side)) for side in (args.a, args.b)]
    network = HearingNetwork(args.checkpoint, args.device, args.min_speech)
    a, b = (one_voice(network, paths, name) for paths, name in zip(sides, "AB", strict=True))
    if not network.decides:
        cosine = float(cosine_similarity(np.vstack([a.vectors, b.vectors]), [0], [1])[0])
        say(args, {"cosine": cosine}, f"cosine {cosine:.4f}")
        raise RecipeError(f"no decision: {network.without_threshold}")
    found = verify_voices(network.encoder, a, b, args.threshold)
    say(args, found._asdict(), str(found))
    return YES if found.same_speaker else NO


def enrol(args):
    """Introduce somebody to a gallery."""
    check_new(args.gallery, args.name, [])
    paths, there = find_recordings(args.files), args.add or args.replace
    network = HearingNetwork(args.checkpoint, args.device, args.min_speech)
    check_new(args.gallery, args.name, enrolled_names(args.gallery, network.digest), there)
    voice = one_voice(network, paths, args.name)
    how = {"add": args.add, "replace": args.replace}
    voice, count = gallery.enrol(args.gallery, network.digest, voice, **how)
    say(args, {**about(voice), "enrolled": count}, f"{in_words(voice)}; {count} enrolled")
    return YES


def about(voice):
    """What is known of somebody, for JSON."""
    speech = round(float(voice.speech[0]), 2)
    return {"name": voice.names[0], "recordings": int(voice.recordings[0]), "speech": speech}


def in_words(voice):
    """The same in words."""
    return "{name}: {recordings} recordings, {speech:.1f} s of speech".format(**about(voice))


def list_(args):
    """Tell who is enrolled."""
    people = read_gallery(args.gallery)
    rows = [people.rows([row]) for row in range(len(people))]
    say(args, {"enrolled": [about(row) for row in rows]}, "\n".join(map(in_words, rows)))
    return YES


def remove(args):
    """Forget people."""
    with changed_gallery(args.gallery) as people:
        if strangers := [name for name in args.names if name not in people]:
            raise RecipeError(f"{args.gallery}: not enrolled: {first_of(strangers)}")
        for name in args.names:
            people.pop(name, None)
    text = f"forgotten: {', '.join(args.names)}; {len(people)} enrolled in {args.gallery}"
    say(args, {"removed": args.names, "enrolled": len(people)}, text)
    return YES


def load_comparer(args):
    """The network, and what compares voices with those of the gallery."""
    digest = checkpoint_digest(find_bundle(args.checkpoint))
    people = read_gallery(args.gallery, digest)  # before what takes seconds
    network = HearingNetwork(args.checkpoint, args.device, args.min_speech)
    if not network.decides:
        raise RecipeError(f"nobody can be told apart: {network.without_threshold}")
    return network, Comparer(network.encoder, people)


def identify(args):
    """Tell of whom each recording is, or who speaks when in each."""
    paths = find_recordings(args.files)
    if len(paths) > 1 and (args.rttm or args.picture):
        raise RecipeError(f"{len(paths)} recordings: --rttm and --picture are of one")
    network, comparer = load_comparer(args)
    if args.timeline:
        return max(tell_timeline(args, network, comparer, path) for path in paths)
    code = YES
    for path, embedded in network.embed_each(paths):
        if isinstance(embedded, RecipeError):
            print(f"error: {embedded}", file=sys.stderr, flush=True)
            code = ERROR
            continue
        voice = as_voices("", *embedded[:3])
        found = who_is(comparer, voice, args.known)
        say(args, {"recording": str(path), **found._asdict()}, f"{path}: {found}")
        code = code if found.name or code == ERROR else NO
    return code


def tell_timeline(args, network, comparer, path):
    """Tell who speaks when in a recording."""
    heard = network.hear(path)
    segments = timeline(heard, comparer.llrs(heard.voices), comparer.enrolled.names, args.known)
    for output, write in ((args.rttm, write_rttm), (args.picture, write_timeline_picture)):
        if output:
            write(output, segments, path, heard.seconds)
    rows = [
        f"{part.start:9.2f} {part.end:9.2f}  {part.probability:.2f}  {part.name}"
        for part in segments
    ]
    answer = {"recording": str(path), "segments": [part._asdict() for part in segments]}
    say(args, answer, "\n".join([f"{path}:", *rows]))
    return NO if any(part.name == UNKNOWN for part in segments) else YES


def listen(args):
    """Tell once a second who speaks, until the stream ends or Ctrl-C."""
    network, comparer = load_comparer(args)
    seconds = microphone_seconds() if args.microphone else read_seconds(sys.stdin.buffer)
    with contextlib.suppress(KeyboardInterrupt):
        for second, speech, signal in recent_speech(network.encoder, seconds):
            answer = {"second": second, "speech": round(speech, 2)}
            if signal is None:
                say(args, answer, f"{second:6d} s  -")
                continue
            vectors = network.encoder.embed_windows(signal[None]).numpy()
            voice = as_voices("", vectors, np.array([len(signal)]), np.array([speech]))
            found = who_is(comparer, voice, args.known)
            say(args, {**answer, **found._asdict()}, f"{second:6d} s  {found}")
    return YES


VERBS = {"embed": embed, "verify": verify, "enrol": enrol, "list": list_, "remove": remove}
VERBS |= {"identify": identify, "listen": listen}


def main(argv):
    """Parse, and do what the verb says."""
    args = parse(argv, __doc__)
    with one_line_errors(args.debug, code=ERROR):
        sys.exit(VERBS[args.verb](args))


if __name__ == "__main__":
    main(sys.argv[1:])
