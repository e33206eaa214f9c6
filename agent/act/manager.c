/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "agent/act/manager.h"
#include "agent/base/log.h"
#include "agent/base/macro.h"

#define SERVICE "org.freedesktop.systemd1"
#define OBJECT "/org/freedesktop/systemd1"
#define UNIT_INTERFACE SERVICE ".Unit"

#define PAUSE_NSEC (100L * 1000 * 1000)

struct manager {
        sd_bus *bus;
};

static int connect_to(const char *address, sd_bus *bus) {
        int r = sd_bus_set_address(bus, address);

        if (r >= 0)
                r = sd_bus_set_method_call_timeout(bus, MANAGER_TIMEOUT);
        return r < 0 ? r : sd_bus_start(bus);
}

int manager_open(const char *address, struct manager **ret) {
        struct manager *manager;
        int r;

        assert(address && ret);

        manager = calloc(1, sizeof(*manager));
        if (!manager)
                return -ENOMEM;
        r = sd_bus_new(&manager->bus);
        if (r >= 0)
                r = connect_to(address, manager->bus);
        if (r < 0) {
                manager_close(manager);
                return r;
        }
        *ret = manager;
        return 0;
}

struct manager *manager_close(struct manager *manager) {
        if (manager)
                sd_bus_close_unref(manager->bus);
        free(manager);
        return NULL;
}

/* ---- names ---- */

static bool is_plain(const char *p, bool first) {
        return (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
               *p == ':' || *p == '_' || (*p == '.' && !first);
}

/* The path without its outer slashes; the root is "-". */
static void escape_path(FILE *f, const char *path) {
        const char *begin = path + strspn(path, "/"), *end = begin + strlen(begin);

        while (end > begin && end[-1] == '/')
                end--;
        if (begin == end)
                (void) fputc('-', f);
        for (const char *p = begin; p < end; p++)
                if (*p == '/') {
                        if (p[1] != '/')
                                (void) fputc('-', f);
                } else if (is_plain(p, p == begin))
                        (void) fputc(*p, f);
                else
                        (void) fprintf(f, "\\x%02x", (unsigned char) *p);
}

int unit_name_of_path(const char *prefix, const char *path, const char *suffix,
                      char name[static UNIT_NAME_MAX]) {
        FILE *f;
        bool fits;

        assert(path && suffix);

        f = fmemopen(name, UNIT_NAME_MAX, "w");
        if (!f)
                return -errno;
        /* What does not fit is told by the flush, not before. */
        (void) setvbuf(f, NULL, _IONBF, 0);
        if (prefix)
                (void) fprintf(f, "%s@", prefix);
        escape_path(f, path);
        (void) fprintf(f, ".%s", suffix);
        fits = !ferror(f) && ftell(f) < UNIT_NAME_MAX;
        (void) fclose(f);
        return fits ? 0 : -ENAMETOOLONG;
}

/* ---- what is told ---- */

/* The bus path of a unit, to be freed; NULL without memory. */
static char *path_of(const char *unit) {
        char *path = NULL;

        return sd_bus_path_encode(OBJECT "/unit", unit, &path) < 0 ? NULL : path;
}

static int get_text(struct manager *manager, const char *unit, const char *property, char *text,
                    size_t size) {
        _cleanup_free_ char *path = path_of(unit), *value = NULL;
        int r;

        if (!path)
                return -ENOMEM;
        r = sd_bus_get_property_string(manager->bus, SERVICE, path, UNIT_INTERFACE, property, NULL,
                                       &value);
        if (r < 0)
                return r;
        (void) snprintf(text, size, "%s", value);
        return 0;
}

static int get_flag(struct manager *manager, const char *unit, const char *property) {
        _cleanup_free_ char *path = path_of(unit);
        int value = 0, r;

        if (!path)
                return -ENOMEM;
        r = sd_bus_get_property_trivial(manager->bus, SERVICE, path, UNIT_INTERFACE, property, NULL,
                                        'b', &value);
        return r < 0 ? r : value != 0;
}

/* A job that has just been queued has not changed the state yet. */
static int has_job(struct manager *manager, const char *unit) {
        _cleanup_free_ char *path = path_of(unit);
        sd_bus_message *reply = NULL;
        uint32_t id = 0;
        int r;

        if (!path)
                return -ENOMEM;
        r = sd_bus_get_property(manager->bus, SERVICE, path, UNIT_INTERFACE, "Job", NULL, &reply,
                                "(uo)");
        if (r >= 0)
                r = sd_bus_message_read(reply, "(uo)", &id, NULL);
        sd_bus_message_unref(reply);
        return r < 0 ? r : id != 0;
}

int manager_state(struct manager *manager, const char *unit, char *state, size_t size) {
        int r;

        assert(manager && unit && state);

        r = has_job(manager, unit);
        if (r > 0)
                (void) snprintf(state, size, "queued");
        if (r != 0)
                return MIN(r, 0);
        return get_text(manager, unit, "ActiveState", state, size);
}

void manager_pause(void) {
        (void) nanosleep(&(struct timespec) { .tv_nsec = PAUSE_NSEC }, NULL);
}

int manager_wait(struct manager *manager, const char *unit, char *state, size_t size) {
        static const char *const passing[] = { "queued", "activating", "deactivating" };

        for (unsigned round = 0; round < MANAGER_ROUNDS; round++) {
                bool passes = false;
                int r = manager_state(manager, unit, state, size);

                if (r < 0)
                        return r;
                for (size_t i = 0; i < ELEMENTSOF(passing); i++)
                        passes = passes || strcmp(state, passing[i]) == 0;
                if (!passes)
                        return 0;
                manager_pause();
        }
        return -EAGAIN;
}

int manager_can_restart(struct manager *manager, const char *unit) {
        static const char *const needed[] = { "CanStart", "CanStop" };
        int r;

        assert(manager && unit);

        for (size_t i = 0; i < ELEMENTSOF(needed); i++) {
                r = get_flag(manager, unit, needed[i]);
                if (r <= 0)
                        return r;
        }
        r = get_flag(manager, unit, "Transient");
        return r < 0 ? r : !r;
}

static int each_of(struct manager *manager, const char *path, const char *property,
                   int (*fn)(const char *follower, void *userdata), void *userdata) {
        char **units = NULL;
        int r;

        r = sd_bus_get_property_strv(manager->bus, SERVICE, path, UNIT_INTERFACE, property, NULL,
                                     &units);
        if (r < 0)
                return r;
        for (char **unit = units; unit && *unit; unit++) {
                if (r >= 0)
                        r = fn(*unit, userdata);
                free(*unit);
        }
        free(units);
        return r < 0 ? r : 0;
}

int manager_each_follower(struct manager *manager, const char *unit,
                          int (*fn)(const char *follower, void *userdata), void *userdata) {
        static const char *const properties[] = { "RequiredBy", "RequisiteOf", "BoundBy",
                                                  "ConsistsOf" };
        _cleanup_free_ char *path = NULL;
        int r = 0;

        assert(manager && unit && fn);

        path = path_of(unit);
        if (!path)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(properties) && r >= 0; i++)
                r = each_of(manager, path, properties[i], fn, userdata);
        return r;
}

int manager_queue(struct manager *manager, const char *method, const char *unit) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        assert(manager && method && unit);

        r = sd_bus_call_method(manager->bus, SERVICE, OBJECT, SERVICE ".Manager", method, &error,
                               NULL, "ss", unit, "replace");
        if (r < 0 && r != -ETIMEDOUT && sd_bus_is_open(manager->bus) > 0) {
                log_warning("systemd refuses %s of %s: %s", method, unit, error.message);
                r = -EBADRQC; /* else it is the connection that failed */
        }
        sd_bus_error_free(&error);
        return r < 0 ? r : 0;
}
