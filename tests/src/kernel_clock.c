// What the kernel says of the clock, for one process: it is kept in step while the file KERNEL_CLOCK_KEPT is there.

#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

int adjtimex(struct timex *told) {
    const char *kept = getenv("KERNEL_CLOCK_KEPT");
    memset(told, 0, sizeof *told);
    if (kept != NULL && access(kept, F_OK) == 0)
        return TIME_OK;
    told->maxerror = 16000000;
    told->status = STA_UNSYNC;
    return TIME_ERROR;
}
