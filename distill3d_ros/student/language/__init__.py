"""The language part: visual tokens and questions to answers."""
