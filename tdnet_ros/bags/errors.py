"""What goes wrong with a source or a bag, in one line that can be shown as it is."""

STOPPED = 'stopped; the same command goes on'
NOT_REACHED = 'not reached; the same command goes on'


class BagError(ValueError):
    """A source cannot be played or a bag cannot be read or written."""
