"""The stations between an audio tree and a report: corpora, shards, dataset, trials, scores, metrics."""
