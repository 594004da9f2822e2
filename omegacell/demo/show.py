"""The demo's story, told while it runs; exit code 0 only if every part went as it should."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omegacell.cellstate.model import JobState, SchedulerStatus, Violation
from omegacell.cellstate.spec import Job, Resources
from omegacell.cli import cell_replies, scheduler_view
from omegacell.cli.output import emit, table
from omegacell.client.cell import Cell
from omegacell.client.handles import JobHandle
from omegacell.client.ids import job_text
from omegacell.client.progress import detail, ended_tasks
from omegacell.demo import identifiers
from omegacell.demo.bars import Bars
from omegacell.demo.replicas import REPLICAS, Stage, Story, service
from omegacell.local_cell.launch import local

MACHINES = 4
SCHEDULERS = {"batch": 2, "service": 1}
COMMANDS = 200
CHUNK_BYTES = 400_000
"""About 0.2 s of tokenising: long beside what a task costs, short beside the whole."""
LONGEST_SECONDS = 180.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the demo found."""

    words: identifiers.Count
    lines: int
    story: Story
    schedulers: tuple[SchedulerStatus, ...]
    violations: tuple[Violation, ...]
    problems: tuple[str, ...]


def main(*, as_json: bool = False) -> int:
    """Run the demo; its exit code."""
    started = time.monotonic()
    kinds = ", ".join(f"{count} {kind}" for kind, count in SCHEDULERS.items())
    say(f"starting a cell: {MACHINES} machines, schedulers as Ray actors: {kinds}")
    with local(
        machines=MACHINES,
        schedulers=SCHEDULERS,
        # More than this host has: the demo is about who gets what, and its tasks wait for each other anyway.
        machine=Resources(cpu=2, memory="1GiB", disk="1GiB"),
        runtime="ray",
    ) as cell:
        say(f"the cell is up after {time.monotonic() - started:.1f} s")
        figures = _play(cell)
        (_show_json if as_json else _show)(figures)
        say("stopping everything")
    for problem in figures.problems:
        say(f"PROBLEM: {problem}")
    say(f"{'not all went well' if figures.problems else 'all went well'}, {time.monotonic() - started:.0f} s")
    return 1 if figures.problems else 0


def _play(cell: Cell) -> Figures:
    """Submit the three parts at the same time, watch them to their end, and look at what they did."""
    files = identifiers.standard_library()
    chunks = identifiers.even_chunks(files, CHUNK_BYTES)
    beacons = cell.apply(service())
    story = Story(beacons)
    words = cell.map(
        identifiers.count, chunks, name="identifiers", resources=Resources(cpu=0.5, memory="64MiB")
    )
    lines = cell.submit(_line_counts(files))
    problems = _watch(words, lines, story)
    counted = identifiers.together(words.results(errors="skip"))
    total = sum(int(text) for text in lines.results(errors="skip"))
    beacons.cancel()
    ended = beacons.wait(LONGEST_SECONDS)
    if ended.state is not JobState.CANCELLED:
        problems.append(f"the service is {ended.state} after it was cancelled")
    if counted.files != len(files):
        problems.append(f"{counted.files} of {len(files)} files were counted")
    violations = cell.check()
    problems += [f"{one.invariant}: {one.detail}" for one in violations]
    return Figures(
        words=counted,
        lines=total,
        story=story,
        schedulers=cell.schedulers(),
        violations=violations,
        problems=tuple(problems),
    )


def _line_counts(files: Sequence[Path]) -> Job:
    """Part (b): shell commands, each on a file of its own."""
    return Job(
        name="line-counts",
        command=["sh", "-c", 'wc -l < "$OMEGA_ITEM"'],
        each=[str(path) for path in files[:COMMANDS]],
        resources=Resources(cpu=0.25, memory="16MiB"),
    )


def _watch(words: JobHandle, lines: JobHandle, story: Story) -> list[str]:
    """Follow the parts until all are through; what did not go well."""
    names = {words.id: "identifiers", lines.id: "shell commands"}
    totals = {names[handle.id]: handle.status.task_count for handle in (words, lines)}
    until = time.monotonic() + LONGEST_SECONDS
    with Bars({**totals, "service": REPLICAS}) as bars:
        while True:
            ended = [words.status, lines.status]
            for status in ended:
                bars.show(names[job_text(status.job_id)], ended_tasks(status), detail(status))
            stage = story.look()
            bars.show("service", story.answering, stage.value)
            if all(status.state.final for status in ended) and stage is Stage.REPLACED:
                break
            if time.monotonic() > until:
                return [f"not through after {LONGEST_SECONDS:.0f} s: {names}, the service is {stage.value}"]
            bars.line()
            time.sleep(_LOOK_SECONDS)
    return [
        f"{names[job_text(status.job_id)]}: {status.state}, {status.failed} tasks failed"
        for status in ended
        if status.state is not JobState.SUCCEEDED
    ]


def _show(figures: Figures) -> None:
    words, story = figures.words, figures.story
    print(
        f"\n(a) {words.files} files of Python's standard library hold {words.tokens} tokens "
        f"({words.unreadable} files are no Python on purpose); the most used identifiers:"
    )
    table(("IDENTIFIER", "USES"), words.identifiers.most_common(10), right=("USES",))
    print(f"\n(b) {COMMANDS} shell commands counted {figures.lines} lines")
    print(
        f"\n(c) {REPLICAS} replicas answered; process {story.killed} was killed, "
        f"process {story.successor} took its place"
    )
    print("\nschedulers")
    scheduler_view.show(figures.schedulers)
    print(f"\nfsck: {f'{len(figures.violations)} broken' if figures.violations else 'all invariants hold'}\n")


def _show_json(figures: Figures) -> None:
    words, story = figures.words, figures.story
    emit(
        cell_replies.Demo(
            identifiers=cell_replies.Identifiers(
                files=words.files, tokens=words.tokens, most_common=tuple(words.identifiers.most_common(10))
            ),
            shell_commands=cell_replies.ShellCommands(count=COMMANDS, lines=figures.lines),
            service=cell_replies.Beacons(
                replicas=REPLICAS, killed_pid=story.killed, successor_pid=story.successor
            ),
            schedulers=figures.schedulers,
            violations=figures.violations,
            problems=figures.problems,
        )
    )


def say(message: str) -> None:
    """What is going on, on standard error."""
    print(f"demo: {message}", file=sys.stderr, flush=True)
