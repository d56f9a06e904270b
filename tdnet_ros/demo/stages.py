"""The stages of an image on its way through the node, and the colours they are drawn in."""
from tdnet_ros.ros import meter

STAGES = tuple(stage for stage in meter.STAGES if stage != 'pictures')
"""In order; together they make up the time from capture to published labels."""

COLORS = dict(zip(STAGES, (
    '#999999', '#e69f00', '#56b4e9', '#009e73', '#0072b2', '#cc79a7', '#d55e00'), strict=True))
"""Okabe and Ito's palette, told apart by colour-blind readers too."""
