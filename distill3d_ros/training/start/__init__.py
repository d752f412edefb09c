"""The student that a training begins with."""
