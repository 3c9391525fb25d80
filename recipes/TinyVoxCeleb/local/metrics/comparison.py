"""Systems side by side on the same trials."""

from local.metrics.bootstrap import difference_interval
from local.metrics.labelled_trials import LabelledTrials


def compare(systems, labels, speakers=None, *, num_bootstrap=200, seed=0):
    """Differences of systems to the first one on the same trials, by a paired bootstrap.

    Arguments
    ---------
    systems : list of array_like
        The scores of each, shape (trials,).
    labels, speakers, num_bootstrap, seed
        As for `evaluate`. All systems see the same resamples of the speakers.

    Returns
    -------
    list of dict
        For each system but the first, by metric: "value" (its own minus the first's), "low" and
        "high". An interval that does not hold 0 is a difference beyond the choice of speakers.

    Raises
    ------
    RecipeError
        See `LabelledTrials`.
    """
    trials = [LabelledTrials(scores, labels) for scores in systems]
    values = [of_system.metrics() for of_system in trials]
    samples = []
    for of_system in trials:
        measure = of_system.metrics
        num_speakers, drawn = of_system.resampled(measure, speakers, num_bootstrap, seed)
        samples.append(drawn)
    differences = []
    for own, drawn in zip(values[1:], samples[1:], strict=True):
        of_system = {}
        for name in own.keys() & values[0].keys():
            value = own[name] - values[0][name]
            pairs = zip(drawn, samples[0], strict=True)
            resampled = [mine[name] - first[name] for mine, first in pairs]
            low, high = difference_interval(value, resampled, num_speakers)
            of_system[name] = {"value": value, "low": low, "high": high}
        differences.append({name: of_system[name] for name in own if name in of_system})
    return differences
