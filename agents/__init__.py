"""Agents and learners (torch): they know choosing and learning, nothing of files, flags or loops."""
