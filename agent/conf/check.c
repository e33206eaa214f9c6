/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdarg.h>

#include "agent/base/macro.h"
#include "agent/base/time-util.h"
#include "agent/conf/check.h"
#include "agent/conf/key.h"

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

static bool is_for(int rung, enum disk_kind kind) {
        return (rung == RUNG_CONTROLLER_RESET || rung == RUNG_CONTROLLER_FAIL) ==
               (kind == DISK_NVME);
}

/* Of the rungs of LIST that are for disks of this kind, those that are in SET, as a list. */
static uint64_t rungs_in(uint64_t list, enum disk_kind kind, uint32_t set) {
        uint64_t found = 0;
        unsigned n = 0;
        int rung;

        for (unsigned i = 0; (rung = policy_list_at(list, i)) >= 0; i++)
                if (is_for(rung, kind) && (set & BIT(rung)))
                        found |= (uint64_t) (rung + 1) << POLICY_LIST_BITS * n++;
        return found;
}

/* A list that nobody has narrowed names what not every driver knows. */
static void check_rungs(const struct policy *policy, const struct disk_id *id, uint32_t can,
                        struct conf_notes *notes) {
        const struct conf_key *key = conf_find_key("Recover", "Rungs");
        uint64_t lacking = rungs_in(policy->rungs, id->kind, ~can);
        char text[CONF_TEXT_MAX];

        if (can == 0 || policy->rungs == key->preset || policy->rungs == 0)
                return;
        if (rungs_in(policy->rungs, id->kind, can) == 0)
                note(notes,
                     "Rungs= has none that can be taken on a disk of %s: when it hangs, nothing is "
                     "done",
                     id->driver);
        else if (lacking != 0)
                note(notes, "Rungs=: %s knows no %s; left out", id->driver,
                     conf_format(text, sizeof(text), key, lacking));
}

void conf_check_disk(const struct policy *policy, const struct disk_id *id,
                     const struct conf_circumstances *here, struct conf_notes *ret) {
        assert(policy && id && here && ret);

        *ret = (struct conf_notes) {};
        if (policy->act == 0)
                return;
        if (here->timeout > 0)
                check_timeout(policy, id, here->timeout, here->rearms, ret);
        check_rungs(policy, id, here->rungs, ret);
        if (policy->fence == FENCE_PANIC && !here->panic_ends)
                note(ret,
                     "Fence=panic: no crash kernel is loaded (kdump), and kernel.panic is 0: after "
                     "the panic the machine stands still until somebody resets it");
        if (id->kind == DISK_SCSI && policy->stall < WRITE_SAME)
                note(ret,
                     "StallSec=%s is below the 2min that the kernel gives a WRITE SAME, as it is "
                     "used to write zeroes or discard: a disk that is busy with one alone looks "
                     "stalled meanwhile",
                     SPAN(policy->stall));
}
