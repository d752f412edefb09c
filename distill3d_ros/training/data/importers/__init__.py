"""Readers of published data sets: what they hold becomes the shards that training reads."""
