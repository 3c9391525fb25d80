"""From trials and embeddings to scores and decisions: trial lists, backends, calibration."""
