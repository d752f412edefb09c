"""The student network: encoder, heads, language model, checkpoints."""
