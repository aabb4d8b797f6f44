-- What looks at many jobs need at once: how long the good runs of a job took, the latest end that
-- somebody must look at, and the schedules whose fires found an earlier run in the way.
CREATE INDEX run_good ON run(job, id, started_at, ended_at) WHERE state = 'succeeded';
CREATE INDEX run_bad ON run(job, id) WHERE ended_at IS NOT NULL
  AND (state NOT IN('succeeded', 'cancelled') OR instr(reason, 'unkillable: ') > 0);
CREATE INDEX fire_overlap ON fire(schedule, planned_at) WHERE verdict = 'overlap';
