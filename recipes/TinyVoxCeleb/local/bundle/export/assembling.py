"""speaker_onnx.py as one file: the text beside this one, and the files of the recipe it needs."""

from pathlib import Path

from local.errors import RecipeError

HERE = Path(__file__).resolve().parent
LOCAL = HERE.parents[1]
MARK = "SOURCES: dict[str, str] = {}\n"
PARTS = (
    LOCAL / "training/checksums.py",
    LOCAL / "corpora/decoding.py",
    LOCAL / "corpora/polyphase.py",
    LOCAL / "corpora/truncation.py",
    LOCAL / "bundle/windows.py",
    LOCAL / "bundle/export/resampling.py",
    LOCAL / "scoring/backends.py",
    LOCAL / "scoring/decisions.py",
)


def assemble() -> str:
    """The text of the one file, which imports nothing but NumPy, soundfile and onnxruntime.

    The parts are texts within it, each of which becomes a module of its own: their names never
    clash, and reading, resampling, scoring and calibration stand nowhere twice.
    """
    head, mark, rest = (HERE / "speaker_onnx.py").read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise RecipeError(f"{HERE / 'speaker_onnx.py'}: the line {MARK!r} is missing")
    sources = "".join(f'    "{path.stem}": r{_quoted(path)},\n' for path in PARTS)
    main = '\n\nif __name__ == "__main__":\n'
    body, _, call = rest.partition(main)
    return f"{head}{body.lstrip(chr(10))}\n\nSOURCES = {{\n{sources}}}\n{main}{call}"


def _quoted(path):
    text = path.read_text(encoding="utf-8")
    if "'''" in text:
        raise RecipeError(f"{path}: holds ''', which cannot stand within speaker_onnx.py")
    return f"'''{text}'''"
