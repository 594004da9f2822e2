"""Things are killed in the middle of a job: the job ends, nothing is lost, nothing counts twice."""
