"""Stages of training, one module each."""
