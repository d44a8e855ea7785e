"""The environments, one file per id, and what wraps them."""
