"""What all training scripts share: flags, data, the run's folder, tests, seeds, several processes."""
