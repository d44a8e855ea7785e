"""Sequences of frames and true boxes: OTB, other benchmarks, video files, drawn ones."""
