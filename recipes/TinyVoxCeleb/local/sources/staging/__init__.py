"""Copies of shards on the scratch disk of a machine, where they are read fast and at any place.

Authors
 * The TinyVoxCeleb authors 2026
"""

from local.sources.staging.stages import stage_shards

__all__ = ["stage_shards"]
