/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdarg.h>

#include "agent/base/macro.h"
#include "agent/base/time-util.h"
#include "agent/conf/check.h"

#define SPAN(t) format_usec((char[FORMAT_USEC_MAX]) {}, FORMAT_USEC_MAX, t)

/* drivers/scsi/sd.h: SD_WRITE_SAME_TIMEOUT. */
#define WRITE_SAME (120 * USEC_PER_SEC)

/* A request is sent so often, by default (drivers/scsi/sd.h: SD_MAX_RETRIES), and fails once it is
 * older than all these timeouts (drivers/scsi/scsi_lib.c: scsi_cmd_runtime_exceeced). */
#define SENT 6

static _printf_(2, 3) void note(struct conf_notes *notes, const char *format, ...) {
        va_list ap;

        assert(notes->n < CONF_NOTES_MAX);
        va_start(ap, format);
        (void) vsnprintf(notes->texts[notes->n++], CONF_NOTE_MAX, format, ap);
        va_end(ap);
}

static void check_timeout(const struct policy *policy, const struct disk_id *id, usec_t timeout,
                          bool rearms, struct conf_notes *notes) {
        if (!rearms && policy->stall <= timeout)
                note(notes,
                     "StallSec=%s is not above the timeout of %s after which the kernel itself "
                     "begins to recover a disk of %s: an act so early is in its way",
                     SPAN(policy->stall), SPAN(timeout), id->driver);
        if (rearms && policy->stall >= SENT * timeout)
                note(notes,
                     "StallSec=%s: a request that has been out for %s, %u times the timeout in "
                     "device/timeout, is not sent again after a reset but ends with EIO",
                     SPAN(policy->stall), SPAN(SENT * timeout), SENT);
}

void conf_check_disk(const struct policy *policy, const struct disk_id *id, usec_t timeout,
                     bool rearms, struct conf_notes *ret) {
        assert(policy && id && ret);

        *ret = (struct conf_notes) {};
        if (policy->act == 0)
                return;
        if (timeout > 0)
                check_timeout(policy, id, timeout, rearms, ret);
        if (id->kind == DISK_SCSI && policy->stall < WRITE_SAME)
                note(ret,
                     "StallSec=%s is below the 2min that the kernel gives a WRITE SAME, as it is "
                     "used to write zeroes or discard: a disk that is busy with one alone looks "
                     "stalled meanwhile",
                     SPAN(policy->stall));
}
