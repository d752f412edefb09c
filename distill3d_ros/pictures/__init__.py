"""Pictures for people: annotated images, depth, plans, sheets."""
