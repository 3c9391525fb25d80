"""One network, pooling or loss a file; the rest comes from SpeechBrain."""
