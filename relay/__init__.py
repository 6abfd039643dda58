"""A DICOM relay: one application entity in front of many modalities and a pool of archives."""
