"""Variants of one training, over several seeds: planned, run, measured, compared and reported."""
