"""Losses from truth and from a teacher."""
