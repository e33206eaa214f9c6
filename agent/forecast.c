/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "agent/acts.h"
#include "agent/base/time-util.h"
#include "agent/decide/deadlines.h"
#include "agent/decide/drivers.h"
#include "agent/decide/names.h"
#include "agent/decide/plan.h"
#include "agent/forecast.h"

#define SPAN(t) format_usec((char[FORMAT_USEC_MAX]) {}, FORMAT_USEC_MAX, t)

static void say(struct bus_status *status, const char *format, ...) _printf_(2, 3);
static void say(struct bus_status *status, const char *format, ...) {
        char text[BUS_REASON_MAX];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        bus_step_add(status, text);
}

/* ---- the act itself ---- */

static void say_act(const struct disk *disk, enum step step, usec_t deadline,
                    struct bus_status *status) {
        const struct disk_nodes *nodes = &disk->nodes;
        const char *name = step_to_string(step), *span = SPAN(deadline);

        switch (step) {
        case STEP_OFFLINE:
                say(status, "%s: \"offline\" is written to %s/state, then a LUN reset goes through "
                            "%s, and all I/O ends with EIO; it may take %s",
                    name, nodes->device_dir, nodes->reset_node, span);
                break;
        case STEP_CONTROLLER_RESET:
                say(status, "%s: \"1\" is written to %s/reset_controller; it may take %s", name,
                    nodes->device_dir, span);
                break;
        case STEP_CONTROLLER_FAIL:
                say(status, "%s: max_retries of nvme_core is set to 0, BAR 0 of %s is moved away, "
                            "and \"1\" is written to %s/reset_controller: the driver gives the "
                            "controller up, and all I/O ends with EIO; it may take %s",
                    name, disk->id.domain, nodes->device_dir, span);
                say(status, "max_retries and BAR 0 are put back, whatever came of it");
                break;
        case STEP_CONTROLLER_REMOVE:
                say(status, "%s: \"1\" is written to %s/device/remove, and all I/O ends with EIO "
                            "when its time is over; it may take %s",
                    name, nodes->device_dir, span);
                break;
        case STEP_RUNNING:
                say(status, "%s: \"running\" is written to %s/state, and one block is read; it may "
                            "take %s",
                    name, nodes->device_dir, SPAN(PROBE_DEADLINE));
                break;
        case STEP_CONTROLLER_RESCAN:
                say(status, "%s: \"1\" is written to /sys/bus/pci/rescan; the disk has %s to "
                            "appear, and one block is read",
                    name, SPAN(APPEAR_DEADLINE));
                break;
        default:
                if (step == STEP_HOST_RESET && nodes->host_scan[0])
                        say(status, "%s: \"- - -\" is written to %s, which has the kernel reset "
                                    "the links; it may take %s",
                            name, nodes->host_scan, span);
                else
                        say(status, "%s: SG_SCSI_RESET through %s, without escalation; it may "
                                    "take %s",
                            name, nodes->reset_node, span);
        }
}

static void say_freezes(const struct disk *disk, struct bus_status *status) {
        if (disk->id.domain[0])
                say(status, "until it returns, all disks of %s may stand still", disk->id.domain);
}

static void say_overdue(const struct disk *disk, enum step step, struct bus_status *status) {
        const struct plan *plan = &disk->watch.plan;

        if (step == plan->fail && plan->undo != STEP_NONE)
                say(status, "if it does not return by then: what it has changed is put back%s",
                    plan->end == STEP_NONE ? "" : ", then controller-end");
        else if (plan->end != STEP_NONE && disk_footing(disk) != FOOTING_SYSTEM)
                say(status, "if it does not return by then: %s, and all I/O ends with EIO",
                    step_to_string(plan->end));
        else
                say(status, "if it does not return by then: nothing can follow until it does");
}

/* ---- what comes after it ---- */

static void say_fence(const struct disk *disk, struct bus_status *status) {
        if (disk->watch.plan.fence_wait != USEC_INFINITY)
                say(status, "if it is stuck for %s all the same: the machine is given up (Fence=)",
                    SPAN(disk->watch.plan.fence_wait));
}

/* "target-reset, then host-reset, then offline" */
static void say_next(const struct disk *disk, enum step step, struct bus_status *status) {
        const struct plan *plan = &disk->watch.plan;
        bool fails = plan->fail != STEP_NONE && disk_footing(disk) != FOOTING_SYSTEM;
        unsigned from = plan_index(plan, step) + 1;
        char text[160] = "";
        size_t n = 0;

        for (unsigned i = from; i < plan->n_cures; i++)
                n += (size_t) snprintf(text + n, sizeof(text) - n, "%s%s", n ? ", then " : "",
                                       step_to_string(plan->cures[i]));
        if (fails)
                (void) snprintf(text + n, sizeof(text) - n, "%s%s", n ? ", then " : "",
                                step_to_string(plan->fail));
        if (text[0])
                say(status, "if none does: %s, if nothing stands in the way then", text);
        else
                say(status, "if none does: it is reported, and tried again later");
        if (plan->fail != STEP_NONE && !fails)
                say(status, "the disk is never failed: the system runs from it, or from one that "
                            "would go with it, or something stands there that would not be "
                            "brought back");
}

static void say_check(const struct disk *disk, struct bus_status *status) {
        enum policy_on_recovered then = disk->watch.plan.on_recovered;
        bool remount = then == ON_RECOVERED_REMOUNT && disk_footing(disk) == FOOTING_DATA;

        if (disk->mounts.n == 0 || then == ON_RECOVERED_NOTHING)
                return;
        say(status, "if it does: 4 KiB are written to a file without a name in each filesystem, "
                    "within %s, to see whether it is alive%s",
            SPAN(CHECK_DEADLINE),
            remount ? "; one that is not is unmounted and mounted again" : "");
}

static void say_cured(const struct disk *disk, enum step step, struct bus_status *status) {
        say(status, "then I/O has %s to complete (SettleSec=), and one block is read to be sure",
            SPAN(disk->policy.settle));
        say_next(disk, step, status);
        say_check(disk, status);
}

static void say_mounts(const struct disk *disk, struct bus_status *status) {
        const struct plan *plan = &disk->watch.plan;
        const struct mounts *mounts = &disk->mounts;
        char text[BUS_REASON_MAX / 2] = "";
        size_t n = 0, i;

        for (i = 0; i < mounts->n && n < sizeof(text); i++)
                n += (size_t) snprintf(text + n, sizeof(text) - n, "%s%s", i ? ", " : "",
                                       mounts->entries[i].target);
        if (mounts->n == 0 || plan->on_failed == ON_FAILED_NOTHING)
                return;
        say(status, "filesystems are shut down, within %s%s%s: %s%s", SPAN(SHUTDOWN_DEADLINE),
            plan->on_failed >= ON_FAILED_UNMOUNT ? ", and unmounted, within " : "",
            plan->on_failed >= ON_FAILED_UNMOUNT ? SPAN(plan->umount_time) : "", text,
            n >= sizeof(text) ? " ..." : "");
}

static const char *and_mounted(const struct disk *disk) {
        return disk->mounts.n > 0 && disk->watch.plan.on_failed == ON_FAILED_REMOUNT
                       ? ", and what was mounted is mounted again"
                       : "";
}

static void say_back(const struct disk *disk, struct bus_status *status) {
        if (disk->watch.plan.back == STEP_RUNNING)
                say(status, "from %s on, up to every %s, the disk is set running and read, until "
                            "it answers%s",
                    SPAN(BACKOFF_FIRST), SPAN(BACKOFF_LAST), and_mounted(disk));
        else
                say(status, "when the disk appears again, after a rescan by hand, it is read%s",
                    and_mounted(disk));
}

static void say_failed(const struct disk *disk, struct bus_status *status) {
        const struct plan *plan = &disk->watch.plan;

        if (plan->finish != STEP_NONE)
                say(status, "then %s: \"1\" is written to %s/device/remove; it may take %s",
                    step_to_string(plan->finish), disk->nodes.device_dir, SPAN(FINISH_DEADLINE));
        say(status, "then what is in flight has %s to end; if it does not, the disk is stuck, and "
                    "this is done again later",
            SPAN(DRAIN_DEADLINE));
        say_mounts(disk, status);
        say_back(disk, status);
}

static void say_returned(const struct disk *disk, struct bus_status *status) {
        if (*and_mounted(disk))
                say(status, "when it answers, what was mounted is mounted again, within %s",
                    SPAN(disk->watch.plan.mount_time));
        say(status, "if it does not, the disk stays failed");
}

void forecast(const struct disk *disk, enum step step, struct bus_status *status) {
        const struct plan *plan = &disk->watch.plan;

        assert(disk && step != STEP_NONE && status);

        say_act(disk, step, plan_deadline(plan, step), status);
        if (step == plan->back) {
                say_returned(disk, status);
                return;
        }
        say_freezes(disk, status);
        say_overdue(disk, step, status);
        if (step == plan->fail)
                say_failed(disk, status);
        else
                say_cured(disk, step, status);
        say_fence(disk, status);
}
