"""Access to the machine: environment, memory, child processes, files."""
