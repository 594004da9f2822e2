"""Events with the names of what they speak of, which the store knows by numbers."""

from __future__ import annotations

from omegacell.cellstate.model import Event
from omegacell.cli import cell_replies
from omegacell.cli.output import moment
from omegacell.client.cell import Cell
from omegacell.client.ids import job_text


class Told:
    """Events as they are told; looks names up when a number is new to it."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._machines: dict[int, str] = {}
        self._schedulers: dict[int, str] = {}

    def reply(self, event: Event) -> cell_replies.Event:
        """An event as --json has it."""
        return cell_replies.Event(
            at=event.at,
            kind=event.kind,
            job=job_text(event.job_id) if event.job_id else "",
            machine=self._machine(event.machine_id),
            scheduler=self._scheduler(event.scheduler_id),
            count=event.count,
            reason=event.reason.name.lower() if event.reason else "",
            state=str(event.state),
            detail=event.detail,
        )

    def line(self, event: Event) -> str:
        """An event as a line of text."""
        told = self.reply(event)
        words = [moment(told.at), told.kind.value.replace("_", " ")]
        if told.count:
            words.append(str(told.count))
        # Such as: placed 3 of j7 on host-1 by batch-0.
        for before, name in (
            ("of" if told.count else "", told.job),
            ("on", told.machine),
            ("by", told.scheduler),
        ):
            words += [before, name] if name else []
        words.append(", ".join(filter(None, (told.state, told.reason, told.detail))))
        return " ".join(filter(None, words))

    def _machine(self, number: int) -> str:
        if number and number not in self._machines:
            self._machines = {one.machine_id: one.name for one in self._cell.machines()}
        return self._machines.get(number, str(number) if number else "")

    def _scheduler(self, number: int) -> str:
        if number and number not in self._schedulers:
            self._schedulers = {one.scheduler_id: one.name for one in self._cell.schedulers()}
        return self._schedulers.get(number, str(number) if number else "")
