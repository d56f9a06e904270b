"""Frames in, labels out: the memory, its reset rules and the segmenter."""
