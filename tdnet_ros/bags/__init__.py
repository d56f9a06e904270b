"""Bags: play and record; label, report, compare; pictures to train on."""
