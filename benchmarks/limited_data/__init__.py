"""What helps with a hundred speakers: every network, each part of the best recipe, fewer speakers."""
