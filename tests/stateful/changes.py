"""What clients do to jobs that are there, in both stores: let them grow, hold them, scale them, try them again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from omegacell.cellstate.model import JobState, JobStatus, Stop
from tests.stateful.clients import ClientSteps
from tests.stateful.steps import step
from tests.stateful.strategies import between, either, mostly, one_of, picks, ranges, specifications


class ChangeSteps(ClientSteps):
    """Mostly of jobs for which it is meant, sometimes of any."""

    def chosen(self, pick: int, sound: bool, meant: Callable[[JobStatus], bool]) -> JobStatus | None:
        """A job for which something is meant, newest first; any one where there is none, or it is not `sound`."""
        jobs = self.one.jobs(limit=1000)
        among = [job for job in jobs if sound and meant(job)] or list(jobs)
        return among[pick % len(among)] if among else None

    @step(
        weight=2,
        pick=picks,
        sound=mostly,
        count=between(0, 5),
        ahead=one_of((0, 0, 0, 0, 1, -1)),
        again=either,
        new=one_of((True, False, False)),
        tasks=one_of((0, 0, 3)),
        spec=specifications,
    )
    def append(
        self,
        *,
        pick: int,
        sound: bool,
        count: int,
        ahead: int,
        again: bool,
        new: bool,
        tasks: int,
        spec: dict[str, Any],
    ) -> None:
        """Add tasks to an open job, to a new one if there is none, once or twice, where they belong or elsewhere."""
        if new or not any(job.open and not job.service for job in self.one.jobs(limit=1000)):
            inputs = tuple(bytes([number]) for number in range(tasks))
            self.submit(
                [spec | {"open": True, "service": False, "tasks": tasks, "inputs": inputs, "key": ""}]
            )
        job = self.chosen(pick, sound, lambda job: job.open and not job.service)
        if job is None:
            return
        inputs = tuple(bytes([self.ids % 256, number]) for number in range(count))
        for before in (False, True)[: 1 + again]:
            added = self.same(lambda store, _: store.append(job.job_id, job.task_count + ahead, inputs))
            if added is not None and added > job.task_count:
                self.happened[
                    "tasks were added that were there already" if before else "tasks were added"
                ] += 1
        self.read_endings(job.job_id)

    @step(pick=picks, sound=mostly, renewed=either, lease_seconds=one_of((1.0, 4.0)))
    def close_or_renew(self, pick: int, sound: bool, renewed: bool, lease_seconds: float) -> None:
        """The client of an open job needs nothing more, or is still there."""
        job = self.chosen(pick, sound, lambda job: job.open and not job.service)
        if job is None:
            return
        if renewed:
            wanted = self.same(lambda store, _: store.renew_job(job.job_id, lease_seconds))
            self.happened["the lease of a client was renewed"] += bool(wanted)
        else:
            closed = self.same(lambda store, _: store.close_job(job.job_id))
            self.happened["an open job was closed"] += closed is not None and job.open

    @step(weight=2, pick=picks, sound=mostly, again=either, picked=ranges)
    def cancel_tasks(self, *, pick: int, sound: bool, again: bool, picked: list[tuple[int, int]]) -> None:
        """Some tasks of a job, of one that has tasks which wait, or wait to run again."""
        job = self.chosen(
            pick, sound, lambda job: (job.waiting_retry if again else job.waiting) > 0 and not job.service
        )
        if job is None:
            return
        numbered = job.next_index
        chosen = [(first % (job.task_count + 1), count) for first, count in picked]
        cancelled = self.same(lambda store, _: store.cancel_tasks(job.job_id, chosen))
        self.happened["tasks were cancelled alone"] += bool(cancelled)
        if cancelled:
            tasks = [first + number for first, count in cancelled for number in range(count)]
            outcomes = self.one.outcomes(job.job_id, task_indexes=tasks, final_only=True)
            self.happened["tasks that wait to run again were cancelled alone"] += any(
                one.attempt > 1 for one in outcomes
            )
            self.happened["tasks got a number because a later one was cancelled"] += any(
                one.first_index >= numbered for one in self.one.retries(job.job_id)
            )
        self.read_endings(job.job_id)

    @step(weight=2, pick=picks, sound=mostly, released=either)
    def hold_or_release(self, pick: int, sound: bool, released: bool) -> None:
        """Hold what is claimed, release what is held."""
        job = self.chosen(pick, sound, lambda job: job.held if released else job.claimed_by > 0)
        if job is None:
            return
        if released:
            self.same(lambda store, _: store.release(job.job_id))
            self.happened["a held job was released"] += job.held and not job.state.final
        else:
            self.same(lambda store, _: store.hold(job.job_id))
            self.happened["a claimed job was held"] += job.claimed_by > 0

    @step(weight=2, pick=picks, sound=mostly)
    def retry_failed(self, pick: int, sound: bool) -> None:
        job = self.chosen(pick, sound, lambda job: job.state is JobState.FAILED)
        if job is not None:
            tried = self.same(lambda store, _: store.retry_failed(job.job_id))
            self.happened["a failed job was tried again"] += (
                tried is not None and job.state is JobState.FAILED
            )

    @step(
        weight=2,
        pick=picks,
        sound=mostly,
        replicas=one_of((None, -1, 0, 1, 2, 5)),
        priority=one_of((None, None, 100, 300)),
        labels=one_of((None, None, {}, {"team": "a"})),
    )
    def alter(
        self,
        *,
        pick: int,
        sound: bool,
        replicas: int | None,
        priority: int | None,
        labels: dict[str, str] | None,
    ) -> None:
        """Scale services; change the priority and the labels of any job that goes on."""
        job = self.chosen(
            pick, sound, lambda job: not job.state.final and job.service == (replicas is not None)
        )
        if job is not None:
            self.alter_job(job, replicas=replicas, priority=priority, labels=labels)

    def alter_job(
        self,
        job: JobStatus,
        *,
        replicas: int | None,
        priority: int | None = None,
        labels: dict[str, str] | None = None,
    ) -> None:
        running = [slot for slot in self.one.placements(job.job_id) if slot.stop is not Stop.CANCEL]
        changed = self.same(
            lambda store, _: store.alter(job.job_id, replicas=replicas, priority=priority, labels=labels)
        )
        if changed is not None:
            self.happened["a job got another priority"] += changed.priority != job.priority
            self.happened["a service grew"] += changed.replicas > job.replicas
            self.happened["a service shrank"] += changed.replicas < job.replicas
            slots = self.one.placements(job.job_id)
            self.happened["a replica was told to end"] += any(slot not in slots for slot in running)
