"""Features, networks and losses that SpeechBrain does not have: one network or loss a file.

YAML files bind them, such as `!new:speaker_models.prototype.Prototype`, and this package is copied
into every inference bundle. So it imports torch, torchaudio, SpeechBrain and itself, nothing of
`local/`; another package that a network needs is imported where the network is made.

**What a YAML file names**, and lists in `modules`. Any `torch.nn.Module` will do, SpeechBrain's
too; the last is to be SpeechBrain's InputNormalization of type global, which holds the mean of the
val embeddings. The bundle keeps these five keys, so their arguments are values, or `!ref` to them.

=================  =====================================  ========================================
key                gets                                   returns
=================  =====================================  ========================================
compute_features   waveforms (batch, time), 16 kHz        features (batch, frames, features)
mean_var_norm      features, relative lengths (batch,)    features
embedding_model    features, relative lengths (batch,)    embeddings (batch, 1, embedding_size)
classifier         embeddings                             scores (batch, 1, classes)
mean_var_norm_emb  embeddings, relative lengths (batch,)  embeddings
=================  =====================================  ========================================

What these modules learn is saved by their keys, without more ado.

**A network** is `forward(features, lengths=None)`. A length is a share of all frames, beyond which
there is padding; None means that there is none. Padding must not change an embedding, nor may the
other utterances of the batch. Poolings leave padding out; where layers before them would see it,
the YAML file wraps the network in `by_length.ByLength`, which compares the features with the
network's attribute `n_features`, if it has one. Verification tries all this out: a network that
fails works as well, but is given utterances of equal length only, or single ones.

**A loss** of the scores is a module or function `compute_cost(scores, classes)`, with classes of
shape (batch, 1), and returns the mean over the batch, shape (). One with parameters is listed in
`modules` as well, where the optimiser and the checkpoints find them.
A loss that compares embeddings is an `embedding_cost(embeddings, classes)` in `modules`. It is
added to the first, and so weights itself. Where it has an attribute `crops_per_speaker`, a batch
has to hold groups of so many crops of a speaker, by the option of that name.

**Hooks** that the training looks for by their names:

- `compute_cost.set_margin(margin)`, before each batch, where there is a `margin_schedule`. An
  attribute `make_margin` that is not None tells that the margin can change; see `softmax_cost`.
- `embedding_model.fit_norm(embeddings, classes, count)`, after the training, with the embeddings
  (crops, size) of training crops that the network gives after `begin_fit()`. It returns the mean
  of each speaker, for `classifier.set_means(means)`, or raises a ValueError; see
  `within_class_norm`.
- `augmentation.labels(speakers)`, of a module `augmentation`: the names of the classes, which are
  more than the speakers where other voices are made of theirs; see `local/augmentation/voices.py`,
  by which `compute_features` also gets what stands in the batch's `for_features`.
"""
