"""What helps with little data: every network, each part of the best recipe, fewer speakers."""
