"""The furniture of simulated rooms: models, variants, splits."""
