"""Scripts: flags, files and loops; every formula lives in `tracking_env` or `agents`."""
