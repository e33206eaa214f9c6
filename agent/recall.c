/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/base/log.h"
#include "agent/decide/drivers.h"
#include "agent/observe/device.h"
#include "agent/recall.h"

#define SYSFS "/sys"

/* What cannot be told is not taken for gone: with its file, a disk loses who has suppressed it. */
static bool is_there(const struct disk_id *id) {
        char dir[DISK_PATH_MAX];
        struct disk_nodes nodes;
        struct disk_id now;
        int r;

        (void) snprintf(dir, sizeof(dir), SYSFS "/class/block/%s", id->name);
        r = device_read(SYSFS, dir, &now, &nodes);
        if (r == -ENOENT || r == -ENODEV)
                return false;
        return r < 0 || device_is_same(&now, id);
}

/* Whether something was left to be done when it was failed. */
static bool is_pending(const struct ladder_past *past) {
        if (past->unmounted)
                return true;
        if (past->state == INCIDENT_HEALTHY || past->state == INCIDENT_RECOVERED)
                return false;
        return step_is_fail(past->act) || past->act == STEP_CONTROLLER_END ||
               past->act == STEP_CONTROLLER_REMOVE;
}

static void recall(struct agent *agent, const char *path) {
        struct state_file file;
        struct disk_found disk;
        struct memory memory;
        struct mounts mounts;
        int r;

        r = state_file_open_at(path, &file);
        if (r < 0) {
                log_warning("%s: cannot be opened: %s", path, strerror(-r));
                return;
        }
        /* What makes no sense is told of when its disk is there. */
        if (state_file_read(&file, &memory, &disk, &mounts) < 0) {
                state_file_close(&file);
                return;
        }
        if (!disk.id.name[0] || is_there(&disk.id)) {
                mounts_clear(&mounts);
                state_file_close(&file);
        } else if (is_pending(&memory.past))
                disk_recall(agent, &disk, &memory, &mounts, &file);
        else {
                mounts_clear(&mounts);
                state_file_remove(&file);
        }
}

void recall_disks(struct agent *agent) {
        glob_t found = {};

        assert(agent);

        if (agent->dry_run)
                return;
        if (glob(UNHANG_RUNTIME_DIR "/disk-*", 0, NULL, &found) == 0)
                for (size_t i = 0; i < found.gl_pathc; i++)
                        recall(agent, found.gl_pathv[i]);
        globfree(&found);
}
