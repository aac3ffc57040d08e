// Glibc's own Swift module exports neither epoll nor accept4.
#include <sys/epoll.h>
#include <sys/socket.h>
