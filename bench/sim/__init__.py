"""Virtual time: the same schedulers, policies and commit rule as live, driven by a seeded discrete-event engine."""
