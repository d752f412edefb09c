"""Simulated rooms: furniture, layout, cameras, renderer."""
