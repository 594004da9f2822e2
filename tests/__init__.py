"""The tests: unit, contract, stateful, simulation, live and faults."""
