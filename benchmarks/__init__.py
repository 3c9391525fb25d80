"""Measurements; they import the recipe from its folder."""

import sys
from pathlib import Path

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "TinyVoxCeleb"
sys.path.insert(0, str(RECIPE))
