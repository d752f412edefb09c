"""The training loop: batches, optimiser, checkpoints, processes."""
