"""Samples: made by the simulated worlds, kept in WebDataset shards, read back in any order."""
