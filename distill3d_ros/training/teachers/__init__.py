"""Teachers and the pass that lets them answer."""
