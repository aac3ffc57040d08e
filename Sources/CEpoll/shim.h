// Glibc's own Swift module exports neither epoll, timerfd nor accept4.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

/* Declared by <sys/socket.h> only with _GNU_SOURCE, which a module cannot set for itself. */
int accept4(int, struct sockaddr *, socklen_t *, int);
