"""What agents learn from: crops, episodes sampled in the loop, stored runs of experts, hard clips."""
