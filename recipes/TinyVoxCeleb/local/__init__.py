"""From an audio tree to a score list: corpora, shards, dataset, trials, scores, metrics."""
