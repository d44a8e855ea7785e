"""Tools of others that run our trackers or keep our checkpoints. Each needs an extra, which its module names."""
