"""The bank towards the callers."""
