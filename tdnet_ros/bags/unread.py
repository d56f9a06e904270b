"""Messages of a bag that cannot be read, in few lines."""
from __future__ import annotations


class Unread:
    """Messages that cannot be read: of each topic one line, how many and why the first."""

    def __init__(self, problems: list[str], place: str = '') -> None:
        self.problems = problems
        self._place = place
        self._lines: dict[str, tuple[int, str]] = {}
        self._logged_ns: dict[str, set[int | None]] = {}

    def note(self, topic: str, logged_ns: int | None, why: str) -> None:
        """Count a message of a topic, unless it is counted already."""
        logged = self._logged_ns.setdefault(topic, set())
        if logged_ns in logged:
            return
        logged.add(logged_ns)
        if len(logged) == 1:
            first = f'logged at {logged_ns}: {why}'
            self._lines[topic] = len(self.problems), first
            self.problems.append(f'{self._place}message of {topic} {first}')
            return
        line, first = self._lines[topic]
        self.problems[line] = (f'{self._place}{len(logged)} messages of {topic} cannot be read, '
                                f'first that {first}')
