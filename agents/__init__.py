"""Agents that learn (torch): networks, losses and checkpoints. They know nothing of flags and training loops."""
