"""The parts of a training: steps, schedules, checkpoints, averages, what can go wrong."""
