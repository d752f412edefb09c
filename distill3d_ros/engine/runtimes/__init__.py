"""Runtimes of a student: torch, and ONNX Runtime without torch."""
