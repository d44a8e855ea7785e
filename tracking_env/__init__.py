"""Visual object tracking as a reinforcement-learning environment."""
