"""Checkpoints of every kind of agent, and the export of their networks as ONNX graphs."""
