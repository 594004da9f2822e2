-- Takes the first cell away, with everything in it.
-- Run with search_path set to the cell's schema.

DROP TABLE cell,
    cell_log,
    device,
    job,
    job_delta,
    job_explanation,
    job_queue,
    job_state,
    machine,
    machine_fact,
    outcome,
    placement,
    retry,
    scheduler,
    task_input,
    worker;

DROP SEQUENCE token_sequence;
