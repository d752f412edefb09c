"""Objects kept across frames and days: matching, change, queries and their file; numpy, SciPy and sqlite."""
