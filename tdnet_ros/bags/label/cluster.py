"""Labelling on a Ray cluster: every worker has a bag, or a chunk of one, at a time."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
import logging
from pathlib import Path
import threading
import time
from typing import Any

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.label.bag_job import prepare
from tdnet_ros.bags.label.chunk import Labeller
from tdnet_ros.bags.label.encoder import Encoder
from tdnet_ros.bags.label.job import ChunkJob, ChunkResult
from tdnet_ros.bags.label.location import absolute, bag_name, is_url
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.output import Output
from tdnet_ros.bags.label.remote import label_location
from tdnet_ros.bags.label.run import BagRun, Outcome
from tdnet_ros.bags.label.survey import survey
from tdnet_ros.bags.progress import progress
from tdnet_ros.nets.card import find_model
from tdnet_ros.nets.engines import check_engine
from tdnet_ros.ros.errors import one_line

ATTEMPTS = 4
'''How often a task is given to a worker before it is given up.'''
LOOK_S = 10.0
'''Time between two looks at whether the cluster is still there, while nothing ends.'''


@dataclass(frozen=True)
class Cluster:
    """Where to label: a Ray address (None: the one at hand, or this machine) and its workers."""

    address: str | None = None
    workers: int | None = None  # None: as many as there are GPUs, or else CPUs for


@dataclass
class _Task:
    """Something for a worker: one of its methods and what to call it with."""

    name: str
    method: str
    arguments: tuple[Any, ...]
    attempts: int = 0

    def start(self, worker: Any) -> Any:
        """Give it to a worker; return what Ray waits for."""
        return getattr(worker, self.method).remote(*self.arguments)


READY = _Task('', 'ready', ())
'''Of a worker that has not started.'''


class _Worker:
    """The actor: a network, and the work that is given to it."""

    def __init__(self, options: LabelOptions) -> None:
        self._labeller = Labeller(options)

    def ready(self) -> None:
        """Answer as soon as the worker has room on the cluster and its network."""

    def label_bag(self, bag: str, folder: str) -> Outcome:
        """Label a whole bag, from where a lost worker left it."""
        return label_location(bag, folder, self._labeller, threading.Event())

    def label_chunk(self, job: ChunkJob) -> ChunkResult | str:
        """Label one chunk; text says why it cannot be."""
        try:
            return self._labeller.label(job)
        except BagError as error:
            return str(error)


class _Pool:
    """Workers that are replaced when they are lost."""

    def __init__(self, options: LabelOptions, cluster: Cluster) -> None:
        self._ray = _connected(cluster)
        have = self._ray.cluster_resources()
        gpu = options.device != 'cpu' and have.get('GPU', 0) >= 1
        room = have.get('GPU', 0) if gpu else have.get('CPU', 1)
        self.size = cluster.workers or max(1, int(room))
        self._options = options
        self._kind = self._ray.remote(_Worker).options(
            num_cpus=1, num_gpus=1 if gpu else 0)

    def run(self, tasks: Iterator[_Task]) -> Iterator[tuple[_Task, Any]]:
        """Yield each task with its result, in the order in which they end.

        The result of a task whose workers were lost again and again is a BagError.
        """
        free: list[Any] = []
        running: dict[Any, tuple[Any, _Task]] = {}
        for _ in range(self.size):
            self._begin(running)
        waiting: list[_Task] = []
        ended: list[tuple[_Task, Any]] = []
        while True:
            while (waiting := waiting or list(islice(tasks, 1))) and free:
                worker, task = free.pop(), waiting.pop()
                task.attempts += 1
                running[task.start(worker)] = worker, task
            yield from ended  # whoever takes it does so while all are at work
            ended = []
            if not waiting and all(task is READY for _, task in running.values()):
                return
            done = self._next_done(running)
            worker, task = running.pop(done)
            try:
                result: Any = self._ray.get(done)
                free.append(worker)
                if task is READY:
                    continue
            except self._ray.exceptions.RayActorError as error:
                if task is READY and not waiting:
                    continue
                if task is READY:  # a task pays for it, so that there is an end to it
                    task = waiting.pop()
                    task.attempts += 1
                self._begin(running)
                if task.attempts < ATTEMPTS:
                    waiting.append(task)
                    continue
                result = BagError(f'{task.name}: {task.attempts} workers were lost: '
                                  f'{one_line(error)}')
            except self._ray.exceptions.RayTaskError as error:
                free.append(worker)
                result = BagError(f'{task.name}: {one_line(error.cause)}')
            ended = [(task, result)]

    def _next_done(self, running: Iterable[Any]) -> Any:
        """Wait for the first of what runs; BagError when no machine is left that could end it."""
        while True:
            done, _ = self._ray.wait(list(running), num_returns=1, timeout=LOOK_S)
            if done:
                return done[0]
            if not any(node['Alive'] for node in self._ray.nodes()):
                raise BagError('the Ray cluster has lost all of its machines; with another one '
                               'the same command goes on')

    def _begin(self, running: dict[Any, tuple[Any, _Task]]) -> None:
        """Ask for a worker; it may be long until the cluster has room for it."""
        worker = self._kind.remote(self._options)
        running[READY.start(worker)] = worker, READY


def label_on_cluster(bags: Sequence[str], folder: str, options: LabelOptions,
                     cluster: Cluster) -> Iterator[Outcome]:
    """Label bags on a cluster; yields what became of each when it is done.

    Where there are fewer bags than workers, each is divided into chunks. BagError says why
    there is no cluster.
    """
    try:
        check_engine(options.engine, options.precision)
        Encoder(find_model(options.model, options.weights), options)
    except (ValueError, OSError) as error:
        raise BagError(str(error)) from error
    pool = _Pool(options, cluster)
    places = [absolute(bag) for bag in bags]
    if len(bags) >= pool.size or any(map(is_url, (*bags, folder))):
        yield from _whole_bags(places, absolute(folder), pool)
    else:
        yield from _in_chunks([Path(place) for place in places], Path(folder).resolve(), options,
                              pool)


def _whole_bags(bags: Sequence[str], folder: str, pool: _Pool) -> Iterator[Outcome]:
    tasks = (_Task(bag, 'label_bag', (bag, folder)) for bag in bags)
    with progress('bags', len(bags)) as update:
        for number, (task, result) in enumerate(pool.run(tasks), 1):
            update(number, '')
            if isinstance(result, BagError):
                result = Outcome(task.name, folder, error=str(result))
            yield result


def _in_chunks(bags: Sequence[Path], folder: Path, options: LabelOptions,
               pool: _Pool) -> Iterator[Outcome]:
    with ExitStack() as outputs:
        runs: dict[str, BagRun] = {}
        for bag in bags:
            output = Output(folder, bag_name(bag))
            try:
                job = prepare(bag, options)
                if (record := output.finished(job.identity)) is not None:
                    yield Outcome(bag, output.final, record, skipped=True)
                    continue
                runs[str(bag)] = BagRun(job, outputs.enter_context(output))
            except Exception as error:  # the other bags go on
                yield Outcome.failed(bag, output.part, error)
        yield from _divided(runs, pool)


def _divided(runs: dict[str, BagRun], pool: _Pool) -> Iterator[Outcome]:
    errors: dict[str, str] = {}

    def tasks() -> Iterator[_Task]:
        for name, run in runs.items():
            try:
                for chunk in survey(run.job, run.output, *run.next) if run.next else ():
                    if name in errors:
                        break
                    yield _Task(name, 'label_chunk', (chunk,))
            except Exception as error:  # the other bags go on
                errors[name] = f'{name}: {one_line(error)}'

    started, before = time.perf_counter(), sum(run.frames for run in runs.values())
    with progress('frames', max(1, sum(run.job.frames for run in runs.values()))) as update:
        for task, result in pool.run(tasks()):
            try:
                if not isinstance(result, ChunkResult):
                    raise BagError(str(result))
                runs[task.name].add(result)
            except BagError as error:
                errors.setdefault(task.name, str(error))
            frames = sum(run.frames for run in runs.values())
            update(frames, f'{(frames - before) / (time.perf_counter() - started):.1f} frames/s')
    for name, run in runs.items():
        try:
            outcome = run.finish() if name not in errors else Outcome(
                run.job.bag, run.output.part, run.record, error=errors[name])
        except Exception as error:
            outcome = Outcome.failed(run.job.bag, run.output.part, error)
        yield outcome


def _connected(cluster: Cluster) -> Any:
    """Ray, connected to the cluster or started on this machine."""
    try:
        import ray
    except ModuleNotFoundError as error:
        raise BagError('--ray needs the Python package ray: `pip install ray`') from error
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR,
                 include_dashboard=None if cluster.address else False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise BagError(f'there is no Ray cluster at {cluster.address}: {one_line(error)}'
                       ) from error
    return ray
