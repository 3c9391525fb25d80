"""VoxCeleb1 and VoxCeleb2: found as they are downloaded, and a choice of them made a corpus."""
