"""Calibration of a student on validation rooms: thresholds of its classes and confidences of its answers."""
