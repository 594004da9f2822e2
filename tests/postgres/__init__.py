"""What only PostgreSQL can show: concurrency, transactions of one's own, migrations, faults of the connection."""
