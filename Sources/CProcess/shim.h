// What Glibc's own Swift module does not export of processes, and of the memory of this one.
#pragma once
#include <malloc.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A descriptor that becomes readable when the process ends, closed on exec; syscall(2) is variadic. */
static inline int open_process(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

/* Declared by their headers only with _GNU_SOURCE, which a module cannot set for itself. */
int pipe2(int[2], int);
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *, const char *);
const char *sigabbrev_np(int); /* KILL, TERM, ... */
static const int spawn_in_new_session = 0x80; /* POSIX_SPAWN_SETSID */
