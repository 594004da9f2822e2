"""Where the ports of running tasks answer."""

from __future__ import annotations

from omegacell.cellstate.memory import jobs
from omegacell.cellstate.memory.calls import Calls
from omegacell.cellstate.model import Endpoint, Stop


class EndpointCalls(Calls):
    """Its contract is store.ClientStore's."""

    def endpoints(self, job_id: int) -> tuple[Endpoint, ...]:
        with self._lock:
            placements = jobs.find(self._cell, job_id).placements
            return tuple(
                Endpoint(
                    task_index=first_index,
                    name=name,
                    address=self._address(slot.machine_id),
                    port=port,
                    machine_id=slot.machine_id,
                )
                for first_index, slot in sorted(placements.items())
                if slot.running and slot.stop is Stop.NONE
                for name, port in sorted(slot.ports)
            )

    def _address(self, machine_id: int) -> str:
        """How its worker's host is reached."""
        spec = self._cell.workers[self._cell.machines[machine_id].worker_id].spec
        return spec.address or spec.host
