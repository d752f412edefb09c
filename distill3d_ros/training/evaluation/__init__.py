"""Measurements of a student: answers against geometry, depth, boxes, baselines."""
