"""The spatial node: camera topics in, scenes and answers out."""
