"""Two labelled bags of the same frames: where they agree and where not."""
