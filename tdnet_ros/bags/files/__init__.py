"""Rosbags as they lie on the disk: every format, whole or damaged."""
