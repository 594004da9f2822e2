"""What `omega machines` shows of devices, named resources and reservations."""

from __future__ import annotations

import pytest

from omegacell.cellstate.model import Amounts, MachineStatus, Reservation
from omegacell.cli import machine_view

NOTHING = Amounts()


def machine(number: int, *, capacity: Amounts, used: Amounts = NOTHING) -> MachineStatus:
    """Machine m<number>, up."""
    return MachineStatus(
        machine_id=number,
        name=f"m{number}",
        worker_id=1,
        capacity=capacity,
        used=used,
        up=True,
        schedulable=True,
        epoch=1,
        version=1,
        claim_sequence=1,
        placements=0,
        attributes={},
    )


def shown(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_a_cell_without_devices_shows_none(capsys: pytest.CaptureFixture[str]) -> None:
    machine_view.show([machine(1, capacity=Amounts(cpu_milli=1000))], [])
    heading, row = shown(capsys)
    assert heading == ["MACHINE", "STATE", "CPU", "OF", "MEMORY", "OF", "PLACEMENTS", "ATTRIBUTES"]
    assert row == ["m1", "up", "0", "1", "0B", "0B", "0"]


def test_devices_and_named_resources_show_what_is_used_and_what_is_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    capacity = Amounts(cpu_milli=1000, gpu_milli=4000, custom=(("licence", 2000), ("tpu", 1000)))
    used = Amounts(gpu_milli=1500, custom=(("licence", 500),))
    machine_view.show([machine(1, capacity=capacity, used=used), machine(2, capacity=Amounts())], [])
    heading, first, second = shown(capsys)
    assert heading[6:9] == ["GPU", "OF", "CUSTOM"]
    assert first[6:] == ["1.5", "4", "licence", "0.5/2,", "tpu", "0/1", "0"]
    assert second[6:] == ["0", "0", "0"]


def test_a_reserved_machine_says_for_whom_and_until_when(capsys: pytest.CaptureFixture[str]) -> None:
    machines = [machine(number, capacity=Amounts(cpu_milli=1000)) for number in (1, 2)]
    machine_view.show(machines, [Reservation(machine_id=2, job_id=12, priority=100, until=1.8e9)])
    heading, first, second = shown(capsys)
    assert heading[7] == "RESERVED"
    assert (first[7:], second[7:]) == ([], ["for", "j12", "until", "2027-01-15", "08:00:00Z"])
