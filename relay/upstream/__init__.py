"""The bank towards the archives: pooled associations."""
