"""The seasonal counter of the burst rules beside river's detectors, on the same counts."""
