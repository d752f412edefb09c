"""Questions about a scene and their answers from geometry; numpy only.

``parsing`` reads a question, ``rules`` answer it; ``ground_truth`` makes questions whose answers are known. The kinds
of questions, and what each means, stand in ``kinds``.
"""
