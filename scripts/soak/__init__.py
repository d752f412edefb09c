"""Trust, measured: what goes wrong on a robot's bad day, many times over. ``make soak`` runs it."""
