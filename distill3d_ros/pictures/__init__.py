"""Visualisation: annotated images, depth, top-down plans, sheets."""
