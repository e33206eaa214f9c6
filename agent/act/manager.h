/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* systemd, over the socket that serves its own tools (systemctl(1)), and so without dbus-daemon,
 * which may hang with a disk. For executors only: each question waits for up to MANAGER_TIMEOUT,
 * the first for as long as sd-bus takes to connect. Names of properties and methods:
 * org.freedesktop.systemd1(5). */

#include <stddef.h>

#include "agent/base/macro.h"
#include "include/usec.h"

#define MANAGER_SOCKET "unix:path=/run/systemd/private"
#define MANAGER_TIMEOUT (5 * USEC_PER_SEC)

#define UNIT_NAME_MAX 256 /* with its NUL (systemd.unit(5)) */

struct manager;

/* Connects to ADDRESS. 0, or a negative errno: -ENOENT or -ECONNREFUSED where no systemd runs. The
 * caller ends it with manager_close(), which takes NULL and returns it. */
int manager_open(const char *address, struct manager **ret) _must_check_;
struct manager *manager_close(struct manager *manager);

static inline void manager_closep(struct manager **manager) {
        *manager = manager_close(*manager);
}

/* Writes the name of the unit of PATH, with SUFFIX ("mount" or "device"), into NAME, as
 * systemd-escape(1) --path does; of the instance "PREFIX@PATH.SUFFIX" with a PREFIX that is not
 * NULL. 0, or -ENAMETOOLONG. */
int unit_name_of_path(const char *prefix, const char *path, const char *suffix,
                      char name[static UNIT_NAME_MAX]) _must_check_;

/* Reads ActiveState into STATE, or "queued" when a job of the unit is not done; "inactive" also for
 * a unit that does not exist. 0, or a negative errno: -ETIMEDOUT. */
int manager_state(struct manager *manager, const char *unit, char *state, size_t size)
        _must_check_;

/* How often, and after which pause, systemd is asked what has come of a job: 5 s in all. */
#define MANAGER_ROUNDS 50
void manager_pause(void);

/* Waits until UNIT has no job and is on no way to another state, and reads its state, as
 * manager_state() does. 0; -EAGAIN when it still is after these rounds; or a negative errno. */
int manager_wait(struct manager *manager, const char *unit, char *state, size_t size)
        _must_check_;

/* Whether a unit that is stopped can be started again as it was: not those that end with what began
 * them, which scopes and transient services are. 1, 0, or a negative errno. */
int manager_can_restart(struct manager *manager, const char *unit) _must_check_;

/* Calls FN for each unit that systemd stops when UNIT is stopped (RequiredBy=, RequisiteOf=,
 * BoundBy=, ConsistsOf=), until it returns a negative errno, which is returned; else 0, or that of
 * the connection. */
int manager_each_follower(struct manager *manager, const char *unit,
                          int (*fn)(const char *follower, void *userdata), void *userdata)
        _must_check_;

/* Queues a job, METHOD being StartUnit, StopUnit or RestartUnit, and does not wait for its end. 0;
 * -EBADRQC when systemd refuses it, which has then been logged with its reason; or the negative
 * errno of the connection. */
int manager_queue(struct manager *manager, const char *method, const char *unit) _must_check_;
