"""The report as one HTML page: what is on it, and in which order."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from tqdm import tqdm

from local.files import atomic_file, check_not_read, check_writable
from local.report import words
from local.report.provenance import provenance
from local.report.reading import read_results
from local.report.sections import list_section, map_section
from local.report.training import training


def make_report(paths, out=None):
    """Write the report of one run, or of several side by side.

    Arguments
    ---------
    paths : list of str or Path
        See `read_results`.
    out : str or Path, optional
        The HTML file; by default report.html beside the first of `paths`.

    Returns
    -------
    (Path, list of Result)
        The file, and what was read for it.

    Raises
    ------
    RecipeError
        See `read_results`; `out` cannot be written.
    """
    results = read_results(paths)
    out = Path(out) if out else results[0].path.with_name("report.html")
    check_writable(out)
    scored = [result.about["score_file"] for result in results]
    lists = [of.trials.path for result in results for of in result.lists]
    check_not_read([out], [*(result.path for result in results), *scored, *lists])
    content = describe(results)
    # Ids and paths come from other people's files: the template escapes all that is not a picture.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": words.percent, "count": words.count}
    html = environment.get_template("page.html").render(content)
    with atomic_file(out) as fout:
        # File names may hold bytes that are no text.
        fout.write(html.encode("utf-8", "replace").decode("utf-8"))
    return out, results


def describe(results):
    """All that the page shows.

    Arguments
    ---------
    results : list of Result

    Returns
    -------
    dict
        What the template is filled with.
    """
    grouped = group_lists(results)
    steps = [("map", result) for result in results] + [("list", group) for group in grouped]
    sections, maps = [], []
    for kind, of in tqdm(steps, desc="drawing", unit="part", leave=False, dynamic_ncols=True):
        if kind == "map":
            maps.append(map_section(f"map{len(maps)}", of))
        else:
            sections.append(list_section(f"list{len(sections)}", *of))
    runs = {str(result.run): result for result in results}
    labels = {run: result.label if len(runs) > 1 else "" for run, result in runs.items()}
    logs = {labels[run] or result.label: result.train_log() for run, result in runs.items()}
    return {
        "title": " vs ".join(result.label for result in results),
        "headlines": [
            words.headline(name, systems, len(results)) for name, systems in grouped if systems
        ],
        "unlabelled": words.unlabelled(results),
        "sections": sections,
        "maps": maps,
        "training": training("training", logs),
        "no_log": [label for label, log in logs.items() if not log],
        "several": len(results) > 1,
        "made": [provenance(result) for result in results],
    }


def group_lists(results):
    """Put together what can be compared: the scores of the same trials.

    Arguments
    ---------
    results : list of Result

    Returns
    -------
    list of (str, dict of str to ScoredList)
        Name of each list with error rates, and its scores by the name of the system.
    """
    groups = {}
    for result in results:
        for of in result.lists:
            if of.evaluation is not None:
                _, systems = groups.setdefault(of.content, (of.name, {}))
                systems[result.label] = (result, of)
    return list(groups.values())
