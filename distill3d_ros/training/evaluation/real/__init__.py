"""Figures on real pictures: what their annotation tells, and nothing of what it leaves unknown."""
