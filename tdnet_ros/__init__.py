"""Semantic segmentation of camera topics with temporally distributed networks."""
