"""The command ``distill3d``."""
