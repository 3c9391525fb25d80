"""A trained network as one ONNX file, from waveforms to embeddings, and what runs it elsewhere."""
