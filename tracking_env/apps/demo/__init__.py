"""The demo page: try two trackers on a video in the browser."""
