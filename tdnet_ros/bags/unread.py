"""What of a source cannot be read, in few lines."""
from __future__ import annotations

from pathlib import Path


class Unread:
    """Messages or images that cannot be read: of each topic one line, how many and why the first.

    All images of a folder are one line, too.
    """

    def __init__(self, problems: list[str], place: str = '') -> None:
        self.problems = problems
        self.noted: list[tuple[str, int | None, str]] = []
        '''What `note` was told, each message once.'''
        self._place = place
        self._lines: dict[str, tuple[int, str]] = {}
        self._counted: dict[str, set[object]] = {}

    def note(self, topic: str, logged_ns: int | None, why: str) -> None:
        """Count a message of a topic, unless it is counted already."""
        first = f'logged at {logged_ns}: {why}'
        if self._count(f'messages of {topic}', logged_ns, f'message of {topic} {first}',
                       f' {first}'):
            self.noted.append((topic, logged_ns, why))

    def note_image(self, path: Path, why: str) -> None:
        """Count an image file, which `why` names, unless it is counted already."""
        self._count('images', path, why, f': {why}')

    @property
    def others(self) -> list[str]:
        """The problems that are none of its lines."""
        own = {line for line, _ in self._lines.values()}
        return [problem for line, problem in enumerate(self.problems) if line not in own]

    def _count(self, kind: str, which: object, alone: str, first: str) -> bool:
        """Count one of a kind; its line as long as it is alone, and what tells of it later."""
        counted = self._counted.setdefault(kind, set())
        if which in counted:
            return False
        counted.add(which)
        if len(counted) == 1:
            self._lines[kind] = len(self.problems), first
            self.problems.append(f'{self._place}{alone}')
            return True
        line, first = self._lines[kind]
        self.problems[line] = (f'{self._place}{len(counted)} {kind} cannot be read, first '
                               f'that{first}')
        return True
