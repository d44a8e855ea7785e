"""Following one target, frame by frame: the protocol, OpenCV's trackers, the baselines."""
