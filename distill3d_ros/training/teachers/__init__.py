"""Teachers, and the pass in which they answer questions about a data set."""
