"""Reading of texts: one question or several, of the kinds or composed of them, or why they are not understood."""
