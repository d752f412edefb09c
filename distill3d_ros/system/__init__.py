"""The machine and its processes: environment, memory, child processes, files."""
