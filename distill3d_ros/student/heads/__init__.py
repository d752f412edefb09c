"""Tokens to depth, boxes and cameras."""
