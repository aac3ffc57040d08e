-- made at '2026-11-28 02:46:13.082'
INSERT INTO "grdb_migrations" VALUES('jobs');
INSERT INTO "grdb_migrations" VALUES('retention');
INSERT INTO "grdb_migrations" VALUES('placement');
INSERT INTO "grdb_migrations" VALUES('inputs');
INSERT INTO "grdb_migrations" VALUES('corrections');
INSERT INTO "grdb_migrations" VALUES('limits');
INSERT INTO "job" VALUES('01M8G0QARF3AKDQ0NVWCNJ8PYS','succeeded-read',1,'kirby@example.com','kirby@example.com','dummy','01M8G0QARF5TDRV6E6AAT1TQ6F','8d8543fe67b998dec7f73b8d906811ccbb9ec2ad8fffe2ca0758ed23d77ed9de','dummy_01M8G0QARF5TDRV6E6AAT1TQ6F',NULL,'succeeded','dummy','2026-11-28 02:46:06.795','succeeded','','completed',0,NULL,'["dummy"]',1,'2026-11-28 02:46:05.327','2026-11-28 02:46:05.327','2026-11-28 02:46:06.327',NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[833,15755848487943503872]}}');
INSERT INTO "job" VALUES('01M8G0QC78CA85MHGXRTYZ66Z2','succeeded-unread',1,'kirby@example.com','kirby@example.com','dummy','01M8G0QC78ZWRA89DWP6NFZSRZ','3634708e55406488202989e3e34099a9065300ab5a83646517d070555b8518b3','dummy_01M8G0QC78ZWRA89DWP6NFZSRZ',NULL,'succeeded','dummy','2026-11-28 02:46:08.301','succeeded','','completed',0,NULL,'["dummy"]',1,'2026-11-28 02:46:06.825','2026-11-28 02:46:06.825','2026-11-28 02:46:07.825',NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[833,17253540065943503872]}}');
INSERT INTO "job" VALUES('01M8G0QE15C2RWT3DNK9VHJTR9','failed-read',1,'kirby@example.com','kirby@example.com','dummy','01M8G0QE15E135EG4E793YE64E','5e638171cda4c908e7302fb230cbe4ab36716621f1cad84478d857449f88b0e1','dummy_01M8G0QE15E135EG4E793YE64E',NULL,'failed','dummy','2026-11-28 02:46:10.137','failed','','failed',1,NULL,'["dummy"]',1,'2026-11-28 02:46:08.677','2026-11-28 02:46:08.677','2026-11-28 02:46:09.677',NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[834,659193805233952256]}}');
INSERT INTO "job" VALUES('01M8G0QFJA5M0GPR14TZQTRVAF','failed-unread',1,'kirby@example.com','kirby@example.com','dummy','01M8G0QFJAMXN7B0VXBA9JWP7P','f1ae62c5aced1985e611f8da83623e877cce3bbeeea038460c3364aea07606d0','dummy_01M8G0QFJAMXN7B0VXBA9JWP7P',NULL,'failed','dummy','2026-11-28 02:46:11.668','failed','','failed',1,NULL,'["dummy"]',1,'2026-11-28 02:46:10.251','2026-11-28 02:46:10.251','2026-11-28 02:46:11.251',NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[834,2232879104233952256]}}');
INSERT INTO "job" VALUES('01M8G0QH6D3G07CJXTDY33RJBV','running',1,'kirby@example.com','kirby@example.com','dummy','01M8G0QH6DVNT4N5GA3NY41EGS','540a2eb5076f5ac4ffebec5bc77b8c87652a717e828810b626205aea64e1d04f','dummy_01M8G0QH6DVNT4N5GA3NY41EGS',NULL,'running','dummy','2026-11-28 02:46:12.341','running','',NULL,NULL,NULL,'["dummy"]',0,'2026-11-28 02:46:11.917','2026-11-28 02:46:11.917',NULL,NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[834,3899531411233952256]}}');
INSERT INTO "job" VALUES('01M8G0QHNJEYNR599GQZQDJ9T4','canceled',1,'kirby@example.com','kirby@example.com','dummy','01M8G0QHNJPCMQTPNK4F5AT89X','5c5b1485033a9e91febb2757fd70aa59c7662a295e4d9c8ce878cdc0783c4e0c','dummy_01M8G0QHNJPCMQTPNK4F5AT89X',NULL,'canceled','dummy','2026-11-28 02:46:12.843','canceled','canceled by service','canceled',NULL,NULL,'["dummy"]',0,'2026-11-28 02:46:12.402','2026-11-28 02:46:12.402','2026-11-28 02:46:12.839',NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[834,4384138070233952256]}}');
INSERT INTO "job" VALUES('01M8G0QJ64D4BYNAQ7ZPKXG5EM','held',1,'kirby@example.com','kirby@example.com','dummy','01M8G0QJ645RFRNC27FQ4WM0XE','5f8a5c9e6ac7b30740817abfde1d5eedca6d11bc5653c9823d489ce5a9412de5','dummy_01M8G0QJ645RFRNC27FQ4WM0XE',NULL,'held','weir','2026-11-28 02:46:12.934',NULL,'',NULL,NULL,NULL,'[]',0,'2026-11-28 02:46:12.933',NULL,NULL,NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[834,4914767567233952256]}}');
INSERT INTO "job" VALUES('01KB0000000000000000000000','submitting',1,'kirby@example.com','kirby@example.com','dummy','01KB0000000000000000000000','01KB0000000000000000000000',NULL,NULL,'submitting','weir','2026-11-28 02:46:12.934',NULL,'handed to the backend',NULL,NULL,NULL,'[]',0,'2026-11-28 02:46:12.933',NULL,NULL,NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[834,4914767567233952256]}}');
INSERT INTO "job" VALUES('01KB0000000000000000000001','in-doubt',1,'kirby@example.com','kirby@example.com','dummy','01KB0000000000000000000001','01KB0000000000000000000001',NULL,NULL,'submitting','weir','2026-11-28 02:46:12.934',NULL,'looked for at the backend: the connection broke',NULL,NULL,NULL,'[]',0,'2026-11-28 02:46:12.933',NULL,NULL,'2026-11-28 02:46:12.934',1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[834,4914767567233952256]}}');
INSERT INTO "job" VALUES('01KB0000000000000000000002','queued',1,'kirby@example.com','kirby@example.com','dummy','01KB0000000000000000000002','01KB0000000000000000000002','dummy_01KB0000000000000000000002',NULL,'queued','weir','2026-11-28 02:46:12.934',NULL,'',NULL,NULL,NULL,'[]',0,'2026-11-28 02:46:12.933',NULL,NULL,NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[834,4914767567233952256]}}');
INSERT INTO "job" VALUES('01KB0000000000000000000003','starting',1,'kirby@example.com','kirby@example.com','dummy','01KB0000000000000000000003','01KB0000000000000000000003','dummy_01KB0000000000000000000003',NULL,'starting','weir','2026-11-28 02:46:12.934',NULL,'',NULL,NULL,NULL,'[]',0,'2026-11-28 02:46:12.933',NULL,NULL,NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[834,4914767567233952256]}}');
INSERT INTO "job" VALUES('01KB0000000000000000000004','canceling',1,'kirby@example.com','kirby@example.com','dummy','01KB0000000000000000000004','01KB0000000000000000000004','dummy_01KB0000000000000000000004',NULL,'canceling','weir','2026-11-28 02:46:12.934',NULL,'canceled by service',NULL,NULL,NULL,'[]',0,'2026-11-28 02:46:12.933',NULL,NULL,NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[834,4914767567233952256]}}');
INSERT INTO "job" VALUES('01KB0000000000000000000050','lost',1,'kirby@example.com','kirby@example.com','dummy','01KB0000000000000000000050','01KB0000000000000000000050','dummy_01KB0000000000000000000050',NULL,'lost','weir','2026-11-28 02:46:11.668','failed','the backend no longer shows the job','lost',1,NULL,'["dummy"]',1,'2026-11-28 02:46:10.251','2026-11-28 02:46:10.251','2026-11-28 02:46:11.668',NULL,1,NULL,0,NULL,'[]',NULL,'{"boot":"00000000-0000-4000-8000-000000000000","instant":{"_value":[834,2232879104233952256]}}');
INSERT INTO "jobEvent" VALUES(1,'01M8G0QARF3AKDQ0NVWCNJ8PYS','2026-11-28 02:46:05.327','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(2,'01M8G0QARF3AKDQ0NVWCNJ8PYS','2026-11-28 02:46:05.335','service','submitting','queued','weir','');
INSERT INTO "jobEvent" VALUES(3,'01M8G0QARF3AKDQ0NVWCNJ8PYS','2026-11-28 02:46:05.791','weir','queued','running','dummy','');
INSERT INTO "jobEvent" VALUES(4,'01M8G0QARF3AKDQ0NVWCNJ8PYS','2026-11-28 02:46:06.795','weir','running','succeeded','dummy','');
INSERT INTO "jobEvent" VALUES(5,'01M8G0QC78CA85MHGXRTYZ66Z2','2026-11-28 02:46:06.825','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(6,'01M8G0QC78CA85MHGXRTYZ66Z2','2026-11-28 02:46:06.834','service','submitting','queued','weir','');
INSERT INTO "jobEvent" VALUES(7,'01M8G0QC78CA85MHGXRTYZ66Z2','2026-11-28 02:46:07.298','weir','queued','running','dummy','');
INSERT INTO "jobEvent" VALUES(8,'01M8G0QC78CA85MHGXRTYZ66Z2','2026-11-28 02:46:08.301','weir','running','succeeded','dummy','');
INSERT INTO "jobEvent" VALUES(9,'01M8G0QE15C2RWT3DNK9VHJTR9','2026-11-28 02:46:08.677','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(10,'01M8G0QE15C2RWT3DNK9VHJTR9','2026-11-28 02:46:08.747','service','submitting','queued','weir','');
INSERT INTO "jobEvent" VALUES(11,'01M8G0QE15C2RWT3DNK9VHJTR9','2026-11-28 02:46:09.094','weir','queued','running','dummy','');
INSERT INTO "jobEvent" VALUES(12,'01M8G0QE15C2RWT3DNK9VHJTR9','2026-11-28 02:46:10.137','weir','running','failed','dummy','');
INSERT INTO "jobEvent" VALUES(13,'01M8G0QFJA5M0GPR14TZQTRVAF','2026-11-28 02:46:10.251','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(14,'01M8G0QFJA5M0GPR14TZQTRVAF','2026-11-28 02:46:10.253','service','submitting','queued','weir','');
INSERT INTO "jobEvent" VALUES(15,'01M8G0QFJA5M0GPR14TZQTRVAF','2026-11-28 02:46:10.666','weir','queued','running','dummy','');
INSERT INTO "jobEvent" VALUES(16,'01M8G0QFJA5M0GPR14TZQTRVAF','2026-11-28 02:46:11.668','weir','running','failed','dummy','');
INSERT INTO "jobEvent" VALUES(17,'01M8G0QH6D3G07CJXTDY33RJBV','2026-11-28 02:46:11.917','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(18,'01M8G0QH6D3G07CJXTDY33RJBV','2026-11-28 02:46:11.963','service','submitting','queued','weir','');
INSERT INTO "jobEvent" VALUES(19,'01M8G0QH6D3G07CJXTDY33RJBV','2026-11-28 02:46:12.341','weir','queued','running','dummy','');
INSERT INTO "jobEvent" VALUES(20,'01M8G0QHNJEYNR599GQZQDJ9T4','2026-11-28 02:46:12.402','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(21,'01M8G0QHNJEYNR599GQZQDJ9T4','2026-11-28 02:46:12.406','service','submitting','queued','weir','');
INSERT INTO "jobEvent" VALUES(22,'01M8G0QHNJEYNR599GQZQDJ9T4','2026-11-28 02:46:12.408','service','queued','canceling','weir','canceled by service');
INSERT INTO "jobEvent" VALUES(23,'01M8G0QHNJEYNR599GQZQDJ9T4','2026-11-28 02:46:12.843','weir','canceling','canceled','dummy','canceled by service');
INSERT INTO "jobEvent" VALUES(24,'01M8G0QJ64D4BYNAQ7ZPKXG5EM','2026-11-28 02:46:12.933','service',NULL,'submitting','weir','handed to the backend');
INSERT INTO "jobEvent" VALUES(25,'01M8G0QJ64D4BYNAQ7ZPKXG5EM','2026-11-28 02:46:12.934','service','submitting','held','weir','');
INSERT INTO "jobEvent" VALUES(26,'01KB0000000000000000000000','2026-11-28 02:46:12.933','kirby@example.com',NULL,'submitting','weir','');
INSERT INTO "jobEvent" VALUES(27,'01KB0000000000000000000001','2026-11-28 02:46:12.933','kirby@example.com',NULL,'submitting','weir','');
INSERT INTO "jobEvent" VALUES(28,'01KB0000000000000000000002','2026-11-28 02:46:12.933','kirby@example.com',NULL,'submitting','weir','');
INSERT INTO "jobEvent" VALUES(29,'01KB0000000000000000000003','2026-11-28 02:46:12.933','kirby@example.com',NULL,'submitting','weir','');
INSERT INTO "jobEvent" VALUES(30,'01KB0000000000000000000004','2026-11-28 02:46:12.933','kirby@example.com',NULL,'submitting','weir','');
INSERT INTO "jobEvent" VALUES(31,'01KB0000000000000000000050','2026-11-28 02:46:10.251','kirby@example.com',NULL,'submitting','weir','');
INSERT INTO "jobEvent" VALUES(32,'01KB0000000000000000000002','2026-11-28 02:46:12.934','weir','submitting','queued','weir','');
INSERT INTO "jobEvent" VALUES(33,'01KB0000000000000000000003','2026-11-28 02:46:12.934','weir','submitting','starting','weir','');
INSERT INTO "jobEvent" VALUES(34,'01KB0000000000000000000004','2026-11-28 02:46:12.934','weir','submitting','canceling','weir','canceled by service');
INSERT INTO "jobEvent" VALUES(35,'01KB0000000000000000000050','2026-11-28 02:46:11.668','weir','submitting','lost','weir','the backend no longer shows the job');
INSERT INTO "kept" VALUES('01M8G0QARF3AKDQ0NVWCNJ8PYS','kirby@example.com',0,1344,0,55);
INSERT INTO "kept" VALUES('01M8G0QC78CA85MHGXRTYZ66Z2','kirby@example.com',0,1344,0,0);
INSERT INTO "kept" VALUES('01M8G0QE15C2RWT3DNK9VHJTR9','kirby@example.com',0,1344,0,52);
INSERT INTO "kept" VALUES('01M8G0QFJA5M0GPR14TZQTRVAF','kirby@example.com',0,1344,0,0);
INSERT INTO "kept" VALUES('01M8G0QH6D3G07CJXTDY33RJBV','kirby@example.com',0,1344,0,0);
INSERT INTO "kept" VALUES('01M8G0QHNJEYNR599GQZQDJ9T4','kirby@example.com',0,1344,0,49);
INSERT INTO "kept" VALUES('01M8G0QJ64D4BYNAQ7ZPKXG5EM','kirby@example.com',0,1344,0,0);
INSERT INTO "kept" VALUES('01KB0000000000000000000000','kirby@example.com',0,1344,0,0);
INSERT INTO "kept" VALUES('01KB0000000000000000000001','kirby@example.com',0,1344,0,0);
INSERT INTO "kept" VALUES('01KB0000000000000000000002','kirby@example.com',0,1344,0,0);
INSERT INTO "kept" VALUES('01KB0000000000000000000003','kirby@example.com',0,1344,0,0);
INSERT INTO "kept" VALUES('01KB0000000000000000000004','kirby@example.com',0,1344,0,0);
INSERT INTO "kept" VALUES('01KB0000000000000000000050','kirby@example.com',0,1344,0,0);
INSERT INTO "keptByOwner" VALUES('kirby@example.com',17472,156);
INSERT INTO "retention" VALUES('01M8G0QARF3AKDQ0NVWCNJ8PYS','2026-11-29 02:46:06.511','2026-11-28 02:46:06.804',NULL,0,NULL,NULL);
INSERT INTO "retention" VALUES('01M8G0QC78CA85MHGXRTYZ66Z2','2026-12-06 02:46:08.008',NULL,NULL,0,NULL,NULL);
INSERT INTO "retention" VALUES('01M8G0QE15C2RWT3DNK9VHJTR9','2026-11-29 02:46:09.774','2026-11-28 02:46:10.244',NULL,0,NULL,NULL);
INSERT INTO "retention" VALUES('01M8G0QFJA5M0GPR14TZQTRVAF','2026-12-06 02:46:11.200',NULL,NULL,0,NULL,NULL);
INSERT INTO "retention" VALUES('01M8G0QHNJEYNR599GQZQDJ9T4','2026-11-29 02:46:12.306','2026-11-28 02:46:12.923',NULL,0,NULL,NULL);
INSERT INTO "retention" VALUES('01KB0000000000000000000050','2026-12-06 02:46:11.200',NULL,NULL,0,NULL,NULL);
INSERT INTO "serviceTime" VALUES(0,'2026-11-28 02:46:11.222');
INSERT INTO "shownScript" VALUES('01M8G0QARF3AKDQ0NVWCNJ8PYS','JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=registry.example.com/app:latest
JOBOBJ_DEVICES=[]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=dHJ1ZQ==

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
export JARVICE_APP_IMAGE=docker://registry.example.com/app:latest
export JARVICE_INIT_IMAGE=docker://registry.example.com/base/initv2:latest
export JARVICE_CMD=dHJ1ZQ==

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
');
INSERT INTO "shownScript" VALUES('01M8G0QC78CA85MHGXRTYZ66Z2','JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=registry.example.com/app:latest
JOBOBJ_DEVICES=[]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=dHJ1ZQ==

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
export JARVICE_APP_IMAGE=docker://registry.example.com/app:latest
export JARVICE_INIT_IMAGE=docker://registry.example.com/base/initv2:latest
export JARVICE_CMD=dHJ1ZQ==

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
');
INSERT INTO "shownScript" VALUES('01M8G0QE15C2RWT3DNK9VHJTR9','JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=registry.example.com/app:latest
JOBOBJ_DEVICES=[]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=dHJ1ZQ==

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
export JARVICE_APP_IMAGE=docker://registry.example.com/app:latest
export JARVICE_INIT_IMAGE=docker://registry.example.com/base/initv2:latest
export JARVICE_CMD=dHJ1ZQ==

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
');
INSERT INTO "shownScript" VALUES('01M8G0QFJA5M0GPR14TZQTRVAF','JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=registry.example.com/app:latest
JOBOBJ_DEVICES=[]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=dHJ1ZQ==

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
export JARVICE_APP_IMAGE=docker://registry.example.com/app:latest
export JARVICE_INIT_IMAGE=docker://registry.example.com/base/initv2:latest
export JARVICE_CMD=dHJ1ZQ==

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
');
INSERT INTO "shownScript" VALUES('01M8G0QH6D3G07CJXTDY33RJBV','JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=registry.example.com/app:latest
JOBOBJ_DEVICES=[]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=dHJ1ZQ==

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
export JARVICE_APP_IMAGE=docker://registry.example.com/app:latest
export JARVICE_INIT_IMAGE=docker://registry.example.com/base/initv2:latest
export JARVICE_CMD=dHJ1ZQ==

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
');
INSERT INTO "shownScript" VALUES('01M8G0QHNJEYNR599GQZQDJ9T4','JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=registry.example.com/app:latest
JOBOBJ_DEVICES=[]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=dHJ1ZQ==

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
export JARVICE_APP_IMAGE=docker://registry.example.com/app:latest
export JARVICE_INIT_IMAGE=docker://registry.example.com/base/initv2:latest
export JARVICE_CMD=dHJ1ZQ==

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
');
INSERT INTO "shownScript" VALUES('01M8G0QJ64D4BYNAQ7ZPKXG5EM','JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=registry.example.com/app:latest
JOBOBJ_DEVICES=[]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=dHJ1ZQ==

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
export JARVICE_APP_IMAGE=docker://registry.example.com/app:latest
export JARVICE_INIT_IMAGE=docker://registry.example.com/base/initv2:latest
export JARVICE_CMD=dHJ1ZQ==

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
');
INSERT INTO "shownScript" VALUES('01KB0000000000000000000000','JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=registry.example.com/app:latest
JOBOBJ_DEVICES=[]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=dHJ1ZQ==

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
export JARVICE_APP_IMAGE=docker://registry.example.com/app:latest
export JARVICE_INIT_IMAGE=docker://registry.example.com/base/initv2:latest
export JARVICE_CMD=dHJ1ZQ==

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
');
INSERT INTO "shownScript" VALUES('01KB0000000000000000000001','JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=registry.example.com/app:latest
JOBOBJ_DEVICES=[]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=dHJ1ZQ==

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
export JARVICE_APP_IMAGE=docker://registry.example.com/app:latest
export JARVICE_INIT_IMAGE=docker://registry.example.com/base/initv2:latest
export JARVICE_CMD=dHJ1ZQ==

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
');
INSERT INTO "shownScript" VALUES('01KB0000000000000000000002','JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=registry.example.com/app:latest
JOBOBJ_DEVICES=[]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=dHJ1ZQ==

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
export JARVICE_APP_IMAGE=docker://registry.example.com/app:latest
export JARVICE_INIT_IMAGE=docker://registry.example.com/base/initv2:latest
export JARVICE_CMD=dHJ1ZQ==

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
');
INSERT INTO "shownScript" VALUES('01KB0000000000000000000003','JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=registry.example.com/app:latest
JOBOBJ_DEVICES=[]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=dHJ1ZQ==

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
export JARVICE_APP_IMAGE=docker://registry.example.com/app:latest
export JARVICE_INIT_IMAGE=docker://registry.example.com/base/initv2:latest
export JARVICE_CMD=dHJ1ZQ==

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
');
INSERT INTO "shownScript" VALUES('01KB0000000000000000000004','JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=registry.example.com/app:latest
JOBOBJ_DEVICES=[]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=dHJ1ZQ==

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
export JARVICE_APP_IMAGE=docker://registry.example.com/app:latest
export JARVICE_INIT_IMAGE=docker://registry.example.com/base/initv2:latest
export JARVICE_CMD=dHJ1ZQ==

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
');
INSERT INTO "shownScript" VALUES('01KB0000000000000000000050','JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=registry.example.com/app:latest
JOBOBJ_DEVICES=[]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=dHJ1ZQ==

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
export JARVICE_APP_IMAGE=docker://registry.example.com/app:latest
export JARVICE_INIT_IMAGE=docker://registry.example.com/base/initv2:latest
export JARVICE_CMD=dHJ1ZQ==

export SV=false
export SV_FLAG=-s
export SCHTTP_PROXY=''''
export SCHTTPS_PROXY=''''
export SCNO_PROXY=''''
# --------------------------------------------------------------------------

echo output
/bin/echo JARVICE_CMD_SUCCESS
');
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('jobEvent',35);
