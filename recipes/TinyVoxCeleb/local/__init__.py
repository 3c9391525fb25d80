"""The recipe's line, one package a station, each of which imports only those before it.

corpora, shards, dataset, augmentation, training, bundle, embeddings, scoring, metrics, results,
report, people, search. The other files serve all of them.
"""

import os
import sys
from pathlib import Path

from local.errors import end_at_interrupts

# Of the recipe's commands only: not of a notebook or another program that imports a station.
script = getattr(sys.modules["__main__"], "__file__", None)
if sys.argv[:1] == ["-m"] or (
    script and Path(script).resolve().parent == Path(__file__).parents[1]
):
    end_at_interrupts()
    # Before torch: its threads then do not spin while they wait for each other, which on cores that
    # others use too takes several times as long, and on idle ones no longer.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
