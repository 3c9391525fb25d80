"""Sources of audio: each module prepares one of them in the tiny-voxceleb layout."""
