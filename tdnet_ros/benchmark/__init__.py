"""Measure engines side by side: tdnet_benchmark."""
