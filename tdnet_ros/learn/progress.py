"""Shows a run: a bar on the terminal, lines where there is none, scalars for TensorBoard."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import threading
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from torch.utils.tensorboard import SummaryWriter

from tdnet_ros.learn.config import TrainConfig
from tdnet_ros.nets.writing import naming
from tdnet_ros.stream.frame import Image

LINE_EVERY_S = 30.0


class Progress:
    """The watcher of a run; silent on all processes but the first."""

    def __init__(self, out: Path, config: TrainConfig, step: int, active: bool) -> None:
        self._out = out
        self._config = config
        self._console = Console(markup=False)  # names may have brackets
        self._bar = Bar(
            TextColumn('{task.description}', markup=False), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), TextColumn('eta'), TimeRemainingColumn(),
            console=self._console, disable=not active or not self._console.is_terminal)
        self._task = self._bar.add_task('training', total=config.steps, completed=step)
        self._writer = (SummaryWriter(str(out), purge_step=step + 1 if step else None)
                        if active else None)
        self._smooth: float | None = None
        self._start = self._line = time.monotonic()
        self._first = step

    def __enter__(self) -> Progress:
        self._excepthook, threading.excepthook = threading.excepthook, _told_twice
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()
        try:
            if self._writer:
                with naming(self._out):
                    self._writer.close()
        finally:
            threading.excepthook = self._excepthook

    def step(self, step: int, terms: dict[str, float], learning_rate: float) -> None:
        """Show a finished step."""
        if not self._writer:
            return
        total = terms['total']
        if self._smooth is None:
            self._smooth = total
        self._smooth += 0.02 * (total - self._smooth)
        stage = self._config.stages[self._config.locate(step - 1)[0]].name
        text = f'{stage} loss {self._smooth:.3f} lr {learning_rate:.2e}'
        self._bar.update(self._task, completed=step, description=text)
        if step % self._config.log_every == 0:
            losses = {f'loss/{name}': value for name, value in terms.items()}
            self._write(step, {**losses, 'learning_rate': learning_rate})
        if not self._console.is_terminal and time.monotonic() - self._line > LINE_EVERY_S:
            self._line = time.monotonic()
            pace = (self._line - self._start) / (step - self._first)
            left = pace * (self._config.steps - step) / 60
            self._console.print(f'{step}/{self._config.steps} {text} {pace:.2f} s/step, '
                                f'{left:.0f} min left', highlight=False, soft_wrap=True)

    def validated(self, step: int, metrics: dict[str, float], best: float,
                  pictures: list[Image]) -> None:
        """Show a validation."""
        if not self._writer:
            return
        self._write(step, {f'val/{name}': value for name, value in metrics.items()}, pictures)
        classes = ' '.join(f'{name} {value:.2f}' for name, value in metrics.items()
                           if name != 'miou')
        self._console.print(f'{step}: val mIoU {metrics["miou"]:.4f} (best {best:.4f}) {classes}',
                            highlight=False, soft_wrap=True)

    def _write(self, step: int, scalars: dict[str, float], pictures: Sequence[Image] = ()) -> None:
        assert self._writer
        with naming(self._out):
            for name, value in scalars.items():
                self._writer.add_scalar(name, value, step)
            for number, picture in enumerate(pictures):
                self._writer.add_image(f'overlay/{number}', picture, step, dataformats='HWC')


def _told_twice(error: threading.ExceptHookArgs) -> None:
    """Say nothing of an OSError: the writer raises that of its thread again, where it is used."""
    if not isinstance(error.exc_value, OSError):
        threading.__excepthook__(error)
