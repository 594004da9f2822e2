-- The whole commit: devices, named resources, preemption, reservations, alternatives, ranges measured; purging;
-- storage settings. Run with search_path set to the cell's schema.

ALTER TABLE cell ADD COLUMN purged_xid xid8 DEFAULT '0' NOT NULL;

ALTER TABLE machine ADD COLUMN extended BOOLEAN DEFAULT 'false' NOT NULL;

ALTER TABLE device DROP CONSTRAINT device_fits;
ALTER TABLE device DROP COLUMN capacity_milli;
ALTER TABLE device ADD CONSTRAINT device_fits CHECK (used_milli BETWEEN 0 AND 1000);

CREATE TABLE machine_custom (
    machine_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    capacity_milli BIGINT NOT NULL,
    used_milli BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT machine_custom_pkey PRIMARY KEY (machine_id, name),
    CONSTRAINT machine_custom_fits CHECK (used_milli BETWEEN 0 AND capacity_milli))
WITH (fillfactor = 50);

CREATE TABLE reservation (
    machine_id BIGINT NOT NULL,
    job_id BIGINT NOT NULL,
    priority INTEGER NOT NULL,
    until TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT reservation_pkey PRIMARY KEY (machine_id)
);

CREATE INDEX reservation_job_id_index ON reservation (job_id);

CREATE TABLE preemption (
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    machine_id BIGINT NOT NULL,
    winner_job BIGINT NOT NULL,
    victim_job BIGINT NOT NULL,
    first_index BIGINT NOT NULL,
    count INTEGER NOT NULL,
    attempt INTEGER NOT NULL
);

CREATE INDEX preemption_winner_job_index ON preemption (winner_job);

CREATE INDEX preemption_victim_job_index ON preemption (victim_job);

ALTER TABLE job
    ADD COLUMN preemptible BOOLEAN DEFAULT 'true' NOT NULL,
    ADD COLUMN gpu_milli BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN custom JSONB,
    ADD CONSTRAINT job_devices CHECK (gpu_milli >= 0 AND (gpu_milli < 1000 OR gpu_milli % 1000 = 0));

UPDATE job SET preemptible = (specification->>'preemptible')::boolean WHERE specification ? 'preemptible';

ALTER TABLE job_state
    ADD COLUMN conflicts BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN measured_tasks BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN measured_us BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN purged_succeeded BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN purged_unsuccessful BIGINT DEFAULT '0' NOT NULL;

ALTER TABLE job_delta
    ADD COLUMN measured_tasks BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN measured_us BIGINT DEFAULT '0' NOT NULL;

ALTER TABLE placement
    ADD COLUMN devices BIGINT,
    ADD COLUMN preempted_by BIGINT;

ALTER TABLE cell_log
    ADD COLUMN claim_tasks BIGINT[] DEFAULT '{}' NOT NULL,
    ADD COLUMN claim_placed BIGINT[] DEFAULT '{}' NOT NULL,
    ADD COLUMN claim_placed_on BIGINT[] DEFAULT '{}' NOT NULL,
    ADD COLUMN claim_preempted BIGINT[] DEFAULT '{}' NOT NULL;

ALTER TABLE cell_log
    ALTER claim_tasks SET STORAGE EXTERNAL,
    ALTER claim_placed SET STORAGE EXTERNAL,
    ALTER claim_placed_on SET STORAGE EXTERNAL,
    ALTER claim_preempted SET STORAGE EXTERNAL;

-- Rows that live for seconds: what is dead must go before the index scans that look for the living notice it. A
-- tenth of the table may be dead, whatever its size; and a worker that sleeps between pages would never catch up.
ALTER TABLE job_queue SET (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE job_delta SET (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE retry SET (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE placement SET (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
-- Rows updated in place (HOT): pruning does the work, a vacuum only has to keep the visibility map and the counts.
ALTER TABLE machine SET (autovacuum_vacuum_scale_factor = 0.2, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE job_state SET (autovacuum_vacuum_scale_factor = 0.2, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
