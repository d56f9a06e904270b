"""Semantic segmentation of camera topics with temporally distributed networks."""
import os

# PyTorch's OpenMP threads wait for each other by spinning, by default for milliseconds: with any
# other program on the same cores each then holds up the other. This is read when torch is loaded.
os.environ.setdefault('GOMP_SPINCOUNT', '3000')
