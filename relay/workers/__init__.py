"""Several relay processes behind one port: the first one hands its callers to the others."""
