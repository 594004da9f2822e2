-- Takes 0002 back. What only it could hold (devices in use, preemptions, reservations) is lost with it.
-- Run with search_path set to the cell's schema.

ALTER TABLE job_state RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
ALTER TABLE machine RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
ALTER TABLE placement RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
ALTER TABLE retry RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
ALTER TABLE job_delta RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
ALTER TABLE job_queue RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);

ALTER TABLE cell_log
    DROP COLUMN claim_tasks,
    DROP COLUMN claim_placed,
    DROP COLUMN claim_placed_on,
    DROP COLUMN claim_preempted;

ALTER TABLE placement DROP COLUMN devices, DROP COLUMN preempted_by;

ALTER TABLE job_delta DROP COLUMN measured_tasks, DROP COLUMN measured_us;

ALTER TABLE job_state
    DROP COLUMN conflicts,
    DROP COLUMN measured_tasks,
    DROP COLUMN measured_us,
    DROP COLUMN purged_succeeded,
    DROP COLUMN purged_unsuccessful;

ALTER TABLE job
    DROP CONSTRAINT job_devices,
    DROP COLUMN preemptible,
    DROP COLUMN gpu_milli,
    DROP COLUMN custom;

DROP TABLE machine_custom, reservation, preemption;

ALTER TABLE device DROP CONSTRAINT device_fits;
ALTER TABLE device ADD COLUMN capacity_milli INTEGER DEFAULT '1000' NOT NULL;
ALTER TABLE device ADD CONSTRAINT device_fits CHECK (used_milli BETWEEN 0 AND capacity_milli);

ALTER TABLE machine DROP COLUMN extended;

ALTER TABLE cell DROP COLUMN purged_xid;
