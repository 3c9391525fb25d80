"""Being written."""


def stage_shards(sources, folder):
    """Being written."""
    return sources
