"""Where the ports of running tasks answer."""

from __future__ import annotations

import sqlalchemy as sa

from omegacell.cellstate import tables as t
from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.model import Endpoint
from omegacell.cellstate.postgres.calls import Calls


class EndpointCalls(Calls):
    """Its contract is store.ClientStore's."""

    def endpoints(self, job_id: int) -> tuple[Endpoint, ...]:
        """Where the ports of its running tasks answer, by task and name."""
        p, w = t.placement.c, t.worker.c
        serving = (p.job_id == t.job.c.job_id) & p.running & (p.stop == "") & p.ports.is_not(None)
        statement = (
            sa.select(
                p.first_index,
                p.ports,
                p.machine_id,
                sa.func.coalesce(sa.func.nullif(w.address, ""), w.host).label("address"),
            )
            .select_from(t.job)
            .outerjoin(t.placement, serving)
            .outerjoin(t.machine, t.machine.c.machine_id == p.machine_id)
            .outerjoin(t.worker, w.worker_id == t.machine.c.worker_id)
            .where(t.job.c.job_id == job_id)
            .order_by(p.first_index)
        )
        rows = self._connections.read(statement)
        if not rows:
            raise NotFound(f"job j{job_id} does not exist in this cell; omega jobs lists those that do")
        return tuple(
            Endpoint(
                task_index=row.first_index,
                name=name,
                address=row.address,
                port=port,
                machine_id=row.machine_id,
            )
            for row in rows
            for name, port in sorted((row.ports or {}).items())
        )
