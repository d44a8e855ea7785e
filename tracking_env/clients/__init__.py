"""Use our trackers and checkpoints in other tools: got10k, the VOT toolkit and the Hugging Face Hub.

Each module names the extra that it needs.
"""
