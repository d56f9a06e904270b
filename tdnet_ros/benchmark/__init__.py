"""How fast and how large: engines, node, bags."""
