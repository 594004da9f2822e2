"""How it is measured: simulation, live conflicts, throughput and figures."""
