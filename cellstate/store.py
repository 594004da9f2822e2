"""The cell state as its three kinds of users see it: clients, schedulers and workers.

These protocols are the seam of the project. The PostgreSQL store is the product, the in-memory store
its twin for tests and virtual time; tests/contract holds both to the same behaviour, and the rules are
written here once. Misuse and environment raise (errors.py); whatever contention may bring is a value.

Rules that hold in every method
- Lock order: jobs by id, machines by id, placements. Tokens are compared, never clocks.
- A task index is in exactly one of: not yet numbered, a retry range, a placement, a final outcome,
  or counted in `never_placed`.
- `machine.version` rises with every change of a machine's row or of what it holds; `claim_sequence`
  rises once per transaction that placed something there, and with cordon, drain, uncordon, reservation,
  and every registration or loss (a new epoch): what could make a claim fail. A task's end is not among them.
- A placement is a slot: it holds the amounts of one task, and runs its `count` tasks one after another.
- Nothing but a worker's report, or the loss of its machine, ends a placement. Cancellation and drain set
  its `stop`; preemption too, and takes its amounts away at once for the winner, which starts after it ended.
- A job has work while a task of it is unnumbered or in a retry range, and it may be placed: it is neither held
  nor blocked nor final, and holds fewer than max_running tasks. A job with work that nobody has claimed has
  exactly one row in the queue.
- A job's id is higher than the ids of all jobs it comes after.
- An open job (JobSpec.grows, until it is closed or cancelled) is not final, whatever has ended.
- A task of an open job that is cancelled alone, and everything before it that was unnumbered, is numbered then:
  what is not cancelled waits as a retry range of attempt 1, due at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from omegacell.cellstate.model import (
    Changes,
    ClaimedJob,
    ConflictCount,
    Dependency,
    Ended,
    Endings,
    Endpoint,
    Events,
    Holdings,
    Int64,
    JobSpec,
    JobState,
    JobStatus,
    Kept,
    Lease,
    LogPiece,
    LogRequest,
    MachineSpec,
    MachineStatus,
    Outcome,
    Placement,
    Preemptible,
    Preemption,
    Purged,
    RegisteredMachine,
    Renewal,
    Reservation,
    RetryRange,
    SchedulerStatus,
    Settlement,
    Started,
    Submission,
    Submitted,
    TaskDefinition,
    Transaction,
    Verdict,
    Violation,
    Wanted,
    Watermark,
    WorkerSpec,
    WorkerStatus,
)

RESERVED_SECONDS_AT_MOST = 60.0
"""A reservation that is not used lets machines idle: it is short, and the gang ages anew before its next."""


class ClientStore(Protocol):
    """What people and their programs do: submit, look, cancel, drain."""

    def submit(self, submissions: Sequence[Submission], *, connection: Any = None) -> tuple[Submitted, ...]:
        """Store jobs, all or none, and put each in the queue of its scheduler kind.

        A submission_id already stored, or a key of the same namespace with an equal specification,
        answers the existing job with created=False, also after it ended. The same key with another
        specification raises KeyConflict and stores nothing. `connection` is the caller's own psycopg or
        SQLAlchemy connection: the jobs exist when its transaction commits (PostgreSQL only; the
        in-memory store raises SpecInvalid for it).

        A job that comes after others (JobSpec.after, Submission.after) is BLOCKED, and not in the queue, until every
        one of its parents has ended: it is PENDING from then on; it is CANCELLED, with the reason "j7, which it
        comes after, failed" (or: was cancelled), as soon as one that must have succeeded has not. Unknown parents
        are NotFound. Under a connection of the caller's own, parents that have ended meanwhile are noticed by the
        next reap(), else at once.
        An open job may have no tasks yet. The parents' ids are part of what a key stands for.
        """
        ...

    def append(self, job_id: int, first_index: int, inputs: Sequence[bytes]) -> int:
        """Add tasks with these inputs to an open job, as first_index and on; how many tasks it then has.

        Sent twice, applied once: where the job already has them all nothing changes. SpecInvalid for any other
        first_index than its task_count, and for a job that is not open, or is a service. Durable.
        """
        ...

    def close_job(self, job_id: int) -> JobStatus:
        """Add no more tasks: the job ends when its tasks have. Idempotent; SpecInvalid for a service."""
        ...

    def renew_job(self, job_id: int, lease_seconds: float) -> bool:
        """The client still wants an open job of its own: its lease ends so long from now. False once it is final
        or cancelled, or where it has no lease (Submission.lease_seconds).
        """
        ...

    def cancel_tasks(self, job_id: int, ranges: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        """Cancel those tasks of these ranges (first, count) that are not placed and have not ended.

        They get final cancelled outcomes (the range's attempt, machine_id 0). Returns the ranges that were,
        ascending, neighbours joined. SpecInvalid for a service (alter scales it).
        """
        ...

    def ended(self, job_id: int, watermark: Watermark | None) -> Endings:
        """The final outcomes of a job that was submitted open since `watermark` (None: all), each once.

        Nothing committed is ever missed, as in sync(). SpecInvalid for a job that was not submitted open. Tasks
        of a cancelled job that were never placed have none: they are job().never_placed.
        """
        ...

    def hold(self, job_id: int) -> JobStatus:
        """Place nothing more of a job until release(); what is placed runs on. Idempotent, also for final jobs."""
        ...

    def release(self, job_id: int) -> JobStatus:
        """Let a held job be placed again. Idempotent."""
        ...

    def retry_failed(self, job_id: int) -> JobStatus:
        """Run again what has no result in a job that has FAILED: what failed, and what was cancelled with it.

        They wait to be placed at once with attempt + 1 and budgets like new; what was never numbered is numbered in
        its turn; the earlier final outcomes are history (final=False). The job is PENDING again. Jobs that were
        cancelled because it failed stay cancelled. A job that SUCCEEDED is left as it is; SpecInvalid for one that
        was cancelled or has not ended.
        """
        ...

    def alter(
        self,
        job_id: int,
        *,
        replicas: int | None = None,
        priority: int | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> JobStatus:
        """Change what may be changed of a job that has not ended, also in its stored specification; None: as it is.

        `replicas`, of services only: more are tasks with new indexes; fewer cancels first what was never
        numbered, then what waits to run again, then the placements of the highest indexes (stop=cancel), which
        end and do not run again. SpecInvalid for a final or cancelled job, for replicas of another kind of job, or
        below 0.
        """
        ...

    def cancel(self, job_id: int) -> JobStatus:
        """Ask that a job end: nothing further is placed, its placements get stop=cancel.

        What was never numbered is counted cancelled at once (`never_placed`); retry ranges get final
        cancelled outcomes (attempt = the range's attempt, machine_id 0); placements end by their
        worker's report. Idempotent; no effect on a final job. Returns the status after it. The job is
        CANCELLED as soon as it holds nothing. NotFound for an unknown id.
        """
        ...

    def job(self, job_id: int) -> JobStatus:
        """One job's status; NotFound if there is none of that id."""
        ...

    def statuses(self, job_ids: Sequence[int]) -> tuple[JobStatus, ...]:
        """Those of these jobs that there are, by id, in one look."""
        ...

    def specification(self, job_id: int) -> JobSpec:
        """What was submitted, as altered since; NotFound as job()."""
        ...

    def dependencies(self, job_id: int) -> tuple[Dependency, ...]:
        """The jobs that a blocked job still waits for, by id."""
        ...

    def endpoints(self, job_id: int) -> tuple[Endpoint, ...]:
        """Where the ports of its running tasks answer, by task and name; none of those that are told to stop."""
        ...

    def jobs(
        self,
        *,
        states: Sequence[JobState] = (),
        labels: Mapping[str, str] | None = None,
        limit: int = 100,
    ) -> tuple[JobStatus, ...]:
        """Newest first; `labels` must all match; empty `states` means any."""
        ...

    def outcomes(
        self, job_id: int, *, task_indexes: Sequence[int] = (), final_only: bool = False
    ) -> tuple[Outcome, ...]:
        """Outcomes of a job by (task_index, attempt); empty `task_indexes` means all."""
        ...

    def placements(self, job_id: int) -> tuple[Placement, ...]:
        """What a job holds now, by first_index."""
        ...

    def retries(self, job_id: int) -> tuple[RetryRange, ...]:
        """The job's tasks that wait to run again, by first_index."""
        ...

    def explanation(self, job_id: int) -> str:
        """The JSON object its scheduler left at its last settlement, "{}" if none; NotFound as job()."""
        ...

    def preemptions(self, job_id: int) -> tuple[Preemption, ...]:
        """What the job took from others and what others took from it, by time; kept until a purge."""
        ...

    def reservations(self) -> tuple[Reservation, ...]:
        """What is reserved now, by machine."""
        ...

    def purge(self, *, older_than_seconds: float) -> Purged:
        """Forget jobs that ended longer ago than that, with all that is kept of them.

        PostgreSQL also drops the daily partitions of log and outcomes that are wholly older (those of today
        and yesterday are always kept); final outcomes dropped so of jobs that remain stay counted in them.
        Under a lock timeout: what somebody holds is left for the next purge. In-memory: jobs only.
        """
        ...

    def machines(self) -> tuple[MachineStatus, ...]:
        """All machines by id."""
        ...

    def drain(self, machine_name: str, *, evict: bool = True) -> MachineStatus:
        """Take no new placements (cordon); with `evict` also stop=preempt for those it has.

        Preempted tasks run elsewhere without using a retry. NotFound for an unknown name. Idempotent:
        claim_sequence rises only when schedulable changes.
        """
        ...

    def uncordon(self, machine_name: str) -> MachineStatus:
        """Take placements again."""
        ...

    def schedulers(self) -> tuple[SchedulerStatus, ...]:
        """All schedulers that ever registered, by id."""
        ...

    def workers(self) -> tuple[WorkerStatus, ...]:
        """All workers that ever registered, by id."""
        ...

    def control_scheduler(
        self, name: str, *, wanted: Wanted | None = None, policy: str | None = None
    ) -> SchedulerStatus:
        """Say what a scheduler is to do from its next renewal on (None: as before); NotFound for an unknown name.

        HOLD and the policy outlive its process; a DRAIN is over when the name registers again.
        """
        ...

    def fleet(self) -> Mapping[str, int]:
        """How many schedulers of a kind people asked the keeper of a local cell for, by kind."""
        ...

    def set_fleet(self, kind: str, count: int) -> None:
        """Ask for so many schedulers of a kind; whoever keeps them (the keeper of a local cell) reads fleet()."""
        ...

    def events(self, watermark: Watermark | None) -> Events:
        """What happened since `watermark`, oldest first (None: nothing yet, from now on).

        Nothing committed is ever missed. What the log has lost to a purge is left out.
        """
        ...

    def conflicts(self, *, since: float) -> tuple[ConflictCount, ...]:
        """Claims refused for a conflict since that time, counted by scheduler, machine, rival and reason."""
        ...

    def ask_log(self, worker_id: int, request: LogRequest) -> int:
        """Ask a worker for a piece of a log (request_id is ignored); the request's id. Old requests are forgotten."""
        ...

    def log_answer(self, request_id: int) -> LogPiece | None:
        """The answer, once; None while there is none (NotFound once the request was forgotten, after a minute)."""
        ...

    def check(self) -> tuple[Violation, ...]:
        """Every broken invariant (cellstate/invariants.py) in one consistent view; empty is good."""
        ...


class PlacingStore(Protocol):
    """What planning and committing ask of a store: all that a Scheduler itself calls, live or in virtual time."""

    def claim_jobs(self, scheduler_id: int, token: int, *, limit: int) -> tuple[ClaimedJob, ...]:
        """Everything the caller still holds, and then up to `limit` jobs in all, from its kind's queue.

        Queue order: priority descending, then first in first out, where a job put back goes to the end
        of its priority; jobs whose not_before has not come are passed over. Claiming takes the job off
        the queue and, the first time, notes first_attempt_at. TokenLost if replaced.
        """
        ...

    def sync(self, watermark: Watermark | None) -> Changes:
        """What changed on the machines since `watermark` (None: everything), and the next watermark.

        Nothing committed is ever missed, in whatever order transactions commit; nothing is read twice
        because of somebody's long transaction. Another generation, or too far behind: a full load.
        """
        ...

    def commit(self, transaction: Transaction) -> Verdict:
        """Judge and apply the claims in one round trip (DESIGN section 4).

        The rule is judge.py's. The job's specification decides detection and commit mode. Slots are numbered
        in the order of claims: each takes up to its claim's `tasks` from the due retry range of the lowest
        index (never joining two; what is left of it stays a range), else from next_index. Victims taken keep
        their placement with nothing charged, stop=preempt (a cancel stays one) and preempted_by=the winner's
        job, and each is recorded (ClientStore.preemptions). A job that got a slot loses its reservation. A replaced
        token refuses everything with TOKEN_LOST; a job that is not claimed by this scheduler refuses
        its claims with JOB_NOT_CLAIMED. The same txn_id again gives the first answer (rows are fresh)
        and applies nothing, also while the first is still running, and whatever the token is by then.
        A TOKEN_LOST answer is not recorded. The scheduler's counters rise: of the (job, transaction)
        pairs, transactions_failed counts those with a claim that conflicted (Reason.conflict),
        transactions_succeeded the others that had a slot accepted; `claims` all slots asked for,
        `claims_refused` the slots not accepted for a conflict, GROUP or GANG, `placements` those accepted.
        A job with nothing left to place is no longer claimed afterwards; any other stays claimed until
        settle(). Of a job with max_running no more slots are accepted than it lets in beside those placed
        (NOTHING_TO_PLACE), and they hold one task each; once it is full it is no longer claimed.
        """
        ...

    def preemptible(self, machine_ids: Int64, *, below: int) -> Preemptible:
        """What these machines hold of preemptible jobs of a priority lower than `below`.

        Without what is already preempted; at most a few thousand machines should be asked for in a call.
        """
        ...

    def reserve(
        self, scheduler_id: int, token: int, job_id: int, machine_ids: Int64, *, seconds: float
    ) -> int:
        """Keep machines for a gang that the caller holds, for so long (RESERVED_SECONDS_AT_MOST); how many.

        Of those given, the ones that are up, schedulable and not kept for another job; what the job had
        reserved before is let go. The commit refuses there (MACHINE_RESERVED) the claims of other jobs whose
        priority is not higher. It ends with its time, with the job's next accepted slot, or with
        cancellation; readers learn of an early end with the machine's next change. 0 for a job that is not
        the caller's or no gang. TokenLost if replaced.
        """
        ...

    def settle(self, scheduler_id: int, token: int, settlements: Sequence[Settlement]) -> None:
        """Give claimed jobs back: to the queue from not_before on if they have work, else to nobody.

        A job with only retries that are not yet due waits for the earliest of them if that is later.
        gave_up cancels what is not placed, with the reason "gave up ..."; `attempts` rises by one, `fruitless`
        by one or to zero if placed_any, `conflicts` by one if conflicted or to zero. Jobs not held by the
        caller are passed over. TokenLost if replaced.
        """
        ...


class SchedulerStore(PlacingStore, Protocol):
    """What a scheduler does: hold a lease, claim jobs, follow the machines, commit, settle."""

    def register_scheduler(self, name: str, kind: str, *, lease_seconds: float) -> Lease:
        """Become the current incarnation of scheduler `name`.

        The same name gives the same holder_id and a higher token; the jobs that the earlier incarnation
        had claimed go back to the queue at once, and its counters start from zero.
        """
        ...

    def renew_scheduler(
        self, scheduler_id: int, token: int, *, busy_seconds: float, attempts: int
    ) -> Renewal:
        """Extend the lease and report totals since registration; the new expiry, and what people want of it.

        TokenLost if replaced.
        """
        ...

    def release_scheduler(self, scheduler_id: int, token: int) -> None:
        """End the lease and give the claimed jobs back; no effect with an old token."""
        ...

    def reap(self) -> int:
        """Take from dead holders what they hold: expired workers' machines, expired schedulers' jobs.

        Machines go down with a new epoch and their placements end as LOST; returns machines reaped, of which
        there may be more: call again while it is not 0. Folds what reporters that died have left unfolded; settles
        what jobs wait for (submit()); ends jobs whose deadline has passed (FAILED, as fold() says) and jobs whose
        client's lease has ended (CANCELLED, "its program has ended").
        Does nothing until the store itself has been up for one lease (an outage must not kill the cell).
        Safe to call from everywhere, as often as one likes.
        """
        ...


class WorkerStore(Protocol):
    """What a worker does: hold a lease, register machines, pull, report."""

    def register_worker(self, spec: WorkerSpec, *, lease_seconds: float, replace_token: int = 0) -> Lease:
        """Become the current incarnation of worker `name`: same holder_id, higher token.

        While an earlier incarnation's lease runs, MachineInUse, unless `replace_token` is that
        incarnation's token (the caller's word that it has proven it dead) or (host, boot_id, pid) are the
        same (it is the same process). The earlier one's machines are lost at once: down, new epoch,
        placements LOST.
        """
        ...

    def register_machines(
        self, worker_id: int, token: int, machines: Sequence[MachineSpec]
    ) -> tuple[RegisteredMachine, ...]:
        """Bring machines up under this worker, thousands in a call, in the order given.

        A known name keeps its id and gets a new epoch, capacity and attributes; what it still held is
        LOST. MachineInUse if another worker with a running lease holds one; nothing is changed then.
        A cordoned machine stays cordoned. TokenLost if replaced.
        """
        ...

    def renew_worker(self, worker_id: int, token: int) -> float:
        """Extend the lease; the new expiry. TokenLost if replaced or reaped."""
        ...

    def release_worker(self, worker_id: int, token: int) -> None:
        """Leave in good order: machines down, what they hold LOST at once; no effect with an old token."""
        ...

    def pull(self, worker_id: int, token: int, known: Mapping[int, int]) -> tuple[Holdings, ...]:
        """What the caller's machines hold, for those whose version is not the one in `known`.

        `known` maps machine id to the version of the last answer applied; a machine not in it is always
        answered. Level-triggered: an answer is the whole truth about a machine, so a lost answer costs
        nothing. TokenLost if replaced or reaped.
        """
        ...

    def definitions(self, job_ids: Sequence[int]) -> tuple[TaskDefinition, ...]:
        """How to run the tasks of these jobs, by job id; unknown ids are left out."""
        ...

    def inputs(self, job_id: int, first_index: int, count: int) -> tuple[bytes, ...]:
        """The data of tasks first_index .. first_index + count - 1; empty if the job has none."""
        ...

    def log_requests(self, worker_id: int, token: int) -> tuple[LogRequest, ...]:
        """What people want to read of this worker's logs and nobody has answered yet, oldest first."""
        ...

    def answer_log(self, worker_id: int, token: int, request_id: int, piece: LogPiece) -> None:
        """Answer a request; no effect where it was forgotten."""
        ...

    def report_started(self, worker_id: int, token: int, started: Sequence[Started]) -> None:
        """Note that placements run, and on which ports; those no longer held under (epoch, attempt) are passed over."""
        ...

    def report_ended(
        self, worker_id: int, token: int, ended: Sequence[Ended], *, kept: Sequence[Kept] = ()
    ) -> tuple[bool, ...]:
        """End slots: free the machine, record the outcomes, run again or not; then fold the jobs.

        One entry per task that ended; together they end the slots they name, except for the task that `kept`
        names, with which the slot goes on (still charged). Tasks of such a slot that nothing is said of never
        ran: they wait to be placed at once as a retry range with attempt + 1, without an outcome, and use
        neither retries nor losses (of a cancelled job: fold cancels them).

        True where it was accepted; False where the slot is not held under (epoch, attempt) or is not one of
        that task: a zombie's word changes nothing, and a report sent twice is applied once. A slot that was
        preempted by a claim (preempted_by) ends, each reported task as PREEMPTED, whatever is said: what it
        says other than PREEMPTED or CANCELLED is answered False. (What it keeps it keeps: the winner waits on.)

        What follows, for a job whose cancellation was asked for or a slot with stop=cancel: every state but
        SUCCEEDED is final, and the task counts as cancelled. Else by state:
        SUCCEEDED final (a service's runs again with back-off); FAILED, START_FAILED, TIMED_OUT run again
        with failures + 1 while failures < retries (a service's always), after back-off, else final and
        failed; CANCELLED final; PREEMPTED runs again at once with lost + 1, or is final and failed once
        lost = max_lost; LOST likewise, and final at once if on_lost=fail. A service's task is final
        only by cancellation. Every next attempt has attempt + 1. Back-off: backoff.delay_seconds. Tasks that
        run again with the same attempt, failures, losses and not_before, next to each other in one slot, are
        one retry range. Tasks that SUCCEEDED or FAILED count for ClaimedJob.mean_task_seconds.
        """
        ...

    def fold(self, job_ids: Sequence[int] = ()) -> int:
        """Fold reported counts into job_state (all jobs that have some, if none are named).

        Sets final states, requeues jobs that have work again, turns retries of cancelled jobs into
        cancelled outcomes. A gang (not cancelled, with work) that holds fewer slots without a stop than its
        minimum less its ended tasks restarts together: those slots get stop=preempt. A job (no service) of which
        max_failures tasks have failed is withdrawn: as by cancel(), but it ends as FAILED, with the reason
        "max_failures=3 was reached". The number of jobs folded. Only this sets a job's final state, of one that is
        not open and has nothing left: SUCCEEDED if all tasks succeeded; else FAILED if it was withdrawn for
        max_failures or its deadline ("its deadline of 60 s has passed"); else CANCELLED if cancellation was asked
        for; else FAILED if a task failed; else CANCELLED (its tasks were, one by one).
        Jobs that wait for one that ended here are settled right after (submit()).
        """
        ...


class Store(ClientStore, SchedulerStore, WorkerStore, Protocol):
    """The whole cell state."""

    def close(self) -> None:
        """Give back connections; the store cannot be used afterwards."""
        ...
