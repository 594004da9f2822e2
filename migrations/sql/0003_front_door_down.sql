-- Takes 0003 back. What only it could hold (what jobs wait for, deadlines, ports, events of jobs) is lost with it.
-- Run with search_path set to the cell's schema.

DROP TABLE log_request;

ALTER TABLE cell_log DROP COLUMN job_id, DROP COLUMN job_state, DROP COLUMN detail;

DROP INDEX outcome_stream_index;

ALTER TABLE outcome DROP COLUMN xid;

ALTER TABLE placement DROP COLUMN ports;

DROP TABLE job_expiry, dependency;

ALTER TABLE job_state
    DROP CONSTRAINT job_state_limits,
    DROP CONSTRAINT job_state_final_is_closed,
    DROP COLUMN open,
    DROP COLUMN held,
    DROP COLUMN failing,
    DROP COLUMN blocked_by,
    DROP COLUMN max_running,
    DROP COLUMN max_failures;

ALTER TABLE job DROP COLUMN open;

DROP TABLE fleet;

ALTER TABLE scheduler DROP CONSTRAINT scheduler_wanted, DROP COLUMN wanted, DROP COLUMN policy;

ALTER TABLE worker DROP COLUMN address;
