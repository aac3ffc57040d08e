-- The tables of 0.1.0 that today's database holds in another form; it is attached as `today`.
INSERT INTO main.job (id, name, number, owner, account, connector, submissionToken, fingerprint, backendID, outputPath,
  state, stateSource, stateTime, backendWord, reason, ending, exitCode, signal, nodes, elapsed, submittedAt, startedAt,
  endedAt, missingSince, attempt, unknownSince, priority, needs, devices, input, submittedStamp)
SELECT id, name, upstreamNumber, owner, account, connector, submissionToken, fingerprint, backendID, outputPath,
  state, seenBy, seenAt, backendWord, reason,
  CASE result WHEN 'succeeded' THEN 'completed' WHEN 'canceled' THEN 'canceled' WHEN 'lost' THEN 'lost'
    WHEN 'failed' THEN CASE cause WHEN 'out_of_memory' THEN 'outOfMemory' WHEN 'node_failure' THEN 'nodeFailure'
      WHEN 'launch_failed' THEN 'bootFailure' WHEN 'time_limit' THEN 'timeLimit' WHEN 'deadline' THEN 'deadline'
      WHEN 'preempted' THEN 'preempted' ELSE 'failed' END END,
  exitCode, signal, nodes, elapsed, submittedAt, startedAt, endedAt, inDoubtSince, attempt, unreachableSince, priority,
  resources, devices, input, submittedStamp
FROM today.job WHERE replacedBy IS NULL;

INSERT INTO main.jobEvent (id, job, time, actor, "from", "to", source, reason)
SELECT number, job, time, actor, "from", "to", source, reason FROM today.jobEvent
WHERE job IN (SELECT id FROM main.job) AND "to" IS NOT NULL;

INSERT INTO main.toldEnd (job, ending, elapsed)
SELECT job, CASE result WHEN 'succeeded' THEN 'completed' ELSE result END, elapsed FROM today.toldEnd;
