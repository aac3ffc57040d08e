CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
CREATE TABLE "idempotencyKey" ("caller" TEXT NOT NULL, "key" TEXT NOT NULL, "job" TEXT NOT NULL REFERENCES "job"("id") ON DELETE CASCADE, "owner" TEXT, "createdAt" DATETIME, PRIMARY KEY ("caller", "key")) WITHOUT ROWID;
CREATE TABLE "job" ("id" TEXT PRIMARY KEY NOT NULL, "name" TEXT NOT NULL, "number" INTEGER NOT NULL, "owner" TEXT NOT NULL, "account" TEXT NOT NULL, "connector" TEXT NOT NULL, "submissionToken" TEXT NOT NULL UNIQUE, "fingerprint" TEXT NOT NULL, "backendID" TEXT, "outputPath" TEXT, "state" TEXT NOT NULL, "stateSource" TEXT NOT NULL, "stateTime" DATETIME NOT NULL, "backendWord" TEXT, "reason" TEXT NOT NULL, "ending" TEXT, "exitCode" INTEGER, "signal" INTEGER, "nodes" TEXT NOT NULL, "elapsed" INTEGER NOT NULL, "submittedAt" DATETIME NOT NULL, "startedAt" DATETIME, "endedAt" DATETIME, "missingSince" DATETIME, "attempt" INTEGER NOT NULL DEFAULT 1, "unknownSince" DATETIME, "priority" INTEGER NOT NULL DEFAULT 0, "needs" TEXT, "devices" TEXT NOT NULL DEFAULT '[]', "input" TEXT, "submittedStamp" TEXT, UNIQUE ("name", "number"));
CREATE TABLE "jobEvent" ("id" INTEGER PRIMARY KEY AUTOINCREMENT, "job" TEXT NOT NULL REFERENCES "job"("id") ON DELETE CASCADE, "time" DATETIME NOT NULL, "actor" TEXT NOT NULL, "from" TEXT, "to" TEXT NOT NULL, "source" TEXT NOT NULL, "reason" TEXT NOT NULL);
CREATE TABLE "kept" ("job" TEXT PRIMARY KEY NOT NULL REFERENCES "job"("id") ON DELETE CASCADE, "owner" TEXT NOT NULL, "script" INTEGER NOT NULL, "answer" INTEGER NOT NULL, "input" INTEGER NOT NULL, "output" INTEGER NOT NULL);
CREATE TABLE "keptByOwner" ("owner" TEXT PRIMARY KEY NOT NULL, "fixed" INTEGER NOT NULL, "output" INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE "payload" ("job" TEXT PRIMARY KEY NOT NULL REFERENCES "job"("id") ON DELETE CASCADE, "sealed" BLOB NOT NULL);
CREATE TABLE "retention" ("job" TEXT PRIMARY KEY NOT NULL REFERENCES "job"("id") ON DELETE CASCADE, "due" DATETIME, "answeredAt" DATETIME, "expiredAt" DATETIME, "failures" INTEGER NOT NULL DEFAULT 0, "failure" TEXT, "filesSince" DATETIME);
CREATE TABLE "serviceTime" ("id" INTEGER PRIMARY KEY CHECK ("id" = 0), "time" DATETIME NOT NULL);
CREATE TABLE "shownScript" ("job" TEXT PRIMARY KEY NOT NULL REFERENCES "job"("id") ON DELETE CASCADE, "text" TEXT NOT NULL);
CREATE TABLE "toldEnd" ("job" TEXT PRIMARY KEY NOT NULL REFERENCES "job"("id") ON DELETE CASCADE, "ending" TEXT NOT NULL, "elapsed" INTEGER NOT NULL);
CREATE INDEX "job_on_endedAt" ON "job"("endedAt");
CREATE INDEX "jobEvent_on_job" ON "jobEvent"("job");
CREATE INDEX jobLiving ON job (id) WHERE state NOT IN ('succeeded', 'failed', 'canceled', 'lost');
CREATE INDEX "idempotencyKey_on_job" ON "idempotencyKey"("job");
CREATE INDEX retentionDue ON retention (due) WHERE due IS NOT NULL;
CREATE INDEX jobUnseenEnd ON job (endedAt) WHERE state = 'lost' OR stateSource = 'administrator';
CREATE INDEX idempotencyKeyOwner ON idempotencyKey (owner);
CREATE INDEX idempotencyKeyAge ON idempotencyKey (createdAt);
CREATE INDEX keptOutput ON kept (owner, job) WHERE output > 0;
CREATE TRIGGER keptInserted AFTER INSERT ON kept BEGIN
  INSERT INTO keptByOwner VALUES (NEW.owner, NEW.script + NEW.answer + NEW.input, NEW.output)
  ON CONFLICT (owner) DO UPDATE SET fixed = fixed + excluded.fixed, output = output + excluded.output;
END;
CREATE TRIGGER keptUpdated AFTER UPDATE ON kept BEGIN
  UPDATE keptByOwner
  SET fixed = fixed + NEW.script + NEW.answer + NEW.input - OLD.script - OLD.answer - OLD.input,
    output = output + NEW.output - OLD.output
  WHERE owner = NEW.owner;
END;
CREATE TRIGGER keptDeleted AFTER DELETE ON kept BEGIN
  UPDATE keptByOwner
  SET fixed = fixed - OLD.script - OLD.answer - OLD.input, output = output - OLD.output
  WHERE owner = OLD.owner;
END;
CREATE INDEX retentionFailed ON retention (failures)
WHERE failures > 0 AND (due IS NOT NULL OR filesSince IS NOT NULL);
CREATE INDEX retentionFiles ON retention (filesSince) WHERE filesSince IS NOT NULL;
