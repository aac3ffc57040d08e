-- made at '2026-11-28 02:46:43.487'
INSERT INTO "grdb_migrations" VALUES('jobs');
INSERT INTO "grdb_migrations" VALUES('retention');
INSERT INTO "grdb_migrations" VALUES('placement');
INSERT INTO "grdb_migrations" VALUES('inputs');
INSERT INTO "grdb_migrations" VALUES('corrections');
INSERT INTO "grdb_migrations" VALUES('limits');
INSERT INTO "job" VALUES('01M8G0R3DXATYNAYJGMK8DB0DY','succeeded-read',1,'kirby@example.com','kirby','slurm','01M8G0R3DXAJD6N5NAQHGMYBW6','9ee8b6c27c958d8b5d41df8be1d0323e38af310ba935dd483a66c2b884b42adf','2740','.jarvice/succeeded-read.out','succeeded','sacct','2026-11-28 02:46:32.224','COMPLETED','','completed',0,NULL,'["node1"]',1,'2026-11-28 02:46:30.590','2026-11-28 02:46:30.000','2026-11-28 02:46:31.000',NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[835,4125112476524400640]}}');
INSERT INTO "job" VALUES('01M8G0R55CEXRVH5PFTE7JWCTN','failed-read',1,'kirby@example.com','kirby','slurm','01M8G0R55CQN53YNMVZDTCHAA2','996d70f2c231b463b4f40683d7d750c251a1c100aa3c9c50fb47f72fae5186a3','2741','.jarvice/failed-read.out','failed','sacct','2026-11-28 02:46:33.780','FAILED','ended with exit code 1','failed',1,NULL,'["node1"]',0,'2026-11-28 02:46:32.364','2026-11-28 02:46:33.000','2026-11-28 02:46:33.000',NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[835,5899403496524400640]}}');
INSERT INTO "job" VALUES('01M8G0R6M48MT30EDY4MN14W70','succeeded-unread',1,'kirby@example.com','kirby','slurm','01M8G0R6M4AAGY7JP8MFZXHCT0','dd96cf8b5015c7f7f3a651fc1d8eff58c2c3a5c85d12ac186cd3a0835eb98e0c','2742','.jarvice/succeeded-unread.out','succeeded','squeue','2026-11-28 02:46:35.436','COMPLETED','','completed',NULL,NULL,'["node1"]',1,'2026-11-28 02:46:33.861','2026-11-28 02:46:34.000','2026-11-28 02:46:35.000',NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[835,7395880968524400640]}}');
INSERT INTO "job" VALUES('01M8G0R89NFDPJ484E9XWRG11N','failed-unread',1,'kirby@example.com','kirby','slurm','01M8G0R89NBYVY4FDC0TT09YSK','dd200cc4a9fb407d03aff43b78cfe1203315690e5c0ce98c378fc8b0e197e53e','2743','.jarvice/failed-unread.out','failed','squeue','2026-11-28 02:46:36.537','FAILED','it failed','failed',NULL,NULL,'["node1"]',1,'2026-11-28 02:46:35.574','2026-11-28 02:46:35.000','2026-11-28 02:46:36.000',NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[835,9109133061524400640]}}');
INSERT INTO "job" VALUES('01M8G0R9CR3MP0N080GE7P36R9','running',1,'kirby@example.com','kirby','slurm','01M8G0R9CRV9WDPW37N4VFP2R2','5cf0c8e0a3284ee6b5aa0aff8a25e4dfc4fd2cf39ba34ea3cc6208d420e594a5','2744','.jarvice/running.out','running','squeue','2026-11-28 02:46:38.101','RUNNING','',NULL,NULL,NULL,'["node1"]',1,'2026-11-28 02:46:36.696','2026-11-28 02:46:37.000',NULL,NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[835,10231311246524400640]}}');
INSERT INTO "job" VALUES('01M8G0R9EDE7YZVN7JQBVNHG5S','canceling',1,'kirby@example.com','kirby','slurm','01M8G0R9ED0Y1GSCZJEBWWSSW2','b2362f6d6aa8c757fe3c8f014d656508772c96e30fc27e977f5be137348fca3f','2745','.jarvice/canceling.out','canceling','weir','2026-11-28 02:46:38.101','RUNNING','canceled by service',NULL,NULL,NULL,'["node1"]',1,'2026-11-28 02:46:36.750','2026-11-28 02:46:37.000',NULL,NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[835,10285024569524400640]}}');
INSERT INTO "job" VALUES('01M8G0R9FN2JVZR4DSHS0V8054','canceled',1,'kirby@example.com','kirby','slurm','01M8G0R9FN83RDHM1SKF02T7P9','eb136b7b689c1d28bb2fef17083e19f882d63e262aa8a1ff8676487d0c3333f4','2746','.jarvice/canceled.out','canceled','squeue','2026-11-28 02:46:38.674','CANCELLED','canceled by service','canceled',NULL,NULL,'["node1"]',1,'2026-11-28 02:46:36.790','2026-11-28 02:46:37.000','2026-11-28 02:46:38.000',NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[835,10325030893524400640]}}');
INSERT INTO "job" VALUES('01M8G0RBJX72A7YVBB0A1Q2856','queued',1,'kirby@example.com','kirby','slurm','01M8G0RBJXCH6A6QD3DAGHP2ED','7929ebfa356a3c991bcc1b5ab266005b812b30e759840b4ce95a0c953396f852','2747','.jarvice/queued.out','queued','squeue','2026-11-28 02:46:39.418','PENDING','waits for its begin time (BeginTime)',NULL,NULL,NULL,'[]',0,'2026-11-28 02:46:38.941',NULL,NULL,NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[835,12476311921524400640]}}');
INSERT INTO "job" VALUES('01M8G0RBPR95DRZBGN4YMC5PMD','held',1,'kirby@example.com','kirby','slurm','01M8G0RBPR25V28E1NEGNNWAQK','709b9a2f624c88d3c5520e6cf02b4ebf426ace3102f3087dee1e03b12176b98e','2748','.jarvice/held.out','held','squeue','2026-11-28 02:46:39.418','PENDING','held by its user (JobHeldUser)',NULL,NULL,NULL,'[]',0,'2026-11-28 02:46:39.064',NULL,NULL,NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[835,12599796144524400640]}}');
INSERT INTO "job" VALUES('01M8G0RDQY6G4FYQVEYAT6SYMG','submitting',1,'kirby@example.com','kirby','slurm','01M8G0RDQYPYJYEKCXR9ERF1N6','c9f099712d3a98e861e910875b9c14275359c0ac6f1e58f3344718084b7f7917',NULL,'.jarvice/submitting.out','submitting','weir','2026-11-28 02:46:41.151',NULL,'handed to the backend',NULL,NULL,NULL,'[]',0,'2026-11-28 02:46:41.151',NULL,NULL,NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[835,14686272874524400640]}}');
INSERT INTO "job" VALUES('01KB0000000000000000000000','lost',1,'kirby@example.com','kirby','slurm','01KB0000000000000000000000','01KB0000000000000000000000','99999999','.jarvice/failed-unread.out','lost','weir','2026-11-28 02:46:36.537','FAILED','the backend no longer shows the job','lost',NULL,NULL,'["node1"]',1,'2026-11-28 02:46:35.574','2026-11-28 02:46:35.000','2026-11-28 02:46:36.537',NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[835,9109133061524400640]}}');
INSERT INTO "job" VALUES('01KB0000000000000000000050','in-doubt',1,'kirby@example.com','kirby','slurm','01KB0000000000000000000050','01KB0000000000000000000050',NULL,'.jarvice/queued.out','submitting','weir','2026-11-28 02:46:39.418','PENDING','looked for at the backend: the connection broke',NULL,NULL,NULL,'[]',0,'2026-11-28 02:46:38.941',NULL,NULL,'2026-11-28 02:46:39.418',1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[835,12476311921524400640]}}');
INSERT INTO "job" VALUES('01KB0000000000000000000051','starting',1,'kirby@example.com','kirby','slurm','01KB0000000000000000000051','01KB0000000000000000000051','99999998','.jarvice/queued.out','starting','squeue','2026-11-28 02:46:39.418','PENDING','',NULL,NULL,NULL,'[]',0,'2026-11-28 02:46:38.941',NULL,NULL,NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[835,12476311921524400640]}}');
INSERT INTO "jobEvent" VALUES(1,'01M8G0R3DXATYNAYJGMK8DB0DY','2026-11-28 02:46:30.590','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(2,'01M8G0R3DXATYNAYJGMK8DB0DY','2026-11-28 02:46:30.864','service','submitting','queued','weir','');
INSERT INTO "jobEvent" VALUES(3,'01M8G0R3DXATYNAYJGMK8DB0DY','2026-11-28 02:46:31.193','weir','queued','running','squeue','');
INSERT INTO "jobEvent" VALUES(4,'01M8G0R3DXATYNAYJGMK8DB0DY','2026-11-28 02:46:32.224','weir','running','succeeded','squeue','');
INSERT INTO "jobEvent" VALUES(5,'01M8G0R55CEXRVH5PFTE7JWCTN','2026-11-28 02:46:32.364','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(6,'01M8G0R55CEXRVH5PFTE7JWCTN','2026-11-28 02:46:32.393','service','submitting','queued','weir','');
INSERT INTO "jobEvent" VALUES(7,'01M8G0R55CEXRVH5PFTE7JWCTN','2026-11-28 02:46:33.780','weir','queued','failed','squeue','it failed');
INSERT INTO "jobEvent" VALUES(8,'01M8G0R6M48MT30EDY4MN14W70','2026-11-28 02:46:33.861','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(9,'01M8G0R6M48MT30EDY4MN14W70','2026-11-28 02:46:33.894','service','submitting','queued','weir','');
INSERT INTO "jobEvent" VALUES(10,'01M8G0R6M48MT30EDY4MN14W70','2026-11-28 02:46:34.310','weir','queued','running','squeue','');
INSERT INTO "jobEvent" VALUES(11,'01M8G0R6M48MT30EDY4MN14W70','2026-11-28 02:46:35.436','weir','running','succeeded','squeue','');
INSERT INTO "jobEvent" VALUES(12,'01M8G0R89NFDPJ484E9XWRG11N','2026-11-28 02:46:35.574','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(13,'01M8G0R89NFDPJ484E9XWRG11N','2026-11-28 02:46:35.600','service','submitting','queued','weir','');
INSERT INTO "jobEvent" VALUES(14,'01M8G0R89NFDPJ484E9XWRG11N','2026-11-28 02:46:36.537','weir','queued','failed','squeue','it failed');
INSERT INTO "jobEvent" VALUES(15,'01M8G0R9CR3MP0N080GE7P36R9','2026-11-28 02:46:36.696','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(16,'01M8G0R9CR3MP0N080GE7P36R9','2026-11-28 02:46:36.730','service','submitting','queued','weir','');
INSERT INTO "jobEvent" VALUES(17,'01M8G0R9EDE7YZVN7JQBVNHG5S','2026-11-28 02:46:36.750','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(18,'01M8G0R9EDE7YZVN7JQBVNHG5S','2026-11-28 02:46:36.768','service','submitting','queued','weir','');
INSERT INTO "jobEvent" VALUES(19,'01M8G0R9FN2JVZR4DSHS0V8054','2026-11-28 02:46:36.790','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(20,'01M8G0R9FN2JVZR4DSHS0V8054','2026-11-28 02:46:36.818','service','submitting','queued','weir','');
INSERT INTO "jobEvent" VALUES(21,'01M8G0R9FN2JVZR4DSHS0V8054','2026-11-28 02:46:38.101','weir','queued','running','squeue','');
INSERT INTO "jobEvent" VALUES(22,'01M8G0R9EDE7YZVN7JQBVNHG5S','2026-11-28 02:46:38.101','weir','queued','running','squeue','');
INSERT INTO "jobEvent" VALUES(23,'01M8G0R9CR3MP0N080GE7P36R9','2026-11-28 02:46:38.101','weir','queued','running','squeue','');
INSERT INTO "jobEvent" VALUES(24,'01M8G0R9FN2JVZR4DSHS0V8054','2026-11-28 02:46:38.352','service','running','canceling','weir','canceled by service');
INSERT INTO "jobEvent" VALUES(25,'01M8G0R3DXATYNAYJGMK8DB0DY','2026-11-28 02:46:32.224','weir','succeeded','succeeded','sacct','');
INSERT INTO "jobEvent" VALUES(26,'01M8G0R9FN2JVZR4DSHS0V8054','2026-11-28 02:46:38.674','weir','canceling','canceled','squeue','canceled by service');
INSERT INTO "jobEvent" VALUES(27,'01M8G0RBJX72A7YVBB0A1Q2856','2026-11-28 02:46:38.941','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(28,'01M8G0RBJX72A7YVBB0A1Q2856','2026-11-28 02:46:38.972','service','submitting','queued','weir','');
INSERT INTO "jobEvent" VALUES(29,'01M8G0RBPR95DRZBGN4YMC5PMD','2026-11-28 02:46:39.064','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(30,'01M8G0RBPR95DRZBGN4YMC5PMD','2026-11-28 02:46:39.120','service','submitting','held','weir','');
INSERT INTO "jobEvent" VALUES(31,'01M8G0R55CEXRVH5PFTE7JWCTN','2026-11-28 02:46:33.780','weir','failed','failed','sacct','ended with exit code 1');
INSERT INTO "jobEvent" VALUES(32,'01M8G0RDQY6G4FYQVEYAT6SYMG','2026-11-28 02:46:41.151','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(33,'01KB0000000000000000000000','2026-11-28 02:46:35.574','kirby@example.com',NULL,'submitting','weir','');
INSERT INTO "jobEvent" VALUES(34,'01KB0000000000000000000050','2026-11-28 02:46:38.941','kirby@example.com',NULL,'submitting','weir','');
INSERT INTO "jobEvent" VALUES(35,'01KB0000000000000000000051','2026-11-28 02:46:38.941','kirby@example.com',NULL,'submitting','weir','');
INSERT INTO "jobEvent" VALUES(36,'01M8G0R9EDE7YZVN7JQBVNHG5S','2026-11-28 02:46:38.101','weir','running','canceling','weir','canceled by service');
INSERT INTO "jobEvent" VALUES(37,'01KB0000000000000000000000','2026-11-28 02:46:36.537','weir','submitting','lost','weir','the backend no longer shows the job');
INSERT INTO "jobEvent" VALUES(38,'01KB0000000000000000000051','2026-11-28 02:46:39.418','weir','submitting','starting','squeue','');
INSERT INTO "kept" VALUES('01M8G0R3DXATYNAYJGMK8DB0DY','kirby@example.com',0,5185,0,111);
INSERT INTO "kept" VALUES('01M8G0R55CEXRVH5PFTE7JWCTN','kirby@example.com',0,5162,0,194);
INSERT INTO "kept" VALUES('01M8G0R6M48MT30EDY4MN14W70','kirby@example.com',0,5185,0,0);
INSERT INTO "kept" VALUES('01M8G0R89NFDPJ484E9XWRG11N','kirby@example.com',0,5162,0,0);
INSERT INTO "kept" VALUES('01M8G0R9CR3MP0N080GE7P36R9','kirby@example.com',0,5165,0,0);
INSERT INTO "kept" VALUES('01M8G0R9EDE7YZVN7JQBVNHG5S','kirby@example.com',0,5165,0,0);
INSERT INTO "kept" VALUES('01M8G0R9FN2JVZR4DSHS0V8054','kirby@example.com',0,5165,0,306);
INSERT INTO "kept" VALUES('01M8G0RBJX72A7YVBB0A1Q2856','kirby@example.com',0,5192,0,0);
INSERT INTO "kept" VALUES('01M8G0RBPR95DRZBGN4YMC5PMD','kirby@example.com',0,5185,0,0);
INSERT INTO "kept" VALUES('01M8G0RDQY6G4FYQVEYAT6SYMG','kirby@example.com',0,5185,0,0);
INSERT INTO "kept" VALUES('01KB0000000000000000000000','kirby@example.com',0,5162,0,0);
INSERT INTO "kept" VALUES('01KB0000000000000000000050','kirby@example.com',0,5192,0,0);
INSERT INTO "kept" VALUES('01KB0000000000000000000051','kirby@example.com',0,5192,0,0);
INSERT INTO "keptByOwner" VALUES('kirby@example.com',67297,611);
INSERT INTO "retention" VALUES('01M8G0R3DXATYNAYJGMK8DB0DY','2026-11-29 02:46:32.292','2026-11-28 02:46:32.292',NULL,0,NULL,NULL);
INSERT INTO "retention" VALUES('01M8G0R55CEXRVH5PFTE7JWCTN','2026-11-29 02:46:33.847','2026-11-28 02:46:33.847',NULL,0,NULL,NULL);
INSERT INTO "retention" VALUES('01M8G0R6M48MT30EDY4MN14W70','2026-12-06 02:46:35.456',NULL,NULL,0,NULL,NULL);
INSERT INTO "retention" VALUES('01M8G0R89NFDPJ484E9XWRG11N','2026-12-06 02:46:36.573',NULL,NULL,0,NULL,NULL);
INSERT INTO "retention" VALUES('01M8G0R9FN2JVZR4DSHS0V8054','2026-11-29 02:46:38.910','2026-11-28 02:46:38.910',NULL,0,NULL,NULL);
INSERT INTO "retention" VALUES('01KB0000000000000000000000','2026-12-06 02:46:36.573',NULL,NULL,0,NULL,NULL);
INSERT INTO "serviceTime" VALUES(0,'2026-11-28 02:46:29.448');
INSERT INTO "shownScript" VALUES('01M8G0R3DXATYNAYJGMK8DB0DY','#!/bin/bash
# The batch script of a job that Weir submits. It runs the job''s script once on each node; the script travels over
# srun''s standard input, so that the nodes need to share no directory. The job ends well if the script says so.
# With -p neither functions that the login files of the account export nor BASH_ENV change what is called here.
case $- in *p*) ;; *) exec /bin/bash -p "$0" ;; esac
# What is called here is looked up outside the home directory first; the job''s own script gets the PATH of the login.
login_path=$PATH
PATH=$(set -f && IFS=: && for directory in $PATH; do
  case $directory in "$HOME" | "$HOME"/* | [!/]* | "") ;; *) printf ''%s:'' "$directory" ;; esac
done)$PATH
# The output is its owner''s alone, whatever the umask.
[ ! -f /dev/stdout ] || chmod 600 /dev/stdout 2>/dev/null
echo "Hello from $(hostname)"
echo "Entering parallel region"

# What the script prints goes to the job''s output, and past a reader that looks for its verdict.
verdict=$(mktemp -d "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && mkfifo "$verdict/output" || exit 1
trap ''rm -rf -- "$verdict"'' EXIT
# "/bin/echo JARVICE_CMD_SUCCESS" is the command as `set -x` shows it, not the verdict.
sed -e ''/GoTTY is starting with command/d'' -e ''s#/bin/echo JARVICE_CMD_SUCCESS##g'' <"$verdict/output" |
  grep -a -c JARVICE_CMD_SUCCESS >/dev/null &
reader=$!

# Options that srun takes from the environment, but for those that sbatch has set for this job.
unset "${!SRUN_@}" "${!SALLOC_@}" "${!SLURM_BCAST@}" "${!SLURM_EXIT_@}" "${!SLURM_SPREAD_@}" SLURM_STEP_GRES \
  "${!SLURM_TASK_PROLOG@}" "${!SLURM_WAIT@}" SLURM_ARBITRARY_NODELIST SLURM_CLUSTERS SLURM_CLUSTER_CONSTRAINT \
  SLURM_COMPRESS SLURM_CONSTRAINT SLURM_DEBUG SLURM_DEBUG_FLAGS SLURM_DELAY_BOOT SLURM_DEPENDENCY SLURM_DISABLE_STATUS \
  SLURM_EPILOG SLURM_EXACT SLURM_EXCLUSIVE SLURM_EXTERNAL_LAUNCHER SLURM_GRES SLURM_HOSTFILE SLURM_IMMEDIATE \
  SLURM_LABELIO SLURM_MULTI_PROG SLURM_NCORES_PER_SOCKET SLURM_NO_KILL SLURM_NSOCKETS_PER_NODE SLURM_OPEN_MODE \
  SLURM_POWER SLURM_PROLOG SLURM_REMOTE_CWD SLURM_REQ_SWITCH SLURM_RESV_PORTS SLURM_SEND_LIBS SLURM_SIGNAL \
  SLURM_SRUN_MULTI SLURM_STDERRMODE SLURM_STDINMODE SLURM_STDOUTMODE SLURM_TASK_EPILOG SLURM_TEST_EXEC SLURM_THREADS \
  SLURM_TIMELIMIT SLURM_UNBUFFEREDIO SLURM_USE_MIN_NODES SLURM_WORKING_DIR SLURMD_DEBUG
# srun refuses two answers to how much memory there is; that for the node is sbatch''s, from --mem.
[ -z "${SLURM_MEM_PER_NODE+set}" ] || unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU

srun -K1 --export=ALL -N "$SLURM_NNODES" -n "$SLURM_NNODES" --ntasks-per-node=1 /bin/bash -p -c ''
# On each node: the script is kept in a file that has no name any more, so that nothing stays behind.
script=$(mktemp "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && cat >"$script" && exec 9<"$script" || exit 1
rm -f -- "$script"
unset script
export PROCESS_PROCID="$SLURM_PROCID"
export PROCESS_NODENAME="$SLURMD_NODENAME"
export JOB_JOBID="$SLURM_JOB_ID"
export JOB_JOB_NODELIST="$SLURM_JOB_NODELIST"
JOB_JOB_FORMATED_NODELIST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr "''\\''n" " ")
export JOB_JOB_FORMATED_NODELIST="${JOB_JOB_FORMATED_NODELIST% }"
export JOB_NNODES="$SLURM_NNODES"
export JOB_NTASKS="${SLURM_NTASKS:-$SLURM_NNODES}"
export JOB_SUBMIT_DIR="$SLURM_SUBMIT_DIR"
export JOB_GPUS_PER_NODE="$SLURM_GPUS_PER_NODE"
export PATH="$1"
exec /bin/bash /dev/fd/9 </dev/null
'' \
  weir "$login_path" <<''END_OF_SCRIPT'' 2>&1 | tee -- "$verdict/output"
JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=127.0.0.1:5055/app:latest
JOBOBJ_CTRSECRET=
JOBOBJ_USER=kirbystar
JOBOBJ_DOCKER_SECRET=
JOBOBJ_DEVICES=["exclusive=False"]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_LICENSES=
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

# --------------------------------------------------------------------------
# What the downstream says to the job''s script.
export JARVICE_JOB_SCRATCH_DIR=''''
export JARVICE_JOB_GLOBAL_SCRATCH_DIR=''''
export JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES=False
export SINGULARITYENV_JARVICE_SERVICE_PORT=2228
export SINGULARITYENV_JARVICE_SSH_PORT=2227
export JARVICE_SINGULARITY_TMPDIR=/tmp
export JOB_LOCAL_USER="${USER:-$(id -un)}"
export JARVICE_SINGULARITY_OVERLAY_SIZE=600

# Credentials of the registries, each in base64.
export JARVICE_INIT_DOCKER_USERNAME=''''
export JARVICE_INIT_DOCKER_PASSWORD=''''
export JARVICE_DOCKER_USERNAME=''''
export JARVICE_DOCKER_PASSWORD=''''

# Images, and the command to run in them.
export JARVICE_APP_IMAGE=docker://127.0.0.1:5055/app:latest
export JARVICE_INIT_IMAGE=docker://127.0.0.1:5055/testbed/initv2:latest
export JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
/bin/echo JARVICE_CMD_SUCCESS
END_OF_SCRIPT

if wait "$reader"; then
  echo "JARVICE Job completed OK"
  exit 0
fi
echo "JARVICE Job failed, investigate logs"
exit 1
');
INSERT INTO "shownScript" VALUES('01M8G0R55CEXRVH5PFTE7JWCTN','#!/bin/bash
# The batch script of a job that Weir submits. It runs the job''s script once on each node; the script travels over
# srun''s standard input, so that the nodes need to share no directory. The job ends well if the script says so.
# With -p neither functions that the login files of the account export nor BASH_ENV change what is called here.
case $- in *p*) ;; *) exec /bin/bash -p "$0" ;; esac
# What is called here is looked up outside the home directory first; the job''s own script gets the PATH of the login.
login_path=$PATH
PATH=$(set -f && IFS=: && for directory in $PATH; do
  case $directory in "$HOME" | "$HOME"/* | [!/]* | "") ;; *) printf ''%s:'' "$directory" ;; esac
done)$PATH
# The output is its owner''s alone, whatever the umask.
[ ! -f /dev/stdout ] || chmod 600 /dev/stdout 2>/dev/null
echo "Hello from $(hostname)"
echo "Entering parallel region"

# What the script prints goes to the job''s output, and past a reader that looks for its verdict.
verdict=$(mktemp -d "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && mkfifo "$verdict/output" || exit 1
trap ''rm -rf -- "$verdict"'' EXIT
# "/bin/echo JARVICE_CMD_SUCCESS" is the command as `set -x` shows it, not the verdict.
sed -e ''/GoTTY is starting with command/d'' -e ''s#/bin/echo JARVICE_CMD_SUCCESS##g'' <"$verdict/output" |
  grep -a -c JARVICE_CMD_SUCCESS >/dev/null &
reader=$!

# Options that srun takes from the environment, but for those that sbatch has set for this job.
unset "${!SRUN_@}" "${!SALLOC_@}" "${!SLURM_BCAST@}" "${!SLURM_EXIT_@}" "${!SLURM_SPREAD_@}" SLURM_STEP_GRES \
  "${!SLURM_TASK_PROLOG@}" "${!SLURM_WAIT@}" SLURM_ARBITRARY_NODELIST SLURM_CLUSTERS SLURM_CLUSTER_CONSTRAINT \
  SLURM_COMPRESS SLURM_CONSTRAINT SLURM_DEBUG SLURM_DEBUG_FLAGS SLURM_DELAY_BOOT SLURM_DEPENDENCY SLURM_DISABLE_STATUS \
  SLURM_EPILOG SLURM_EXACT SLURM_EXCLUSIVE SLURM_EXTERNAL_LAUNCHER SLURM_GRES SLURM_HOSTFILE SLURM_IMMEDIATE \
  SLURM_LABELIO SLURM_MULTI_PROG SLURM_NCORES_PER_SOCKET SLURM_NO_KILL SLURM_NSOCKETS_PER_NODE SLURM_OPEN_MODE \
  SLURM_POWER SLURM_PROLOG SLURM_REMOTE_CWD SLURM_REQ_SWITCH SLURM_RESV_PORTS SLURM_SEND_LIBS SLURM_SIGNAL \
  SLURM_SRUN_MULTI SLURM_STDERRMODE SLURM_STDINMODE SLURM_STDOUTMODE SLURM_TASK_EPILOG SLURM_TEST_EXEC SLURM_THREADS \
  SLURM_TIMELIMIT SLURM_UNBUFFEREDIO SLURM_USE_MIN_NODES SLURM_WORKING_DIR SLURMD_DEBUG
# srun refuses two answers to how much memory there is; that for the node is sbatch''s, from --mem.
[ -z "${SLURM_MEM_PER_NODE+set}" ] || unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU

srun -K1 --export=ALL -N "$SLURM_NNODES" -n "$SLURM_NNODES" --ntasks-per-node=1 /bin/bash -p -c ''
# On each node: the script is kept in a file that has no name any more, so that nothing stays behind.
script=$(mktemp "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && cat >"$script" && exec 9<"$script" || exit 1
rm -f -- "$script"
unset script
export PROCESS_PROCID="$SLURM_PROCID"
export PROCESS_NODENAME="$SLURMD_NODENAME"
export JOB_JOBID="$SLURM_JOB_ID"
export JOB_JOB_NODELIST="$SLURM_JOB_NODELIST"
JOB_JOB_FORMATED_NODELIST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr "''\\''n" " ")
export JOB_JOB_FORMATED_NODELIST="${JOB_JOB_FORMATED_NODELIST% }"
export JOB_NNODES="$SLURM_NNODES"
export JOB_NTASKS="${SLURM_NTASKS:-$SLURM_NNODES}"
export JOB_SUBMIT_DIR="$SLURM_SUBMIT_DIR"
export JOB_GPUS_PER_NODE="$SLURM_GPUS_PER_NODE"
export PATH="$1"
exec /bin/bash /dev/fd/9 </dev/null
'' \
  weir "$login_path" <<''END_OF_SCRIPT'' 2>&1 | tee -- "$verdict/output"
JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=127.0.0.1:5055/app:latest
JOBOBJ_CTRSECRET=
JOBOBJ_USER=kirbystar
JOBOBJ_DOCKER_SECRET=
JOBOBJ_DEVICES=["exclusive=False"]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_LICENSES=
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

# --------------------------------------------------------------------------
# What the downstream says to the job''s script.
export JARVICE_JOB_SCRATCH_DIR=''''
export JARVICE_JOB_GLOBAL_SCRATCH_DIR=''''
export JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES=False
export SINGULARITYENV_JARVICE_SERVICE_PORT=2228
export SINGULARITYENV_JARVICE_SSH_PORT=2227
export JARVICE_SINGULARITY_TMPDIR=/tmp
export JOB_LOCAL_USER="${USER:-$(id -un)}"
export JARVICE_SINGULARITY_OVERLAY_SIZE=600

# Credentials of the registries, each in base64.
export JARVICE_INIT_DOCKER_USERNAME=''''
export JARVICE_INIT_DOCKER_PASSWORD=''''
export JARVICE_DOCKER_USERNAME=''''
export JARVICE_DOCKER_PASSWORD=''''

# Images, and the command to run in them.
export JARVICE_APP_IMAGE=docker://127.0.0.1:5055/app:latest
export JARVICE_INIT_IMAGE=docker://127.0.0.1:5055/testbed/initv2:latest
export JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo wrong; exit 3
/bin/echo JARVICE_CMD_SUCCESS
END_OF_SCRIPT

if wait "$reader"; then
  echo "JARVICE Job completed OK"
  exit 0
fi
echo "JARVICE Job failed, investigate logs"
exit 1
');
INSERT INTO "shownScript" VALUES('01M8G0R6M48MT30EDY4MN14W70','#!/bin/bash
# The batch script of a job that Weir submits. It runs the job''s script once on each node; the script travels over
# srun''s standard input, so that the nodes need to share no directory. The job ends well if the script says so.
# With -p neither functions that the login files of the account export nor BASH_ENV change what is called here.
case $- in *p*) ;; *) exec /bin/bash -p "$0" ;; esac
# What is called here is looked up outside the home directory first; the job''s own script gets the PATH of the login.
login_path=$PATH
PATH=$(set -f && IFS=: && for directory in $PATH; do
  case $directory in "$HOME" | "$HOME"/* | [!/]* | "") ;; *) printf ''%s:'' "$directory" ;; esac
done)$PATH
# The output is its owner''s alone, whatever the umask.
[ ! -f /dev/stdout ] || chmod 600 /dev/stdout 2>/dev/null
echo "Hello from $(hostname)"
echo "Entering parallel region"

# What the script prints goes to the job''s output, and past a reader that looks for its verdict.
verdict=$(mktemp -d "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && mkfifo "$verdict/output" || exit 1
trap ''rm -rf -- "$verdict"'' EXIT
# "/bin/echo JARVICE_CMD_SUCCESS" is the command as `set -x` shows it, not the verdict.
sed -e ''/GoTTY is starting with command/d'' -e ''s#/bin/echo JARVICE_CMD_SUCCESS##g'' <"$verdict/output" |
  grep -a -c JARVICE_CMD_SUCCESS >/dev/null &
reader=$!

# Options that srun takes from the environment, but for those that sbatch has set for this job.
unset "${!SRUN_@}" "${!SALLOC_@}" "${!SLURM_BCAST@}" "${!SLURM_EXIT_@}" "${!SLURM_SPREAD_@}" SLURM_STEP_GRES \
  "${!SLURM_TASK_PROLOG@}" "${!SLURM_WAIT@}" SLURM_ARBITRARY_NODELIST SLURM_CLUSTERS SLURM_CLUSTER_CONSTRAINT \
  SLURM_COMPRESS SLURM_CONSTRAINT SLURM_DEBUG SLURM_DEBUG_FLAGS SLURM_DELAY_BOOT SLURM_DEPENDENCY SLURM_DISABLE_STATUS \
  SLURM_EPILOG SLURM_EXACT SLURM_EXCLUSIVE SLURM_EXTERNAL_LAUNCHER SLURM_GRES SLURM_HOSTFILE SLURM_IMMEDIATE \
  SLURM_LABELIO SLURM_MULTI_PROG SLURM_NCORES_PER_SOCKET SLURM_NO_KILL SLURM_NSOCKETS_PER_NODE SLURM_OPEN_MODE \
  SLURM_POWER SLURM_PROLOG SLURM_REMOTE_CWD SLURM_REQ_SWITCH SLURM_RESV_PORTS SLURM_SEND_LIBS SLURM_SIGNAL \
  SLURM_SRUN_MULTI SLURM_STDERRMODE SLURM_STDINMODE SLURM_STDOUTMODE SLURM_TASK_EPILOG SLURM_TEST_EXEC SLURM_THREADS \
  SLURM_TIMELIMIT SLURM_UNBUFFEREDIO SLURM_USE_MIN_NODES SLURM_WORKING_DIR SLURMD_DEBUG
# srun refuses two answers to how much memory there is; that for the node is sbatch''s, from --mem.
[ -z "${SLURM_MEM_PER_NODE+set}" ] || unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU

srun -K1 --export=ALL -N "$SLURM_NNODES" -n "$SLURM_NNODES" --ntasks-per-node=1 /bin/bash -p -c ''
# On each node: the script is kept in a file that has no name any more, so that nothing stays behind.
script=$(mktemp "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && cat >"$script" && exec 9<"$script" || exit 1
rm -f -- "$script"
unset script
export PROCESS_PROCID="$SLURM_PROCID"
export PROCESS_NODENAME="$SLURMD_NODENAME"
export JOB_JOBID="$SLURM_JOB_ID"
export JOB_JOB_NODELIST="$SLURM_JOB_NODELIST"
JOB_JOB_FORMATED_NODELIST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr "''\\''n" " ")
export JOB_JOB_FORMATED_NODELIST="${JOB_JOB_FORMATED_NODELIST% }"
export JOB_NNODES="$SLURM_NNODES"
export JOB_NTASKS="${SLURM_NTASKS:-$SLURM_NNODES}"
export JOB_SUBMIT_DIR="$SLURM_SUBMIT_DIR"
export JOB_GPUS_PER_NODE="$SLURM_GPUS_PER_NODE"
export PATH="$1"
exec /bin/bash /dev/fd/9 </dev/null
'' \
  weir "$login_path" <<''END_OF_SCRIPT'' 2>&1 | tee -- "$verdict/output"
JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=127.0.0.1:5055/app:latest
JOBOBJ_CTRSECRET=
JOBOBJ_USER=kirbystar
JOBOBJ_DOCKER_SECRET=
JOBOBJ_DEVICES=["exclusive=False"]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_LICENSES=
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

# --------------------------------------------------------------------------
# What the downstream says to the job''s script.
export JARVICE_JOB_SCRATCH_DIR=''''
export JARVICE_JOB_GLOBAL_SCRATCH_DIR=''''
export JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES=False
export SINGULARITYENV_JARVICE_SERVICE_PORT=2228
export SINGULARITYENV_JARVICE_SSH_PORT=2227
export JARVICE_SINGULARITY_TMPDIR=/tmp
export JOB_LOCAL_USER="${USER:-$(id -un)}"
export JARVICE_SINGULARITY_OVERLAY_SIZE=600

# Credentials of the registries, each in base64.
export JARVICE_INIT_DOCKER_USERNAME=''''
export JARVICE_INIT_DOCKER_PASSWORD=''''
export JARVICE_DOCKER_USERNAME=''''
export JARVICE_DOCKER_PASSWORD=''''

# Images, and the command to run in them.
export JARVICE_APP_IMAGE=docker://127.0.0.1:5055/app:latest
export JARVICE_INIT_IMAGE=docker://127.0.0.1:5055/testbed/initv2:latest
export JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
/bin/echo JARVICE_CMD_SUCCESS
END_OF_SCRIPT

if wait "$reader"; then
  echo "JARVICE Job completed OK"
  exit 0
fi
echo "JARVICE Job failed, investigate logs"
exit 1
');
INSERT INTO "shownScript" VALUES('01M8G0R89NFDPJ484E9XWRG11N','#!/bin/bash
# The batch script of a job that Weir submits. It runs the job''s script once on each node; the script travels over
# srun''s standard input, so that the nodes need to share no directory. The job ends well if the script says so.
# With -p neither functions that the login files of the account export nor BASH_ENV change what is called here.
case $- in *p*) ;; *) exec /bin/bash -p "$0" ;; esac
# What is called here is looked up outside the home directory first; the job''s own script gets the PATH of the login.
login_path=$PATH
PATH=$(set -f && IFS=: && for directory in $PATH; do
  case $directory in "$HOME" | "$HOME"/* | [!/]* | "") ;; *) printf ''%s:'' "$directory" ;; esac
done)$PATH
# The output is its owner''s alone, whatever the umask.
[ ! -f /dev/stdout ] || chmod 600 /dev/stdout 2>/dev/null
echo "Hello from $(hostname)"
echo "Entering parallel region"

# What the script prints goes to the job''s output, and past a reader that looks for its verdict.
verdict=$(mktemp -d "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && mkfifo "$verdict/output" || exit 1
trap ''rm -rf -- "$verdict"'' EXIT
# "/bin/echo JARVICE_CMD_SUCCESS" is the command as `set -x` shows it, not the verdict.
sed -e ''/GoTTY is starting with command/d'' -e ''s#/bin/echo JARVICE_CMD_SUCCESS##g'' <"$verdict/output" |
  grep -a -c JARVICE_CMD_SUCCESS >/dev/null &
reader=$!

# Options that srun takes from the environment, but for those that sbatch has set for this job.
unset "${!SRUN_@}" "${!SALLOC_@}" "${!SLURM_BCAST@}" "${!SLURM_EXIT_@}" "${!SLURM_SPREAD_@}" SLURM_STEP_GRES \
  "${!SLURM_TASK_PROLOG@}" "${!SLURM_WAIT@}" SLURM_ARBITRARY_NODELIST SLURM_CLUSTERS SLURM_CLUSTER_CONSTRAINT \
  SLURM_COMPRESS SLURM_CONSTRAINT SLURM_DEBUG SLURM_DEBUG_FLAGS SLURM_DELAY_BOOT SLURM_DEPENDENCY SLURM_DISABLE_STATUS \
  SLURM_EPILOG SLURM_EXACT SLURM_EXCLUSIVE SLURM_EXTERNAL_LAUNCHER SLURM_GRES SLURM_HOSTFILE SLURM_IMMEDIATE \
  SLURM_LABELIO SLURM_MULTI_PROG SLURM_NCORES_PER_SOCKET SLURM_NO_KILL SLURM_NSOCKETS_PER_NODE SLURM_OPEN_MODE \
  SLURM_POWER SLURM_PROLOG SLURM_REMOTE_CWD SLURM_REQ_SWITCH SLURM_RESV_PORTS SLURM_SEND_LIBS SLURM_SIGNAL \
  SLURM_SRUN_MULTI SLURM_STDERRMODE SLURM_STDINMODE SLURM_STDOUTMODE SLURM_TASK_EPILOG SLURM_TEST_EXEC SLURM_THREADS \
  SLURM_TIMELIMIT SLURM_UNBUFFEREDIO SLURM_USE_MIN_NODES SLURM_WORKING_DIR SLURMD_DEBUG
# srun refuses two answers to how much memory there is; that for the node is sbatch''s, from --mem.
[ -z "${SLURM_MEM_PER_NODE+set}" ] || unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU

srun -K1 --export=ALL -N "$SLURM_NNODES" -n "$SLURM_NNODES" --ntasks-per-node=1 /bin/bash -p -c ''
# On each node: the script is kept in a file that has no name any more, so that nothing stays behind.
script=$(mktemp "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && cat >"$script" && exec 9<"$script" || exit 1
rm -f -- "$script"
unset script
export PROCESS_PROCID="$SLURM_PROCID"
export PROCESS_NODENAME="$SLURMD_NODENAME"
export JOB_JOBID="$SLURM_JOB_ID"
export JOB_JOB_NODELIST="$SLURM_JOB_NODELIST"
JOB_JOB_FORMATED_NODELIST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr "''\\''n" " ")
export JOB_JOB_FORMATED_NODELIST="${JOB_JOB_FORMATED_NODELIST% }"
export JOB_NNODES="$SLURM_NNODES"
export JOB_NTASKS="${SLURM_NTASKS:-$SLURM_NNODES}"
export JOB_SUBMIT_DIR="$SLURM_SUBMIT_DIR"
export JOB_GPUS_PER_NODE="$SLURM_GPUS_PER_NODE"
export PATH="$1"
exec /bin/bash /dev/fd/9 </dev/null
'' \
  weir "$login_path" <<''END_OF_SCRIPT'' 2>&1 | tee -- "$verdict/output"
JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=127.0.0.1:5055/app:latest
JOBOBJ_CTRSECRET=
JOBOBJ_USER=kirbystar
JOBOBJ_DOCKER_SECRET=
JOBOBJ_DEVICES=["exclusive=False"]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_LICENSES=
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

# --------------------------------------------------------------------------
# What the downstream says to the job''s script.
export JARVICE_JOB_SCRATCH_DIR=''''
export JARVICE_JOB_GLOBAL_SCRATCH_DIR=''''
export JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES=False
export SINGULARITYENV_JARVICE_SERVICE_PORT=2228
export SINGULARITYENV_JARVICE_SSH_PORT=2227
export JARVICE_SINGULARITY_TMPDIR=/tmp
export JOB_LOCAL_USER="${USER:-$(id -un)}"
export JARVICE_SINGULARITY_OVERLAY_SIZE=600

# Credentials of the registries, each in base64.
export JARVICE_INIT_DOCKER_USERNAME=''''
export JARVICE_INIT_DOCKER_PASSWORD=''''
export JARVICE_DOCKER_USERNAME=''''
export JARVICE_DOCKER_PASSWORD=''''

# Images, and the command to run in them.
export JARVICE_APP_IMAGE=docker://127.0.0.1:5055/app:latest
export JARVICE_INIT_IMAGE=docker://127.0.0.1:5055/testbed/initv2:latest
export JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo wrong; exit 3
/bin/echo JARVICE_CMD_SUCCESS
END_OF_SCRIPT

if wait "$reader"; then
  echo "JARVICE Job completed OK"
  exit 0
fi
echo "JARVICE Job failed, investigate logs"
exit 1
');
INSERT INTO "shownScript" VALUES('01M8G0R9CR3MP0N080GE7P36R9','#!/bin/bash
# The batch script of a job that Weir submits. It runs the job''s script once on each node; the script travels over
# srun''s standard input, so that the nodes need to share no directory. The job ends well if the script says so.
# With -p neither functions that the login files of the account export nor BASH_ENV change what is called here.
case $- in *p*) ;; *) exec /bin/bash -p "$0" ;; esac
# What is called here is looked up outside the home directory first; the job''s own script gets the PATH of the login.
login_path=$PATH
PATH=$(set -f && IFS=: && for directory in $PATH; do
  case $directory in "$HOME" | "$HOME"/* | [!/]* | "") ;; *) printf ''%s:'' "$directory" ;; esac
done)$PATH
# The output is its owner''s alone, whatever the umask.
[ ! -f /dev/stdout ] || chmod 600 /dev/stdout 2>/dev/null
echo "Hello from $(hostname)"
echo "Entering parallel region"

# What the script prints goes to the job''s output, and past a reader that looks for its verdict.
verdict=$(mktemp -d "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && mkfifo "$verdict/output" || exit 1
trap ''rm -rf -- "$verdict"'' EXIT
# "/bin/echo JARVICE_CMD_SUCCESS" is the command as `set -x` shows it, not the verdict.
sed -e ''/GoTTY is starting with command/d'' -e ''s#/bin/echo JARVICE_CMD_SUCCESS##g'' <"$verdict/output" |
  grep -a -c JARVICE_CMD_SUCCESS >/dev/null &
reader=$!

# Options that srun takes from the environment, but for those that sbatch has set for this job.
unset "${!SRUN_@}" "${!SALLOC_@}" "${!SLURM_BCAST@}" "${!SLURM_EXIT_@}" "${!SLURM_SPREAD_@}" SLURM_STEP_GRES \
  "${!SLURM_TASK_PROLOG@}" "${!SLURM_WAIT@}" SLURM_ARBITRARY_NODELIST SLURM_CLUSTERS SLURM_CLUSTER_CONSTRAINT \
  SLURM_COMPRESS SLURM_CONSTRAINT SLURM_DEBUG SLURM_DEBUG_FLAGS SLURM_DELAY_BOOT SLURM_DEPENDENCY SLURM_DISABLE_STATUS \
  SLURM_EPILOG SLURM_EXACT SLURM_EXCLUSIVE SLURM_EXTERNAL_LAUNCHER SLURM_GRES SLURM_HOSTFILE SLURM_IMMEDIATE \
  SLURM_LABELIO SLURM_MULTI_PROG SLURM_NCORES_PER_SOCKET SLURM_NO_KILL SLURM_NSOCKETS_PER_NODE SLURM_OPEN_MODE \
  SLURM_POWER SLURM_PROLOG SLURM_REMOTE_CWD SLURM_REQ_SWITCH SLURM_RESV_PORTS SLURM_SEND_LIBS SLURM_SIGNAL \
  SLURM_SRUN_MULTI SLURM_STDERRMODE SLURM_STDINMODE SLURM_STDOUTMODE SLURM_TASK_EPILOG SLURM_TEST_EXEC SLURM_THREADS \
  SLURM_TIMELIMIT SLURM_UNBUFFEREDIO SLURM_USE_MIN_NODES SLURM_WORKING_DIR SLURMD_DEBUG
# srun refuses two answers to how much memory there is; that for the node is sbatch''s, from --mem.
[ -z "${SLURM_MEM_PER_NODE+set}" ] || unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU

srun -K1 --export=ALL -N "$SLURM_NNODES" -n "$SLURM_NNODES" --ntasks-per-node=1 /bin/bash -p -c ''
# On each node: the script is kept in a file that has no name any more, so that nothing stays behind.
script=$(mktemp "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && cat >"$script" && exec 9<"$script" || exit 1
rm -f -- "$script"
unset script
export PROCESS_PROCID="$SLURM_PROCID"
export PROCESS_NODENAME="$SLURMD_NODENAME"
export JOB_JOBID="$SLURM_JOB_ID"
export JOB_JOB_NODELIST="$SLURM_JOB_NODELIST"
JOB_JOB_FORMATED_NODELIST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr "''\\''n" " ")
export JOB_JOB_FORMATED_NODELIST="${JOB_JOB_FORMATED_NODELIST% }"
export JOB_NNODES="$SLURM_NNODES"
export JOB_NTASKS="${SLURM_NTASKS:-$SLURM_NNODES}"
export JOB_SUBMIT_DIR="$SLURM_SUBMIT_DIR"
export JOB_GPUS_PER_NODE="$SLURM_GPUS_PER_NODE"
export PATH="$1"
exec /bin/bash /dev/fd/9 </dev/null
'' \
  weir "$login_path" <<''END_OF_SCRIPT'' 2>&1 | tee -- "$verdict/output"
JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=127.0.0.1:5055/app:latest
JOBOBJ_CTRSECRET=
JOBOBJ_USER=kirbystar
JOBOBJ_DOCKER_SECRET=
JOBOBJ_DEVICES=["exclusive=False"]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_LICENSES=
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

# --------------------------------------------------------------------------
# What the downstream says to the job''s script.
export JARVICE_JOB_SCRATCH_DIR=''''
export JARVICE_JOB_GLOBAL_SCRATCH_DIR=''''
export JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES=False
export SINGULARITYENV_JARVICE_SERVICE_PORT=2228
export SINGULARITYENV_JARVICE_SSH_PORT=2227
export JARVICE_SINGULARITY_TMPDIR=/tmp
export JOB_LOCAL_USER="${USER:-$(id -un)}"
export JARVICE_SINGULARITY_OVERLAY_SIZE=600

# Credentials of the registries, each in base64.
export JARVICE_INIT_DOCKER_USERNAME=''''
export JARVICE_INIT_DOCKER_PASSWORD=''''
export JARVICE_DOCKER_USERNAME=''''
export JARVICE_DOCKER_PASSWORD=''''

# Images, and the command to run in them.
export JARVICE_APP_IMAGE=docker://127.0.0.1:5055/app:latest
export JARVICE_INIT_IMAGE=docker://127.0.0.1:5055/testbed/initv2:latest
export JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo began; sleep 600
/bin/echo JARVICE_CMD_SUCCESS
END_OF_SCRIPT

if wait "$reader"; then
  echo "JARVICE Job completed OK"
  exit 0
fi
echo "JARVICE Job failed, investigate logs"
exit 1
');
INSERT INTO "shownScript" VALUES('01M8G0R9EDE7YZVN7JQBVNHG5S','#!/bin/bash
# The batch script of a job that Weir submits. It runs the job''s script once on each node; the script travels over
# srun''s standard input, so that the nodes need to share no directory. The job ends well if the script says so.
# With -p neither functions that the login files of the account export nor BASH_ENV change what is called here.
case $- in *p*) ;; *) exec /bin/bash -p "$0" ;; esac
# What is called here is looked up outside the home directory first; the job''s own script gets the PATH of the login.
login_path=$PATH
PATH=$(set -f && IFS=: && for directory in $PATH; do
  case $directory in "$HOME" | "$HOME"/* | [!/]* | "") ;; *) printf ''%s:'' "$directory" ;; esac
done)$PATH
# The output is its owner''s alone, whatever the umask.
[ ! -f /dev/stdout ] || chmod 600 /dev/stdout 2>/dev/null
echo "Hello from $(hostname)"
echo "Entering parallel region"

# What the script prints goes to the job''s output, and past a reader that looks for its verdict.
verdict=$(mktemp -d "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && mkfifo "$verdict/output" || exit 1
trap ''rm -rf -- "$verdict"'' EXIT
# "/bin/echo JARVICE_CMD_SUCCESS" is the command as `set -x` shows it, not the verdict.
sed -e ''/GoTTY is starting with command/d'' -e ''s#/bin/echo JARVICE_CMD_SUCCESS##g'' <"$verdict/output" |
  grep -a -c JARVICE_CMD_SUCCESS >/dev/null &
reader=$!

# Options that srun takes from the environment, but for those that sbatch has set for this job.
unset "${!SRUN_@}" "${!SALLOC_@}" "${!SLURM_BCAST@}" "${!SLURM_EXIT_@}" "${!SLURM_SPREAD_@}" SLURM_STEP_GRES \
  "${!SLURM_TASK_PROLOG@}" "${!SLURM_WAIT@}" SLURM_ARBITRARY_NODELIST SLURM_CLUSTERS SLURM_CLUSTER_CONSTRAINT \
  SLURM_COMPRESS SLURM_CONSTRAINT SLURM_DEBUG SLURM_DEBUG_FLAGS SLURM_DELAY_BOOT SLURM_DEPENDENCY SLURM_DISABLE_STATUS \
  SLURM_EPILOG SLURM_EXACT SLURM_EXCLUSIVE SLURM_EXTERNAL_LAUNCHER SLURM_GRES SLURM_HOSTFILE SLURM_IMMEDIATE \
  SLURM_LABELIO SLURM_MULTI_PROG SLURM_NCORES_PER_SOCKET SLURM_NO_KILL SLURM_NSOCKETS_PER_NODE SLURM_OPEN_MODE \
  SLURM_POWER SLURM_PROLOG SLURM_REMOTE_CWD SLURM_REQ_SWITCH SLURM_RESV_PORTS SLURM_SEND_LIBS SLURM_SIGNAL \
  SLURM_SRUN_MULTI SLURM_STDERRMODE SLURM_STDINMODE SLURM_STDOUTMODE SLURM_TASK_EPILOG SLURM_TEST_EXEC SLURM_THREADS \
  SLURM_TIMELIMIT SLURM_UNBUFFEREDIO SLURM_USE_MIN_NODES SLURM_WORKING_DIR SLURMD_DEBUG
# srun refuses two answers to how much memory there is; that for the node is sbatch''s, from --mem.
[ -z "${SLURM_MEM_PER_NODE+set}" ] || unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU

srun -K1 --export=ALL -N "$SLURM_NNODES" -n "$SLURM_NNODES" --ntasks-per-node=1 /bin/bash -p -c ''
# On each node: the script is kept in a file that has no name any more, so that nothing stays behind.
script=$(mktemp "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && cat >"$script" && exec 9<"$script" || exit 1
rm -f -- "$script"
unset script
export PROCESS_PROCID="$SLURM_PROCID"
export PROCESS_NODENAME="$SLURMD_NODENAME"
export JOB_JOBID="$SLURM_JOB_ID"
export JOB_JOB_NODELIST="$SLURM_JOB_NODELIST"
JOB_JOB_FORMATED_NODELIST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr "''\\''n" " ")
export JOB_JOB_FORMATED_NODELIST="${JOB_JOB_FORMATED_NODELIST% }"
export JOB_NNODES="$SLURM_NNODES"
export JOB_NTASKS="${SLURM_NTASKS:-$SLURM_NNODES}"
export JOB_SUBMIT_DIR="$SLURM_SUBMIT_DIR"
export JOB_GPUS_PER_NODE="$SLURM_GPUS_PER_NODE"
export PATH="$1"
exec /bin/bash /dev/fd/9 </dev/null
'' \
  weir "$login_path" <<''END_OF_SCRIPT'' 2>&1 | tee -- "$verdict/output"
JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=127.0.0.1:5055/app:latest
JOBOBJ_CTRSECRET=
JOBOBJ_USER=kirbystar
JOBOBJ_DOCKER_SECRET=
JOBOBJ_DEVICES=["exclusive=False"]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_LICENSES=
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

# --------------------------------------------------------------------------
# What the downstream says to the job''s script.
export JARVICE_JOB_SCRATCH_DIR=''''
export JARVICE_JOB_GLOBAL_SCRATCH_DIR=''''
export JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES=False
export SINGULARITYENV_JARVICE_SERVICE_PORT=2228
export SINGULARITYENV_JARVICE_SSH_PORT=2227
export JARVICE_SINGULARITY_TMPDIR=/tmp
export JOB_LOCAL_USER="${USER:-$(id -un)}"
export JARVICE_SINGULARITY_OVERLAY_SIZE=600

# Credentials of the registries, each in base64.
export JARVICE_INIT_DOCKER_USERNAME=''''
export JARVICE_INIT_DOCKER_PASSWORD=''''
export JARVICE_DOCKER_USERNAME=''''
export JARVICE_DOCKER_PASSWORD=''''

# Images, and the command to run in them.
export JARVICE_APP_IMAGE=docker://127.0.0.1:5055/app:latest
export JARVICE_INIT_IMAGE=docker://127.0.0.1:5055/testbed/initv2:latest
export JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo began; sleep 600
/bin/echo JARVICE_CMD_SUCCESS
END_OF_SCRIPT

if wait "$reader"; then
  echo "JARVICE Job completed OK"
  exit 0
fi
echo "JARVICE Job failed, investigate logs"
exit 1
');
INSERT INTO "shownScript" VALUES('01M8G0R9FN2JVZR4DSHS0V8054','#!/bin/bash
# The batch script of a job that Weir submits. It runs the job''s script once on each node; the script travels over
# srun''s standard input, so that the nodes need to share no directory. The job ends well if the script says so.
# With -p neither functions that the login files of the account export nor BASH_ENV change what is called here.
case $- in *p*) ;; *) exec /bin/bash -p "$0" ;; esac
# What is called here is looked up outside the home directory first; the job''s own script gets the PATH of the login.
login_path=$PATH
PATH=$(set -f && IFS=: && for directory in $PATH; do
  case $directory in "$HOME" | "$HOME"/* | [!/]* | "") ;; *) printf ''%s:'' "$directory" ;; esac
done)$PATH
# The output is its owner''s alone, whatever the umask.
[ ! -f /dev/stdout ] || chmod 600 /dev/stdout 2>/dev/null
echo "Hello from $(hostname)"
echo "Entering parallel region"

# What the script prints goes to the job''s output, and past a reader that looks for its verdict.
verdict=$(mktemp -d "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && mkfifo "$verdict/output" || exit 1
trap ''rm -rf -- "$verdict"'' EXIT
# "/bin/echo JARVICE_CMD_SUCCESS" is the command as `set -x` shows it, not the verdict.
sed -e ''/GoTTY is starting with command/d'' -e ''s#/bin/echo JARVICE_CMD_SUCCESS##g'' <"$verdict/output" |
  grep -a -c JARVICE_CMD_SUCCESS >/dev/null &
reader=$!

# Options that srun takes from the environment, but for those that sbatch has set for this job.
unset "${!SRUN_@}" "${!SALLOC_@}" "${!SLURM_BCAST@}" "${!SLURM_EXIT_@}" "${!SLURM_SPREAD_@}" SLURM_STEP_GRES \
  "${!SLURM_TASK_PROLOG@}" "${!SLURM_WAIT@}" SLURM_ARBITRARY_NODELIST SLURM_CLUSTERS SLURM_CLUSTER_CONSTRAINT \
  SLURM_COMPRESS SLURM_CONSTRAINT SLURM_DEBUG SLURM_DEBUG_FLAGS SLURM_DELAY_BOOT SLURM_DEPENDENCY SLURM_DISABLE_STATUS \
  SLURM_EPILOG SLURM_EXACT SLURM_EXCLUSIVE SLURM_EXTERNAL_LAUNCHER SLURM_GRES SLURM_HOSTFILE SLURM_IMMEDIATE \
  SLURM_LABELIO SLURM_MULTI_PROG SLURM_NCORES_PER_SOCKET SLURM_NO_KILL SLURM_NSOCKETS_PER_NODE SLURM_OPEN_MODE \
  SLURM_POWER SLURM_PROLOG SLURM_REMOTE_CWD SLURM_REQ_SWITCH SLURM_RESV_PORTS SLURM_SEND_LIBS SLURM_SIGNAL \
  SLURM_SRUN_MULTI SLURM_STDERRMODE SLURM_STDINMODE SLURM_STDOUTMODE SLURM_TASK_EPILOG SLURM_TEST_EXEC SLURM_THREADS \
  SLURM_TIMELIMIT SLURM_UNBUFFEREDIO SLURM_USE_MIN_NODES SLURM_WORKING_DIR SLURMD_DEBUG
# srun refuses two answers to how much memory there is; that for the node is sbatch''s, from --mem.
[ -z "${SLURM_MEM_PER_NODE+set}" ] || unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU

srun -K1 --export=ALL -N "$SLURM_NNODES" -n "$SLURM_NNODES" --ntasks-per-node=1 /bin/bash -p -c ''
# On each node: the script is kept in a file that has no name any more, so that nothing stays behind.
script=$(mktemp "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && cat >"$script" && exec 9<"$script" || exit 1
rm -f -- "$script"
unset script
export PROCESS_PROCID="$SLURM_PROCID"
export PROCESS_NODENAME="$SLURMD_NODENAME"
export JOB_JOBID="$SLURM_JOB_ID"
export JOB_JOB_NODELIST="$SLURM_JOB_NODELIST"
JOB_JOB_FORMATED_NODELIST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr "''\\''n" " ")
export JOB_JOB_FORMATED_NODELIST="${JOB_JOB_FORMATED_NODELIST% }"
export JOB_NNODES="$SLURM_NNODES"
export JOB_NTASKS="${SLURM_NTASKS:-$SLURM_NNODES}"
export JOB_SUBMIT_DIR="$SLURM_SUBMIT_DIR"
export JOB_GPUS_PER_NODE="$SLURM_GPUS_PER_NODE"
export PATH="$1"
exec /bin/bash /dev/fd/9 </dev/null
'' \
  weir "$login_path" <<''END_OF_SCRIPT'' 2>&1 | tee -- "$verdict/output"
JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=127.0.0.1:5055/app:latest
JOBOBJ_CTRSECRET=
JOBOBJ_USER=kirbystar
JOBOBJ_DOCKER_SECRET=
JOBOBJ_DEVICES=["exclusive=False"]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_LICENSES=
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

# --------------------------------------------------------------------------
# What the downstream says to the job''s script.
export JARVICE_JOB_SCRATCH_DIR=''''
export JARVICE_JOB_GLOBAL_SCRATCH_DIR=''''
export JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES=False
export SINGULARITYENV_JARVICE_SERVICE_PORT=2228
export SINGULARITYENV_JARVICE_SSH_PORT=2227
export JARVICE_SINGULARITY_TMPDIR=/tmp
export JOB_LOCAL_USER="${USER:-$(id -un)}"
export JARVICE_SINGULARITY_OVERLAY_SIZE=600

# Credentials of the registries, each in base64.
export JARVICE_INIT_DOCKER_USERNAME=''''
export JARVICE_INIT_DOCKER_PASSWORD=''''
export JARVICE_DOCKER_USERNAME=''''
export JARVICE_DOCKER_PASSWORD=''''

# Images, and the command to run in them.
export JARVICE_APP_IMAGE=docker://127.0.0.1:5055/app:latest
export JARVICE_INIT_IMAGE=docker://127.0.0.1:5055/testbed/initv2:latest
export JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo began; sleep 600
/bin/echo JARVICE_CMD_SUCCESS
END_OF_SCRIPT

if wait "$reader"; then
  echo "JARVICE Job completed OK"
  exit 0
fi
echo "JARVICE Job failed, investigate logs"
exit 1
');
INSERT INTO "shownScript" VALUES('01M8G0RBJX72A7YVBB0A1Q2856','#!/bin/bash
# The batch script of a job that Weir submits. It runs the job''s script once on each node; the script travels over
# srun''s standard input, so that the nodes need to share no directory. The job ends well if the script says so.
# With -p neither functions that the login files of the account export nor BASH_ENV change what is called here.
case $- in *p*) ;; *) exec /bin/bash -p "$0" ;; esac
# What is called here is looked up outside the home directory first; the job''s own script gets the PATH of the login.
login_path=$PATH
PATH=$(set -f && IFS=: && for directory in $PATH; do
  case $directory in "$HOME" | "$HOME"/* | [!/]* | "") ;; *) printf ''%s:'' "$directory" ;; esac
done)$PATH
# The output is its owner''s alone, whatever the umask.
[ ! -f /dev/stdout ] || chmod 600 /dev/stdout 2>/dev/null
echo "Hello from $(hostname)"
echo "Entering parallel region"

# What the script prints goes to the job''s output, and past a reader that looks for its verdict.
verdict=$(mktemp -d "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && mkfifo "$verdict/output" || exit 1
trap ''rm -rf -- "$verdict"'' EXIT
# "/bin/echo JARVICE_CMD_SUCCESS" is the command as `set -x` shows it, not the verdict.
sed -e ''/GoTTY is starting with command/d'' -e ''s#/bin/echo JARVICE_CMD_SUCCESS##g'' <"$verdict/output" |
  grep -a -c JARVICE_CMD_SUCCESS >/dev/null &
reader=$!

# Options that srun takes from the environment, but for those that sbatch has set for this job.
unset "${!SRUN_@}" "${!SALLOC_@}" "${!SLURM_BCAST@}" "${!SLURM_EXIT_@}" "${!SLURM_SPREAD_@}" SLURM_STEP_GRES \
  "${!SLURM_TASK_PROLOG@}" "${!SLURM_WAIT@}" SLURM_ARBITRARY_NODELIST SLURM_CLUSTERS SLURM_CLUSTER_CONSTRAINT \
  SLURM_COMPRESS SLURM_CONSTRAINT SLURM_DEBUG SLURM_DEBUG_FLAGS SLURM_DELAY_BOOT SLURM_DEPENDENCY SLURM_DISABLE_STATUS \
  SLURM_EPILOG SLURM_EXACT SLURM_EXCLUSIVE SLURM_EXTERNAL_LAUNCHER SLURM_GRES SLURM_HOSTFILE SLURM_IMMEDIATE \
  SLURM_LABELIO SLURM_MULTI_PROG SLURM_NCORES_PER_SOCKET SLURM_NO_KILL SLURM_NSOCKETS_PER_NODE SLURM_OPEN_MODE \
  SLURM_POWER SLURM_PROLOG SLURM_REMOTE_CWD SLURM_REQ_SWITCH SLURM_RESV_PORTS SLURM_SEND_LIBS SLURM_SIGNAL \
  SLURM_SRUN_MULTI SLURM_STDERRMODE SLURM_STDINMODE SLURM_STDOUTMODE SLURM_TASK_EPILOG SLURM_TEST_EXEC SLURM_THREADS \
  SLURM_TIMELIMIT SLURM_UNBUFFEREDIO SLURM_USE_MIN_NODES SLURM_WORKING_DIR SLURMD_DEBUG
# srun refuses two answers to how much memory there is; that for the node is sbatch''s, from --mem.
[ -z "${SLURM_MEM_PER_NODE+set}" ] || unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU

srun -K1 --export=ALL -N "$SLURM_NNODES" -n "$SLURM_NNODES" --ntasks-per-node=1 /bin/bash -p -c ''
# On each node: the script is kept in a file that has no name any more, so that nothing stays behind.
script=$(mktemp "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && cat >"$script" && exec 9<"$script" || exit 1
rm -f -- "$script"
unset script
export PROCESS_PROCID="$SLURM_PROCID"
export PROCESS_NODENAME="$SLURMD_NODENAME"
export JOB_JOBID="$SLURM_JOB_ID"
export JOB_JOB_NODELIST="$SLURM_JOB_NODELIST"
JOB_JOB_FORMATED_NODELIST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr "''\\''n" " ")
export JOB_JOB_FORMATED_NODELIST="${JOB_JOB_FORMATED_NODELIST% }"
export JOB_NNODES="$SLURM_NNODES"
export JOB_NTASKS="${SLURM_NTASKS:-$SLURM_NNODES}"
export JOB_SUBMIT_DIR="$SLURM_SUBMIT_DIR"
export JOB_GPUS_PER_NODE="$SLURM_GPUS_PER_NODE"
export PATH="$1"
exec /bin/bash /dev/fd/9 </dev/null
'' \
  weir "$login_path" <<''END_OF_SCRIPT'' 2>&1 | tee -- "$verdict/output"
JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=127.0.0.1:5055/app:latest
JOBOBJ_CTRSECRET=
JOBOBJ_USER=kirbystar
JOBOBJ_DOCKER_SECRET=
JOBOBJ_DEVICES=["sbatch_begin=now+1hour"]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_LICENSES=
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

# --------------------------------------------------------------------------
# What the downstream says to the job''s script.
export JARVICE_JOB_SCRATCH_DIR=''''
export JARVICE_JOB_GLOBAL_SCRATCH_DIR=''''
export JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES=False
export SINGULARITYENV_JARVICE_SERVICE_PORT=2228
export SINGULARITYENV_JARVICE_SSH_PORT=2227
export JARVICE_SINGULARITY_TMPDIR=/tmp
export JOB_LOCAL_USER="${USER:-$(id -un)}"
export JARVICE_SINGULARITY_OVERLAY_SIZE=600

# Credentials of the registries, each in base64.
export JARVICE_INIT_DOCKER_USERNAME=''''
export JARVICE_INIT_DOCKER_PASSWORD=''''
export JARVICE_DOCKER_USERNAME=''''
export JARVICE_DOCKER_PASSWORD=''''

# Images, and the command to run in them.
export JARVICE_APP_IMAGE=docker://127.0.0.1:5055/app:latest
export JARVICE_INIT_IMAGE=docker://127.0.0.1:5055/testbed/initv2:latest
export JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
/bin/echo JARVICE_CMD_SUCCESS
END_OF_SCRIPT

if wait "$reader"; then
  echo "JARVICE Job completed OK"
  exit 0
fi
echo "JARVICE Job failed, investigate logs"
exit 1
');
INSERT INTO "shownScript" VALUES('01M8G0RBPR95DRZBGN4YMC5PMD','#!/bin/bash
# The batch script of a job that Weir submits. It runs the job''s script once on each node; the script travels over
# srun''s standard input, so that the nodes need to share no directory. The job ends well if the script says so.
# With -p neither functions that the login files of the account export nor BASH_ENV change what is called here.
case $- in *p*) ;; *) exec /bin/bash -p "$0" ;; esac
# What is called here is looked up outside the home directory first; the job''s own script gets the PATH of the login.
login_path=$PATH
PATH=$(set -f && IFS=: && for directory in $PATH; do
  case $directory in "$HOME" | "$HOME"/* | [!/]* | "") ;; *) printf ''%s:'' "$directory" ;; esac
done)$PATH
# The output is its owner''s alone, whatever the umask.
[ ! -f /dev/stdout ] || chmod 600 /dev/stdout 2>/dev/null
echo "Hello from $(hostname)"
echo "Entering parallel region"

# What the script prints goes to the job''s output, and past a reader that looks for its verdict.
verdict=$(mktemp -d "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && mkfifo "$verdict/output" || exit 1
trap ''rm -rf -- "$verdict"'' EXIT
# "/bin/echo JARVICE_CMD_SUCCESS" is the command as `set -x` shows it, not the verdict.
sed -e ''/GoTTY is starting with command/d'' -e ''s#/bin/echo JARVICE_CMD_SUCCESS##g'' <"$verdict/output" |
  grep -a -c JARVICE_CMD_SUCCESS >/dev/null &
reader=$!

# Options that srun takes from the environment, but for those that sbatch has set for this job.
unset "${!SRUN_@}" "${!SALLOC_@}" "${!SLURM_BCAST@}" "${!SLURM_EXIT_@}" "${!SLURM_SPREAD_@}" SLURM_STEP_GRES \
  "${!SLURM_TASK_PROLOG@}" "${!SLURM_WAIT@}" SLURM_ARBITRARY_NODELIST SLURM_CLUSTERS SLURM_CLUSTER_CONSTRAINT \
  SLURM_COMPRESS SLURM_CONSTRAINT SLURM_DEBUG SLURM_DEBUG_FLAGS SLURM_DELAY_BOOT SLURM_DEPENDENCY SLURM_DISABLE_STATUS \
  SLURM_EPILOG SLURM_EXACT SLURM_EXCLUSIVE SLURM_EXTERNAL_LAUNCHER SLURM_GRES SLURM_HOSTFILE SLURM_IMMEDIATE \
  SLURM_LABELIO SLURM_MULTI_PROG SLURM_NCORES_PER_SOCKET SLURM_NO_KILL SLURM_NSOCKETS_PER_NODE SLURM_OPEN_MODE \
  SLURM_POWER SLURM_PROLOG SLURM_REMOTE_CWD SLURM_REQ_SWITCH SLURM_RESV_PORTS SLURM_SEND_LIBS SLURM_SIGNAL \
  SLURM_SRUN_MULTI SLURM_STDERRMODE SLURM_STDINMODE SLURM_STDOUTMODE SLURM_TASK_EPILOG SLURM_TEST_EXEC SLURM_THREADS \
  SLURM_TIMELIMIT SLURM_UNBUFFEREDIO SLURM_USE_MIN_NODES SLURM_WORKING_DIR SLURMD_DEBUG
# srun refuses two answers to how much memory there is; that for the node is sbatch''s, from --mem.
[ -z "${SLURM_MEM_PER_NODE+set}" ] || unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU

srun -K1 --export=ALL -N "$SLURM_NNODES" -n "$SLURM_NNODES" --ntasks-per-node=1 /bin/bash -p -c ''
# On each node: the script is kept in a file that has no name any more, so that nothing stays behind.
script=$(mktemp "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && cat >"$script" && exec 9<"$script" || exit 1
rm -f -- "$script"
unset script
export PROCESS_PROCID="$SLURM_PROCID"
export PROCESS_NODENAME="$SLURMD_NODENAME"
export JOB_JOBID="$SLURM_JOB_ID"
export JOB_JOB_NODELIST="$SLURM_JOB_NODELIST"
JOB_JOB_FORMATED_NODELIST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr "''\\''n" " ")
export JOB_JOB_FORMATED_NODELIST="${JOB_JOB_FORMATED_NODELIST% }"
export JOB_NNODES="$SLURM_NNODES"
export JOB_NTASKS="${SLURM_NTASKS:-$SLURM_NNODES}"
export JOB_SUBMIT_DIR="$SLURM_SUBMIT_DIR"
export JOB_GPUS_PER_NODE="$SLURM_GPUS_PER_NODE"
export PATH="$1"
exec /bin/bash /dev/fd/9 </dev/null
'' \
  weir "$login_path" <<''END_OF_SCRIPT'' 2>&1 | tee -- "$verdict/output"
JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=127.0.0.1:5055/app:latest
JOBOBJ_CTRSECRET=
JOBOBJ_USER=kirbystar
JOBOBJ_DOCKER_SECRET=
JOBOBJ_DEVICES=["exclusive=False"]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_LICENSES=
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

# --------------------------------------------------------------------------
# What the downstream says to the job''s script.
export JARVICE_JOB_SCRATCH_DIR=''''
export JARVICE_JOB_GLOBAL_SCRATCH_DIR=''''
export JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES=False
export SINGULARITYENV_JARVICE_SERVICE_PORT=2228
export SINGULARITYENV_JARVICE_SSH_PORT=2227
export JARVICE_SINGULARITY_TMPDIR=/tmp
export JOB_LOCAL_USER="${USER:-$(id -un)}"
export JARVICE_SINGULARITY_OVERLAY_SIZE=600

# Credentials of the registries, each in base64.
export JARVICE_INIT_DOCKER_USERNAME=''''
export JARVICE_INIT_DOCKER_PASSWORD=''''
export JARVICE_DOCKER_USERNAME=''''
export JARVICE_DOCKER_PASSWORD=''''

# Images, and the command to run in them.
export JARVICE_APP_IMAGE=docker://127.0.0.1:5055/app:latest
export JARVICE_INIT_IMAGE=docker://127.0.0.1:5055/testbed/initv2:latest
export JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
/bin/echo JARVICE_CMD_SUCCESS
END_OF_SCRIPT

if wait "$reader"; then
  echo "JARVICE Job completed OK"
  exit 0
fi
echo "JARVICE Job failed, investigate logs"
exit 1
');
INSERT INTO "shownScript" VALUES('01M8G0RDQY6G4FYQVEYAT6SYMG','#!/bin/bash
# The batch script of a job that Weir submits. It runs the job''s script once on each node; the script travels over
# srun''s standard input, so that the nodes need to share no directory. The job ends well if the script says so.
# With -p neither functions that the login files of the account export nor BASH_ENV change what is called here.
case $- in *p*) ;; *) exec /bin/bash -p "$0" ;; esac
# What is called here is looked up outside the home directory first; the job''s own script gets the PATH of the login.
login_path=$PATH
PATH=$(set -f && IFS=: && for directory in $PATH; do
  case $directory in "$HOME" | "$HOME"/* | [!/]* | "") ;; *) printf ''%s:'' "$directory" ;; esac
done)$PATH
# The output is its owner''s alone, whatever the umask.
[ ! -f /dev/stdout ] || chmod 600 /dev/stdout 2>/dev/null
echo "Hello from $(hostname)"
echo "Entering parallel region"

# What the script prints goes to the job''s output, and past a reader that looks for its verdict.
verdict=$(mktemp -d "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && mkfifo "$verdict/output" || exit 1
trap ''rm -rf -- "$verdict"'' EXIT
# "/bin/echo JARVICE_CMD_SUCCESS" is the command as `set -x` shows it, not the verdict.
sed -e ''/GoTTY is starting with command/d'' -e ''s#/bin/echo JARVICE_CMD_SUCCESS##g'' <"$verdict/output" |
  grep -a -c JARVICE_CMD_SUCCESS >/dev/null &
reader=$!

# Options that srun takes from the environment, but for those that sbatch has set for this job.
unset "${!SRUN_@}" "${!SALLOC_@}" "${!SLURM_BCAST@}" "${!SLURM_EXIT_@}" "${!SLURM_SPREAD_@}" SLURM_STEP_GRES \
  "${!SLURM_TASK_PROLOG@}" "${!SLURM_WAIT@}" SLURM_ARBITRARY_NODELIST SLURM_CLUSTERS SLURM_CLUSTER_CONSTRAINT \
  SLURM_COMPRESS SLURM_CONSTRAINT SLURM_DEBUG SLURM_DEBUG_FLAGS SLURM_DELAY_BOOT SLURM_DEPENDENCY SLURM_DISABLE_STATUS \
  SLURM_EPILOG SLURM_EXACT SLURM_EXCLUSIVE SLURM_EXTERNAL_LAUNCHER SLURM_GRES SLURM_HOSTFILE SLURM_IMMEDIATE \
  SLURM_LABELIO SLURM_MULTI_PROG SLURM_NCORES_PER_SOCKET SLURM_NO_KILL SLURM_NSOCKETS_PER_NODE SLURM_OPEN_MODE \
  SLURM_POWER SLURM_PROLOG SLURM_REMOTE_CWD SLURM_REQ_SWITCH SLURM_RESV_PORTS SLURM_SEND_LIBS SLURM_SIGNAL \
  SLURM_SRUN_MULTI SLURM_STDERRMODE SLURM_STDINMODE SLURM_STDOUTMODE SLURM_TASK_EPILOG SLURM_TEST_EXEC SLURM_THREADS \
  SLURM_TIMELIMIT SLURM_UNBUFFEREDIO SLURM_USE_MIN_NODES SLURM_WORKING_DIR SLURMD_DEBUG
# srun refuses two answers to how much memory there is; that for the node is sbatch''s, from --mem.
[ -z "${SLURM_MEM_PER_NODE+set}" ] || unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU

srun -K1 --export=ALL -N "$SLURM_NNODES" -n "$SLURM_NNODES" --ntasks-per-node=1 /bin/bash -p -c ''
# On each node: the script is kept in a file that has no name any more, so that nothing stays behind.
script=$(mktemp "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && cat >"$script" && exec 9<"$script" || exit 1
rm -f -- "$script"
unset script
export PROCESS_PROCID="$SLURM_PROCID"
export PROCESS_NODENAME="$SLURMD_NODENAME"
export JOB_JOBID="$SLURM_JOB_ID"
export JOB_JOB_NODELIST="$SLURM_JOB_NODELIST"
JOB_JOB_FORMATED_NODELIST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr "''\\''n" " ")
export JOB_JOB_FORMATED_NODELIST="${JOB_JOB_FORMATED_NODELIST% }"
export JOB_NNODES="$SLURM_NNODES"
export JOB_NTASKS="${SLURM_NTASKS:-$SLURM_NNODES}"
export JOB_SUBMIT_DIR="$SLURM_SUBMIT_DIR"
export JOB_GPUS_PER_NODE="$SLURM_GPUS_PER_NODE"
export PATH="$1"
exec /bin/bash /dev/fd/9 </dev/null
'' \
  weir "$login_path" <<''END_OF_SCRIPT'' 2>&1 | tee -- "$verdict/output"
JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=127.0.0.1:5055/app:latest
JOBOBJ_CTRSECRET=
JOBOBJ_USER=kirbystar
JOBOBJ_DOCKER_SECRET=
JOBOBJ_DEVICES=["exclusive=False"]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_LICENSES=
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

# --------------------------------------------------------------------------
# What the downstream says to the job''s script.
export JARVICE_JOB_SCRATCH_DIR=''''
export JARVICE_JOB_GLOBAL_SCRATCH_DIR=''''
export JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES=False
export SINGULARITYENV_JARVICE_SERVICE_PORT=2228
export SINGULARITYENV_JARVICE_SSH_PORT=2227
export JARVICE_SINGULARITY_TMPDIR=/tmp
export JOB_LOCAL_USER="${USER:-$(id -un)}"
export JARVICE_SINGULARITY_OVERLAY_SIZE=600

# Credentials of the registries, each in base64.
export JARVICE_INIT_DOCKER_USERNAME=''''
export JARVICE_INIT_DOCKER_PASSWORD=''''
export JARVICE_DOCKER_USERNAME=''''
export JARVICE_DOCKER_PASSWORD=''''

# Images, and the command to run in them.
export JARVICE_APP_IMAGE=docker://127.0.0.1:5055/app:latest
export JARVICE_INIT_IMAGE=docker://127.0.0.1:5055/testbed/initv2:latest
export JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
/bin/echo JARVICE_CMD_SUCCESS
END_OF_SCRIPT

if wait "$reader"; then
  echo "JARVICE Job completed OK"
  exit 0
fi
echo "JARVICE Job failed, investigate logs"
exit 1
');
INSERT INTO "shownScript" VALUES('01KB0000000000000000000000','#!/bin/bash
# The batch script of a job that Weir submits. It runs the job''s script once on each node; the script travels over
# srun''s standard input, so that the nodes need to share no directory. The job ends well if the script says so.
# With -p neither functions that the login files of the account export nor BASH_ENV change what is called here.
case $- in *p*) ;; *) exec /bin/bash -p "$0" ;; esac
# What is called here is looked up outside the home directory first; the job''s own script gets the PATH of the login.
login_path=$PATH
PATH=$(set -f && IFS=: && for directory in $PATH; do
  case $directory in "$HOME" | "$HOME"/* | [!/]* | "") ;; *) printf ''%s:'' "$directory" ;; esac
done)$PATH
# The output is its owner''s alone, whatever the umask.
[ ! -f /dev/stdout ] || chmod 600 /dev/stdout 2>/dev/null
echo "Hello from $(hostname)"
echo "Entering parallel region"

# What the script prints goes to the job''s output, and past a reader that looks for its verdict.
verdict=$(mktemp -d "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && mkfifo "$verdict/output" || exit 1
trap ''rm -rf -- "$verdict"'' EXIT
# "/bin/echo JARVICE_CMD_SUCCESS" is the command as `set -x` shows it, not the verdict.
sed -e ''/GoTTY is starting with command/d'' -e ''s#/bin/echo JARVICE_CMD_SUCCESS##g'' <"$verdict/output" |
  grep -a -c JARVICE_CMD_SUCCESS >/dev/null &
reader=$!

# Options that srun takes from the environment, but for those that sbatch has set for this job.
unset "${!SRUN_@}" "${!SALLOC_@}" "${!SLURM_BCAST@}" "${!SLURM_EXIT_@}" "${!SLURM_SPREAD_@}" SLURM_STEP_GRES \
  "${!SLURM_TASK_PROLOG@}" "${!SLURM_WAIT@}" SLURM_ARBITRARY_NODELIST SLURM_CLUSTERS SLURM_CLUSTER_CONSTRAINT \
  SLURM_COMPRESS SLURM_CONSTRAINT SLURM_DEBUG SLURM_DEBUG_FLAGS SLURM_DELAY_BOOT SLURM_DEPENDENCY SLURM_DISABLE_STATUS \
  SLURM_EPILOG SLURM_EXACT SLURM_EXCLUSIVE SLURM_EXTERNAL_LAUNCHER SLURM_GRES SLURM_HOSTFILE SLURM_IMMEDIATE \
  SLURM_LABELIO SLURM_MULTI_PROG SLURM_NCORES_PER_SOCKET SLURM_NO_KILL SLURM_NSOCKETS_PER_NODE SLURM_OPEN_MODE \
  SLURM_POWER SLURM_PROLOG SLURM_REMOTE_CWD SLURM_REQ_SWITCH SLURM_RESV_PORTS SLURM_SEND_LIBS SLURM_SIGNAL \
  SLURM_SRUN_MULTI SLURM_STDERRMODE SLURM_STDINMODE SLURM_STDOUTMODE SLURM_TASK_EPILOG SLURM_TEST_EXEC SLURM_THREADS \
  SLURM_TIMELIMIT SLURM_UNBUFFEREDIO SLURM_USE_MIN_NODES SLURM_WORKING_DIR SLURMD_DEBUG
# srun refuses two answers to how much memory there is; that for the node is sbatch''s, from --mem.
[ -z "${SLURM_MEM_PER_NODE+set}" ] || unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU

srun -K1 --export=ALL -N "$SLURM_NNODES" -n "$SLURM_NNODES" --ntasks-per-node=1 /bin/bash -p -c ''
# On each node: the script is kept in a file that has no name any more, so that nothing stays behind.
script=$(mktemp "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && cat >"$script" && exec 9<"$script" || exit 1
rm -f -- "$script"
unset script
export PROCESS_PROCID="$SLURM_PROCID"
export PROCESS_NODENAME="$SLURMD_NODENAME"
export JOB_JOBID="$SLURM_JOB_ID"
export JOB_JOB_NODELIST="$SLURM_JOB_NODELIST"
JOB_JOB_FORMATED_NODELIST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr "''\\''n" " ")
export JOB_JOB_FORMATED_NODELIST="${JOB_JOB_FORMATED_NODELIST% }"
export JOB_NNODES="$SLURM_NNODES"
export JOB_NTASKS="${SLURM_NTASKS:-$SLURM_NNODES}"
export JOB_SUBMIT_DIR="$SLURM_SUBMIT_DIR"
export JOB_GPUS_PER_NODE="$SLURM_GPUS_PER_NODE"
export PATH="$1"
exec /bin/bash /dev/fd/9 </dev/null
'' \
  weir "$login_path" <<''END_OF_SCRIPT'' 2>&1 | tee -- "$verdict/output"
JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=127.0.0.1:5055/app:latest
JOBOBJ_CTRSECRET=
JOBOBJ_USER=kirbystar
JOBOBJ_DOCKER_SECRET=
JOBOBJ_DEVICES=["exclusive=False"]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_LICENSES=
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

# --------------------------------------------------------------------------
# What the downstream says to the job''s script.
export JARVICE_JOB_SCRATCH_DIR=''''
export JARVICE_JOB_GLOBAL_SCRATCH_DIR=''''
export JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES=False
export SINGULARITYENV_JARVICE_SERVICE_PORT=2228
export SINGULARITYENV_JARVICE_SSH_PORT=2227
export JARVICE_SINGULARITY_TMPDIR=/tmp
export JOB_LOCAL_USER="${USER:-$(id -un)}"
export JARVICE_SINGULARITY_OVERLAY_SIZE=600

# Credentials of the registries, each in base64.
export JARVICE_INIT_DOCKER_USERNAME=''''
export JARVICE_INIT_DOCKER_PASSWORD=''''
export JARVICE_DOCKER_USERNAME=''''
export JARVICE_DOCKER_PASSWORD=''''

# Images, and the command to run in them.
export JARVICE_APP_IMAGE=docker://127.0.0.1:5055/app:latest
export JARVICE_INIT_IMAGE=docker://127.0.0.1:5055/testbed/initv2:latest
export JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo wrong; exit 3
/bin/echo JARVICE_CMD_SUCCESS
END_OF_SCRIPT

if wait "$reader"; then
  echo "JARVICE Job completed OK"
  exit 0
fi
echo "JARVICE Job failed, investigate logs"
exit 1
');
INSERT INTO "shownScript" VALUES('01KB0000000000000000000050','#!/bin/bash
# The batch script of a job that Weir submits. It runs the job''s script once on each node; the script travels over
# srun''s standard input, so that the nodes need to share no directory. The job ends well if the script says so.
# With -p neither functions that the login files of the account export nor BASH_ENV change what is called here.
case $- in *p*) ;; *) exec /bin/bash -p "$0" ;; esac
# What is called here is looked up outside the home directory first; the job''s own script gets the PATH of the login.
login_path=$PATH
PATH=$(set -f && IFS=: && for directory in $PATH; do
  case $directory in "$HOME" | "$HOME"/* | [!/]* | "") ;; *) printf ''%s:'' "$directory" ;; esac
done)$PATH
# The output is its owner''s alone, whatever the umask.
[ ! -f /dev/stdout ] || chmod 600 /dev/stdout 2>/dev/null
echo "Hello from $(hostname)"
echo "Entering parallel region"

# What the script prints goes to the job''s output, and past a reader that looks for its verdict.
verdict=$(mktemp -d "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && mkfifo "$verdict/output" || exit 1
trap ''rm -rf -- "$verdict"'' EXIT
# "/bin/echo JARVICE_CMD_SUCCESS" is the command as `set -x` shows it, not the verdict.
sed -e ''/GoTTY is starting with command/d'' -e ''s#/bin/echo JARVICE_CMD_SUCCESS##g'' <"$verdict/output" |
  grep -a -c JARVICE_CMD_SUCCESS >/dev/null &
reader=$!

# Options that srun takes from the environment, but for those that sbatch has set for this job.
unset "${!SRUN_@}" "${!SALLOC_@}" "${!SLURM_BCAST@}" "${!SLURM_EXIT_@}" "${!SLURM_SPREAD_@}" SLURM_STEP_GRES \
  "${!SLURM_TASK_PROLOG@}" "${!SLURM_WAIT@}" SLURM_ARBITRARY_NODELIST SLURM_CLUSTERS SLURM_CLUSTER_CONSTRAINT \
  SLURM_COMPRESS SLURM_CONSTRAINT SLURM_DEBUG SLURM_DEBUG_FLAGS SLURM_DELAY_BOOT SLURM_DEPENDENCY SLURM_DISABLE_STATUS \
  SLURM_EPILOG SLURM_EXACT SLURM_EXCLUSIVE SLURM_EXTERNAL_LAUNCHER SLURM_GRES SLURM_HOSTFILE SLURM_IMMEDIATE \
  SLURM_LABELIO SLURM_MULTI_PROG SLURM_NCORES_PER_SOCKET SLURM_NO_KILL SLURM_NSOCKETS_PER_NODE SLURM_OPEN_MODE \
  SLURM_POWER SLURM_PROLOG SLURM_REMOTE_CWD SLURM_REQ_SWITCH SLURM_RESV_PORTS SLURM_SEND_LIBS SLURM_SIGNAL \
  SLURM_SRUN_MULTI SLURM_STDERRMODE SLURM_STDINMODE SLURM_STDOUTMODE SLURM_TASK_EPILOG SLURM_TEST_EXEC SLURM_THREADS \
  SLURM_TIMELIMIT SLURM_UNBUFFEREDIO SLURM_USE_MIN_NODES SLURM_WORKING_DIR SLURMD_DEBUG
# srun refuses two answers to how much memory there is; that for the node is sbatch''s, from --mem.
[ -z "${SLURM_MEM_PER_NODE+set}" ] || unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU

srun -K1 --export=ALL -N "$SLURM_NNODES" -n "$SLURM_NNODES" --ntasks-per-node=1 /bin/bash -p -c ''
# On each node: the script is kept in a file that has no name any more, so that nothing stays behind.
script=$(mktemp "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && cat >"$script" && exec 9<"$script" || exit 1
rm -f -- "$script"
unset script
export PROCESS_PROCID="$SLURM_PROCID"
export PROCESS_NODENAME="$SLURMD_NODENAME"
export JOB_JOBID="$SLURM_JOB_ID"
export JOB_JOB_NODELIST="$SLURM_JOB_NODELIST"
JOB_JOB_FORMATED_NODELIST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr "''\\''n" " ")
export JOB_JOB_FORMATED_NODELIST="${JOB_JOB_FORMATED_NODELIST% }"
export JOB_NNODES="$SLURM_NNODES"
export JOB_NTASKS="${SLURM_NTASKS:-$SLURM_NNODES}"
export JOB_SUBMIT_DIR="$SLURM_SUBMIT_DIR"
export JOB_GPUS_PER_NODE="$SLURM_GPUS_PER_NODE"
export PATH="$1"
exec /bin/bash /dev/fd/9 </dev/null
'' \
  weir "$login_path" <<''END_OF_SCRIPT'' 2>&1 | tee -- "$verdict/output"
JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=127.0.0.1:5055/app:latest
JOBOBJ_CTRSECRET=
JOBOBJ_USER=kirbystar
JOBOBJ_DOCKER_SECRET=
JOBOBJ_DEVICES=["sbatch_begin=now+1hour"]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_LICENSES=
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

# --------------------------------------------------------------------------
# What the downstream says to the job''s script.
export JARVICE_JOB_SCRATCH_DIR=''''
export JARVICE_JOB_GLOBAL_SCRATCH_DIR=''''
export JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES=False
export SINGULARITYENV_JARVICE_SERVICE_PORT=2228
export SINGULARITYENV_JARVICE_SSH_PORT=2227
export JARVICE_SINGULARITY_TMPDIR=/tmp
export JOB_LOCAL_USER="${USER:-$(id -un)}"
export JARVICE_SINGULARITY_OVERLAY_SIZE=600

# Credentials of the registries, each in base64.
export JARVICE_INIT_DOCKER_USERNAME=''''
export JARVICE_INIT_DOCKER_PASSWORD=''''
export JARVICE_DOCKER_USERNAME=''''
export JARVICE_DOCKER_PASSWORD=''''

# Images, and the command to run in them.
export JARVICE_APP_IMAGE=docker://127.0.0.1:5055/app:latest
export JARVICE_INIT_IMAGE=docker://127.0.0.1:5055/testbed/initv2:latest
export JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
/bin/echo JARVICE_CMD_SUCCESS
END_OF_SCRIPT

if wait "$reader"; then
  echo "JARVICE Job completed OK"
  exit 0
fi
echo "JARVICE Job failed, investigate logs"
exit 1
');
INSERT INTO "shownScript" VALUES('01KB0000000000000000000051','#!/bin/bash
# The batch script of a job that Weir submits. It runs the job''s script once on each node; the script travels over
# srun''s standard input, so that the nodes need to share no directory. The job ends well if the script says so.
# With -p neither functions that the login files of the account export nor BASH_ENV change what is called here.
case $- in *p*) ;; *) exec /bin/bash -p "$0" ;; esac
# What is called here is looked up outside the home directory first; the job''s own script gets the PATH of the login.
login_path=$PATH
PATH=$(set -f && IFS=: && for directory in $PATH; do
  case $directory in "$HOME" | "$HOME"/* | [!/]* | "") ;; *) printf ''%s:'' "$directory" ;; esac
done)$PATH
# The output is its owner''s alone, whatever the umask.
[ ! -f /dev/stdout ] || chmod 600 /dev/stdout 2>/dev/null
echo "Hello from $(hostname)"
echo "Entering parallel region"

# What the script prints goes to the job''s output, and past a reader that looks for its verdict.
verdict=$(mktemp -d "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && mkfifo "$verdict/output" || exit 1
trap ''rm -rf -- "$verdict"'' EXIT
# "/bin/echo JARVICE_CMD_SUCCESS" is the command as `set -x` shows it, not the verdict.
sed -e ''/GoTTY is starting with command/d'' -e ''s#/bin/echo JARVICE_CMD_SUCCESS##g'' <"$verdict/output" |
  grep -a -c JARVICE_CMD_SUCCESS >/dev/null &
reader=$!

# Options that srun takes from the environment, but for those that sbatch has set for this job.
unset "${!SRUN_@}" "${!SALLOC_@}" "${!SLURM_BCAST@}" "${!SLURM_EXIT_@}" "${!SLURM_SPREAD_@}" SLURM_STEP_GRES \
  "${!SLURM_TASK_PROLOG@}" "${!SLURM_WAIT@}" SLURM_ARBITRARY_NODELIST SLURM_CLUSTERS SLURM_CLUSTER_CONSTRAINT \
  SLURM_COMPRESS SLURM_CONSTRAINT SLURM_DEBUG SLURM_DEBUG_FLAGS SLURM_DELAY_BOOT SLURM_DEPENDENCY SLURM_DISABLE_STATUS \
  SLURM_EPILOG SLURM_EXACT SLURM_EXCLUSIVE SLURM_EXTERNAL_LAUNCHER SLURM_GRES SLURM_HOSTFILE SLURM_IMMEDIATE \
  SLURM_LABELIO SLURM_MULTI_PROG SLURM_NCORES_PER_SOCKET SLURM_NO_KILL SLURM_NSOCKETS_PER_NODE SLURM_OPEN_MODE \
  SLURM_POWER SLURM_PROLOG SLURM_REMOTE_CWD SLURM_REQ_SWITCH SLURM_RESV_PORTS SLURM_SEND_LIBS SLURM_SIGNAL \
  SLURM_SRUN_MULTI SLURM_STDERRMODE SLURM_STDINMODE SLURM_STDOUTMODE SLURM_TASK_EPILOG SLURM_TEST_EXEC SLURM_THREADS \
  SLURM_TIMELIMIT SLURM_UNBUFFEREDIO SLURM_USE_MIN_NODES SLURM_WORKING_DIR SLURMD_DEBUG
# srun refuses two answers to how much memory there is; that for the node is sbatch''s, from --mem.
[ -z "${SLURM_MEM_PER_NODE+set}" ] || unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU

srun -K1 --export=ALL -N "$SLURM_NNODES" -n "$SLURM_NNODES" --ntasks-per-node=1 /bin/bash -p -c ''
# On each node: the script is kept in a file that has no name any more, so that nothing stays behind.
script=$(mktemp "${TMPDIR:-/tmp}/weir.XXXXXXXXXX") && cat >"$script" && exec 9<"$script" || exit 1
rm -f -- "$script"
unset script
export PROCESS_PROCID="$SLURM_PROCID"
export PROCESS_NODENAME="$SLURMD_NODENAME"
export JOB_JOBID="$SLURM_JOB_ID"
export JOB_JOB_NODELIST="$SLURM_JOB_NODELIST"
JOB_JOB_FORMATED_NODELIST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr "''\\''n" " ")
export JOB_JOB_FORMATED_NODELIST="${JOB_JOB_FORMATED_NODELIST% }"
export JOB_NNODES="$SLURM_NNODES"
export JOB_NTASKS="${SLURM_NTASKS:-$SLURM_NNODES}"
export JOB_SUBMIT_DIR="$SLURM_SUBMIT_DIR"
export JOB_GPUS_PER_NODE="$SLURM_GPUS_PER_NODE"
export PATH="$1"
exec /bin/bash /dev/fd/9 </dev/null
'' \
  weir "$login_path" <<''END_OF_SCRIPT'' 2>&1 | tee -- "$verdict/output"
JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=127.0.0.1:5055/app:latest
JOBOBJ_CTRSECRET=
JOBOBJ_USER=kirbystar
JOBOBJ_DOCKER_SECRET=
JOBOBJ_DEVICES=["sbatch_begin=now+1hour"]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_LICENSES=
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

# --------------------------------------------------------------------------
# What the downstream says to the job''s script.
export JARVICE_JOB_SCRATCH_DIR=''''
export JARVICE_JOB_GLOBAL_SCRATCH_DIR=''''
export JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES=False
export SINGULARITYENV_JARVICE_SERVICE_PORT=2228
export SINGULARITYENV_JARVICE_SSH_PORT=2227
export JARVICE_SINGULARITY_TMPDIR=/tmp
export JOB_LOCAL_USER="${USER:-$(id -un)}"
export JARVICE_SINGULARITY_OVERLAY_SIZE=600

# Credentials of the registries, each in base64.
export JARVICE_INIT_DOCKER_USERNAME=''''
export JARVICE_INIT_DOCKER_PASSWORD=''''
export JARVICE_DOCKER_USERNAME=''''
export JARVICE_DOCKER_PASSWORD=''''

# Images, and the command to run in them.
export JARVICE_APP_IMAGE=docker://127.0.0.1:5055/app:latest
export JARVICE_INIT_IMAGE=docker://127.0.0.1:5055/testbed/initv2:latest
export JARVICE_CMD=ZWNobyAiYXBwIHNheXMgaGVsbG8gZnJvbSAkKC4gL2V0Yy9vcy1yZWxlYXNlOyBlY2hvICRJRCki

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
/bin/echo JARVICE_CMD_SUCCESS
END_OF_SCRIPT

if wait "$reader"; then
  echo "JARVICE Job completed OK"
  exit 0
fi
echo "JARVICE Job failed, investigate logs"
exit 1
');
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('jobEvent',38);
