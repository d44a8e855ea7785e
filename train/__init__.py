"""Training scripts: flags, loops and run directories. Formulas are in `tracking_env` and `agents`."""
