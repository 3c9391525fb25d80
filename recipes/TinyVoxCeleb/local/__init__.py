"""The recipe's line, one package a station, each of which imports only those before it.

corpora, shards, dataset, augmentation, training, bundle, embeddings, scoring, metrics, results,
report, search. The other files serve all of them.
"""
