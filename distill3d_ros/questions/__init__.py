"""Questions about a scene and their answers from geometry; numpy only."""
