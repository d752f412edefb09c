"""Batches: augmented images, sampled questions, targets."""
