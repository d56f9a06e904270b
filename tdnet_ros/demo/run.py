"""One run of the demo: node, recorder and player as processes, from start to clean end."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
import json
import os
from pathlib import Path
import signal
import threading
import time
from typing import Any

from rich.console import Console

from tdnet_ros.bags.progress import progress
from tdnet_ros.bags.session import ros_node
from tdnet_ros.demo.output import clear, kept
from tdnet_ros.demo.plan import LABELS, OVERLAY_JPEG, Plan
from tdnet_ros.demo.processes import Child, Crew, DemoError
from tdnet_ros.demo.watch import Watch

START_S = 600.0  # a large model on a slow disk takes its time
SETTLE_S = 60.0
DISCOVERY_S = 3.5  # participants of DDS announce themselves every 3 s


def run(plan: Plan, total: int | None, view: bool, console: Console,
        shared_domain: bool) -> dict[str, Any]:
    """Play, label and record; returns the player's summary.

    Ctrl-C while it plays ends the playing; what has been played until then is recorded. Before the
    first image it ends the run, as KeyboardInterrupt.
    """
    logs = plan.out / 'log'
    summary = logs / 'sent.json'
    with ExitStack() as stack:
        crew = stack.enter_context(Crew(logs))
        watch = Watch(stack.enter_context(ros_node('tdnet_demo')), crew.check)
        if shared_domain:
            _check_alone(plan, watch)
        node = crew.start('node', plan.node())
        try:
            _wait_for_node(plan, watch, console)
        except DemoError as error:
            raise DemoError(f'{error}{kept(plan.out)}') from error
        clear(plan.out)  # not before: a run that cannot start leaves the results of the last one
        recorder = crew.start('recorder', plan.recorder())
        _wait_for_recorder(watch)
        if view:
            crew.start('view', plan.viewer(), may_end=True)
        player = crew.start('player', plan.player(summary), may_end=True, result=summary)
        sent = _play(plan, watch, player, summary, total)
        _settle(watch)
        recorder.stop()
        node.stop()
    return sent


def _check_alone(plan: Plan, watch: Watch) -> None:
    """Fail if somebody else is there whose messages would be taken for ours."""
    end_s = time.monotonic() + DISCOVERY_S
    while time.monotonic() < end_s:
        if found := watch.others(plan.topic):
            raise DemoError(f'{found} is already there on ROS_DOMAIN_ID '
                            f'{os.environ["ROS_DOMAIN_ID"]}: end it, or unset ROS_DOMAIN_ID, for '
                            'a domain of its own')
        time.sleep(0.05)


def _wait_for_node(plan: Plan, watch: Watch, console: Console) -> None:
    with progress(f'loading {plan.model}'):
        watch.wait('activation of the node', watch.active, START_S)
    console.print(f'node: {watch.describe()}')


def _wait_for_recorder(watch: Watch) -> None:
    with progress('starting the recorder'):
        watch.wait('subscription of the recorder',
                   lambda: watch.recorded([LABELS, OVERLAY_JPEG]), 30.0)
        watch.pause(1.0)  # the node learns of its subscribers later than we do


def _play(plan: Plan, watch: Watch, player: Child, summary: Path,
          total: int | None) -> dict[str, Any]:
    with progress(f'playing {plan.title}', total) as update:
        def show() -> None:
            if watch.report:
                counts = watch.report.counts
                update(counts['received'], f'{counts["processed"]} labelled')

        with _interrupts() as interrupted:
            watch.wait('the end of the playing',
                       lambda: interrupted.is_set() or player.ended(), on_wait=show)
            player.interrupt()
    sent = json.loads(summary.read_text(encoding='utf-8')) if summary.exists() else {}
    if interrupted.is_set() and not sent.get('sent'):
        raise KeyboardInterrupt
    player.check()
    if not sent:
        raise DemoError(f'the player left no {summary}')
    return dict(sent)


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Let Ctrl-C set an event; raised as an exception it can get lost in a callback."""
    interrupted = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: interrupted.set())
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _settle(watch: Watch) -> None:
    watch.forget()
    with progress('waiting for the last labels'):
        watch.wait('the last labels', watch.settled, SETTLE_S)
