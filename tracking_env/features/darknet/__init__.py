"""Darknet's networks (YOLO v1 to v3) in torch: file formats, layers, and the layouts of YOLO v1."""
