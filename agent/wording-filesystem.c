/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/base/time-util.h"
#include "agent/wording.h"

#define SPAN(t) format_usec((char[FORMAT_USEC_MAX]) {}, FORMAT_USEC_MAX, t)

const char *wording_mount_error(int error) {
        switch (error) {
        case -ENOTRECOVERABLE:
                return "only fsck makes it whole, and that was not done or has failed; check it, "
                       "then mount it";
        case -EALREADY:
                return "it is being checked with fsck";
        case -EAGAIN:
                return "a volume that it stands on is being activated";
        case -ENODEV:
                return "a volume that it stands on is not there, and systemd could not bring it "
                       "back: see its journal";
        case -EINPROGRESS:
                return "services that need it are being stopped";
        default:
                return strerror(-error);
        }
}

const char *wording_survivors(const struct disk *disk, enum incident_state before, char *buf,
                              size_t size) {
        assert(disk && buf);

        buf[0] = '\0';
        if (before != INCIDENT_CHECKING)
                return buf;
        if (disk->executor.step == STEP_FS_CHECK)
                return "; whether its filesystems are alive is not known, for a write to them has "
                       "not come back";
        if (disk->mount_error < 0)
                (void) snprintf(buf, size, "; but not all its filesystems have survived (%s), and "
                                           "only to unmount and mount those brings them back",
                                wording_mount_error(disk->mount_error));
        return buf;
}

const char *wording_ended(const struct disk *disk) {
        assert(disk);

        if (disk->mounts.n == 0 || disk->watch.plan.on_failed == ON_FAILED_NOTHING)
                return "";
        switch (disk->watch.plan.on_failed) {
        case ON_FAILED_SHUTDOWN:
                return ", its filesystems are shut down";
        case ON_FAILED_LAZY_UNMOUNT:
                return ", its filesystems are unmounted, those in use lazily";
        default:
                return ", its filesystems are unmounted";
        }
}

void wording_revival(struct disk *disk, enum incident_state before, usec_t now) {
        assert(disk);

        switch (disk->watch.ladder.past.state) {
        case INCIDENT_CHECKING:
                wording_set(disk, "the disk answers; writing to its filesystems to see whether "
                                  "they are alive");
                break;
        case INCIDENT_CLEARING:
                if (before == INCIDENT_CHECKING && disk->mount_error < 0)
                        wording_set(disk, "I/O completes again, but not all its filesystems have "
                                          "survived (%s); unmounting those, to mount them again",
                                    wording_mount_error(disk->mount_error));
                else
                        wording_set(disk, "unmounting what has not survived");
                break;
        case INCIDENT_HELD:
                if (before != INCIDENT_CLEARING && before != INCIDENT_REVIVING) {
                        wording_set(disk, "what has not survived is still to be mounted again; "
                                          "tried in %s",
                                    SPAN(disk->watch.ladder.deadline - now));
                        break;
                }
                wording_set(disk, "the disk is well, but a filesystem that has not survived "
                                  "cannot be %s: %s; tried again in %s",
                            before == INCIDENT_REVIVING ? "mounted again" : "unmounted",
                            wording_mount_error(disk->mount_error),
                            SPAN(disk->watch.ladder.deadline - now));
                break;
        default:
                wording_set(disk, "mounting what has not survived");
        }
}
