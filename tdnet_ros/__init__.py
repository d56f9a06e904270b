"""Semantic segmentation of camera topics with temporally distributed networks."""
import os

# PyTorch's OpenMP threads wait for each other by spinning, by default for milliseconds: with any
# other program on the same cores each then holds up the other. This is read when torch is loaded.
# A frame of the default model on two cores, median: 20 ms with 1000 as with 3000 when nothing else
# runs; beside other programs 41 instead of 48 ms of processor time, and 130 and more by default.
os.environ.setdefault('GOMP_SPINCOUNT', '1000')
# Read when onnxruntime is loaded, whose wheel otherwise notes in the home folder what machine and
# program it runs on, to be reported.
os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
