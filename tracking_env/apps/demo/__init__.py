"""The demo page in a browser."""
