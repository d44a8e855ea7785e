"""Following your own video."""
