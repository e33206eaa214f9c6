/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

#include "agent/base/macro.h"
#include "agent/holding.h"
#include "agent/observe/holders.h"
#include "agent/observe/namespaces.h"

#define PROCFS "/proc"

struct listener {
        void (*found)(pid_t pid, const char *unit, void *userdata);
        void *userdata;
};

static void on_holder(const struct holder *holder, void *userdata) {
        const struct listener *listener = userdata;
        char unit[128];

        if (holder->pid == 1 || holder->pid == getpid())
                return;
        if (holder_unit(PROCFS, holder->pid, unit, sizeof(unit)) < 0)
                unit[0] = '\0';
        listener->found(holder->pid, unit, listener->userdata);
}

int holding_find(dev_t super, void (*found)(pid_t pid, const char *unit, void *userdata),
                 void *userdata) {
        struct listener listener = { .found = found, .userdata = userdata };
        struct mount_views views = {};
        const struct holders_world world = {
                .procfs = PROCFS,
                .supers = &super,
                .n_supers = 1,
                .views = &views,
        };
        int r;

        assert(found);

        r = mount_views_read(PROCFS, &views);
        if (r < 0)
                return r;
        r = holders_read(&world, on_holder, &listener);
        mount_views_clear(&views);
        return MIN(r, 0);
}
