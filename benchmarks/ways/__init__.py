"""The ways from the sender to the archive: direct, through this relay, through something else."""
