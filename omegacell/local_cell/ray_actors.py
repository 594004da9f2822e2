"""The actors of a cell on Ray: schedulers as wished for, and a worker on every node of a Ray that was joined."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import ray

from omegacell.cellstate.errors import OmegaError, StoreUnavailable
from omegacell.local_cell.fleet import Fleet
from omegacell.workers.actor import start_worker
from omegacell.workers.ray_node import RayNode, living, offer, reservation, worker_name
from omegacell.workers.serve import WorkerOptions

log = logging.getLogger(__name__)

READY_SECONDS = 60.0
STOP_SECONDS = 15.0
_AGAIN_SECONDS = 2.0
"""Between the end of a scheduler that Ray does not restart, as its process lives, and the next one."""


def ask_ready(actors: Mapping[str, Any]) -> None:
    """Wait until they all serve; the error of one of ours that keeps one from it, as itself."""
    try:
        ray.get([actor.ready.remote(READY_SECONDS) for actor in actors.values()])
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, OmegaError):
            raise error.cause from None
        raise


def answer(reference: Any) -> Any:
    """What a call returned, None while it has not."""
    done, _ = ray.wait([reference], timeout=0)
    return ray.get(reference) if done else None


@dataclass(slots=True)
class _Serving:
    """A scheduler's actor, the question whether it serves, and when (monotonic) it was found not to; 0: it does."""

    actor: Any
    asked: Any = None
    ended_at: float = 0.0


class SchedulerActors:
    """Schedulers by name. Ray restarts one whose process dies; what ends by itself is seen to here."""

    def __init__(self, start: Callable[[str, str], Any]) -> None:
        """`start` makes the actor of a name and a kind."""
        self._start = start
        self._serving: dict[str, _Serving] = {}
        self._leaving: list[tuple[Any, Any]] = []

    def start(self, kinds: Mapping[str, str]) -> None:
        """Start these, their kinds by name."""
        for name, kind in kinds.items():
            self._serving[name] = _Serving(self._start(name, kind))

    def actors(self) -> dict[str, Any]:
        """By name, those that leave not included."""
        return {name: one.actor for name, one in self._serving.items()}

    def tend(self, fleet: Fleet) -> None:
        """Have those wished for; returns at once."""
        kinds = fleet.kinds()
        for name in self._serving.keys() - kinds.keys():
            actor = self._serving.pop(name).actor
            self._leaving.append((actor, actor.stop.remote(STOP_SECONDS)))
        self._leaving = [one for one in self._leaving if not _has_left(*one)]
        self.start({name: kinds[name] for name in kinds.keys() - self._serving.keys()})
        for name, one in self._serving.items():
            _look_after(one)
            pause_over = one.ended_at and time.monotonic() > one.ended_at + _AGAIN_SECONDS
            if pause_over and not fleet.is_over(name, one.ended_at):
                log.info("scheduler %s had ended and is started again", name)
                ray.kill(one.actor)
                self._serving[name] = _Serving(self._start(name, kinds[name]))


def _look_after(one: _Serving) -> None:
    """Note whether it has ended, as far as it has answered."""
    if one.asked is None:
        one.asked = one.actor.alive.remote()
        return
    try:
        serves = answer(one.asked)
    except ray.exceptions.ActorDiedError:
        serves = False
    except ray.exceptions.RayActorError:  # on its way back
        serves = True
    if serves is not None:
        one.asked = None
        one.ended_at = 0.0 if serves else one.ended_at or time.monotonic()


def _has_left(actor: Any, stopping: Any) -> bool:
    try:
        if answer(stopping) is None:
            return False
    except ray.exceptions.RayError:
        pass
    ray.kill(actor)
    return True


@dataclass(slots=True)
class NodeWorkers:
    """One worker on every living node of a Ray that was joined, each holding there what it offers.

    `here` is the node of this host, whose tasks log into the cell's folder; elsewhere it may not exist.
    """

    options: WorkerOptions
    here: str
    _workers: dict[str, tuple[str, Any]] = field(default_factory=dict)
    _passed_over: set[str] = field(default_factory=set)

    def start(self) -> None:
        """Start one on each node that can have one; StoreUnavailable if none can."""
        self._follow()
        if not self._workers:
            raise StoreUnavailable(
                "no node of the Ray cluster has what was asked of a machine and a CPU for it; start Ray with more, or "
                "ask for less"
            )

    def actors(self) -> dict[str, Any]:
        """By name."""
        return dict(self._workers.values())

    def ask_ready(self) -> None:
        """Wait until one of them serves: the others may wait for what Ray has given to somebody for now."""
        asked = {actor.ready.remote(READY_SECONDS): name for name, actor in self._workers.values()}
        done, waiting = ray.wait(list(asked), timeout=READY_SECONDS)
        if not done:
            raise StoreUnavailable(
                f"Ray has not given the worker {', '.join(asked.values())} what its machines offer "
                f"({_in_words(self.options)}) within {READY_SECONDS:.0f} s; end what holds it in Ray, or ask for less "
                "of a machine"
            )
        more, waiting = (
            ray.wait(waiting, num_returns=len(waiting), timeout=_AGAIN_SECONDS) if waiting else ([], [])
        )
        try:
            ray.get([*done, *more])
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, OmegaError):
                raise error.cause from None
            raise
        for reference in waiting:
            log.warning(
                "worker %s is not ready yet; Ray may have given to others what it is to offer",
                asked[reference],
            )

    def tend(self) -> None:
        """A worker for a node that has joined; none any more for one that is gone."""
        self._follow()

    def _follow(self) -> None:
        nodes = {node.node_id: node for node in living(ray.nodes())}
        for node_id in self._workers.keys() - nodes.keys():
            name, _ = self._workers.pop(node_id)
            log.warning("node %s of Ray is gone, and worker %s with it", node_id, name)
        for node_id, node in nodes.items():
            if node_id not in self._workers and node_id not in self._passed_over:
                self._begin(node)

    def _begin(self, node: RayNode) -> None:
        offered = offer(node, self.options)
        if offered is None:
            self._passed_over.add(node.node_id)
            log.warning(
                "node %s of Ray (%s) has not what is asked of a machine: no worker there",
                node.node_id,
                node.host,
            )
            return
        name = worker_name(node, [name for name, _ in self._workers.values()])
        folder = self.options.log_directory if node.node_id == self.here else ""
        options = replace(offered, name=name, log_directory=folder)
        log.info("worker %s on node %s reserves %s", name, node.node_id, reservation(options))
        self._workers[node.node_id] = (name, start_worker(options, node_id=node.node_id, reserve=True))


def _in_words(options: WorkerOptions) -> str:
    each = options.each
    cpu = f"{each.cpu_milli / 1000:g} CPU" if each.cpu_milli else "all CPUs that Ray has on its node"
    return f"{options.machines} x {cpu}"
