"""How the recipe does at the size of VoxCeleb: python -m benchmarks.scale."""
