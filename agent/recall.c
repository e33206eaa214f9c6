/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <glob.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/base/log.h"
#include "agent/base/time-util.h"
#include "agent/decide/drivers.h"
#include "agent/observe/device.h"
#include "agent/recall.h"

#define SYSFS "/sys"

/* Whether something was left to be done when it was failed. */
static bool is_pending(const struct ladder_past *past) {
        if (past->unmounted)
                return true;
        if (past->state == INCIDENT_HEALTHY || past->state == INCIDENT_RECOVERED)
                return false;
        return step_is_fail(past->act) || past->act == STEP_CONTROLLER_END;
}

/* Whether the kernel may have given its controller up for an act whose end was not noted. */
static bool is_unfinished(const struct ladder_past *past) {
        switch (past->state) {
        case INCIDENT_ACTING:
                return past->act == STEP_CONTROLLER_RESET;
        case INCIDENT_FAILING:
        case INCIDENT_ENDING:
        case INCIDENT_RESTORING:
        case INCIDENT_FINISHING:
        case INCIDENT_DRAINING:
                return true;
        default:
                return false;
        }
}

/* One that is told of in a state file, and has left the bus. */
struct lost {
        struct state_file file;
        struct disk_found disk;
        struct memory memory;
        struct mounts mounts;
};

static void lost_clear(struct lost *lost) {
        mounts_clear(&lost->mounts);
        state_file_close(&lost->file);
}

/* What makes no sense is told of when its disk is there. */
static bool lost_read(const char *path, struct lost *ret) {
        int r;

        *ret = (struct lost) { .file.fd = -EBADF };
        r = state_file_open_at(path, &ret->file);
        if (r < 0) {
                log_warning("%s: cannot be opened: %s", path, strerror(-r));
                return false;
        }
        r = state_file_read(&ret->file, &ret->memory, &ret->disk, &ret->mounts);
        /* With its file, a disk that is there would lose who has suppressed it. */
        if (r >= 0 && ret->disk.id.name[0] && !device_is_there(SYSFS, &ret->disk.id))
                return true;
        if (r >= 0)
                mounts_clear(&ret->mounts);
        state_file_close(&ret->file);
        return false;
}

/* With a controller all its disks go, also those that an unhangd was killed before it told them.
 * One of them that was taken up already is told of in its file as draining. */
static bool was_ended(const glob_t *files, const struct disk_id *id) {
        bool found = false;
        struct lost other;

        for (size_t i = 0; id->kind == DISK_NVME && !found && i < files->gl_pathc; i++)
                if (lost_read(files->gl_pathv[i], &other)) {
                        found = strcmp(other.disk.id.domain, id->domain) == 0 &&
                                is_unfinished(&other.memory.past);
                        lost_clear(&other);
                }
        return found;
}

static void recall(struct agent *agent, struct lost *lost, const glob_t *files) {
        struct ladder_past *past = &lost->memory.past;

        if (!is_pending(past) && was_ended(files, &lost->disk.id)) {
                past->state = INCIDENT_DRAINING;
                past->act = STEP_CONTROLLER_REMOVE;
                past->acted_at = now_monotonic();
        }
        if (is_pending(past))
                disk_recall(agent, &lost->disk, &lost->memory, &lost->mounts, &lost->file);
        else {
                mounts_clear(&lost->mounts);
                state_file_remove(&lost->file);
        }
}

void recall_disks(struct agent *agent) {
        glob_t found = {};
        struct lost lost;

        assert(agent);

        if (agent->dry_run)
                return;
        if (glob(UNHANG_RUNTIME_DIR "/disk-*", 0, NULL, &found) == 0)
                for (size_t i = 0; i < found.gl_pathc; i++)
                        if (lost_read(found.gl_pathv[i], &lost))
                                recall(agent, &lost, &found);
        globfree(&found);
}
