"""Metrics, scoring, result files, protocols, and running trackers."""
