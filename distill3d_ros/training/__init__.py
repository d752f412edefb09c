"""From data to a trained student: shards, losses, the trainer, the evaluation."""
