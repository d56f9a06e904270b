"""Labelling bags offline."""
