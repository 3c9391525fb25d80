"""The stations of local/ stand in one order: none imports what comes after it."""

import ast
from graphlib import CycleError, TopologicalSorter

import pytest

from conftest import RECIPE

LOCAL = RECIPE / "local"
GROUND_FLOOR = (
    "layout",
    "errors",
    "files",
    "stored",
    "processes",
    "hparams",
    "experiment",
    "metadata",
)
STATIONS = (
    *("corpora", "shards", "dataset", "augmentation", "training", "bundle"),
    *("embeddings", "scoring", "metrics", "results", "report", "people", "search"),
)
LEVELS = dict.fromkeys(("__init__", *GROUND_FLOOR), 0)
LEVELS |= {name: level for level, name in enumerate(STATIONS, start=1)}
OUTSIDE = {"speaker_models", *(path.stem for path in RECIPE.glob("*.py"))}


def imported(path):
    """The modules that a file imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            if node.module == "local":
                yield from (f"local.{alias.name}" for alias in node.names)
            else:
                yield node.module


def all_imports():
    """Each file of local/, as a path from there, and each module that it imports."""
    for path in sorted(LOCAL.rglob("*.py")):
        yield from ((path.relative_to(LOCAL), name) for name in imported(path))


def crossings():
    """Each import from one station of local/ to another: file, module, and the two stations."""
    for path, name in all_imports():
        package, *others = name.split(".")
        if package == "local" and others:
            here, there = path.with_suffix("").parts[0], others[0]
            if here != there:
                yield path, name, here, there


def test_every_package_and_module_has_its_place():
    packages = {path.parent.name for path in LOCAL.glob("*/__init__.py")}
    modules = {path.stem for path in LOCAL.glob("*.py")}
    assert packages | modules == LEVELS.keys()
    assert len(packages) <= 13 and len(modules - {"__init__"}) <= 8


def test_stations_import_only_what_is_before_them():
    wrong = [
        f"{path} imports {name}"
        for path, name, here, there in crossings()
        if LEVELS[there] >= max(LEVELS[here], 1)
    ]
    assert wrong == []


def test_networks_and_scripts_are_handed_over():
    outside = [(str(path), name) for path, name in all_imports() if name.split(".")[0] in OUTSIDE]
    assert outside == []


def test_there_is_no_cycle():
    needs = {}
    for _, _, here, there in crossings():
        needs.setdefault(here, set()).add(there)
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        pytest.fail(" is imported by ".join(error.args[1]))
