// prctl(2) is variadic, which Swift cannot call.
#pragma once
#include <sys/prctl.h>

static inline int set_dumpable(int dumpable) { return prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0); }
