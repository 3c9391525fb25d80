"""The real tiny-voxceleb, or any data in its layout: used where it lies, nothing is copied."""

from pathlib import Path

from local.errors import RecipeError
from local.layout import META_FILE, TRIAL_LISTS


def prepare_tiny_voxceleb(
    data_folder: str | Path,
    corpus_folder: str | Path,
    shard_folder: str | Path,
    skip_prep: bool = False,
) -> None:
    """Make a link to the audio tree, and one to the shards where there are any.

    Where there are none any more, or not of every split, an earlier link to them goes: what is then
    written in its place would be written into the data folder.

    The data folder holds tiny-voxceleb/ and, or else, tiny-voxceleb-shards/; or it is itself the
    tree, with its metadata and trial lists. With `skip_prep` nothing is done.

    Raises
    ------
    RecipeError
        Neither a tree nor shards there; trial lists or metadata missing.
    """
    if skip_prep:
        return
    data_folder = Path(data_folder).absolute()
    tree = data_folder / "tiny-voxceleb"
    if not tree.is_dir():
        tree = data_folder
    missing = [name for name in TRIAL_LISTS.values() if not (tree / name).is_file()]
    if missing:
        raise RecipeError(
            f"{tree}: {' and '.join(missing)} not found: expected the tiny-voxceleb layout; for "
            "your own recordings, one folder a speaker, use --corpus folder"
        )
    places = [tree.parent / "tiny-voxceleb-shards", tree / "tiny-voxceleb-shards"]
    shards = next((place for place in places if _is_complete(place)), None)
    if shards is None and not (tree / "train").is_dir():
        raise RecipeError(
            f"{data_folder}: found neither shards in tiny-voxceleb-shards/train, val and dev nor "
            f"an audio tree {tree / 'train'}"
        )
    if shards is None and not (tree / META_FILE).is_file():
        raise RecipeError(f"{tree / META_FILE} not found: shards cannot be written without it")
    _link(corpus_folder, tree)
    if shards is not None:
        _link(shard_folder, shards)
        print(f"shards found: {shards}")
    elif (link := Path(shard_folder)).is_symlink():
        print(f"{link}: no longer a link to {link.readlink()}, which lacks shards of some split")
        link.unlink()


def _is_complete(place):
    return all(any(place.glob(f"{split}/shard-*.tar")) for split in ("train", "val", "dev"))


def _link(link, target):
    link = Path(link)
    if link.is_symlink() and link.readlink() == target:
        return  # who reads it meanwhile is not to miss it
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        raise RecipeError(f"{link}: in the way of a link to {target}; remove it")
    link.symlink_to(target)
