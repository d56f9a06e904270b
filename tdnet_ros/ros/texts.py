"""Words for people."""


def counted(count: int, what: str) -> str:
    """So many of a thing: 1 frame, 2 frames."""
    return f'{count} {what}' if count == 1 else f'{count} {what}s'
