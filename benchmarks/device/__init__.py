"""The parts of benchmarks/gpu.py, and what prepares and scores its measurements."""
