"""What a frozen network makes of a frame: extractors by name, the store of their features, pretrained networks."""
