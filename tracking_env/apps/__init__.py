"""Programs around trackers: follow a target in your own video, and compare two trackers in the browser."""
