"""Figures of frames of which only what is visible is known, as of real cameras."""
