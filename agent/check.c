/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "agent/check.h"
#include "agent/conf/choose.h"
#include "agent/conf/parse.h"
#include "agent/conf/print.h"
#include "agent/ctl/policy.h"

#define MOUNTS_MAX 32

static void on_message(int priority, const char *message, void *userdata) {
        (void) fprintf(userdata, "%s%s\n", priority == LOG_WARNING ? "warning: " : "", message);
}

/* ---- check ---- */

static int check_file(const char *path, FILE *err) {
        struct conf_file file;
        bool empty;

        /* To the daemon a file that is not there is as good as an empty one; not to a person. */
        if (access(path, F_OK) < 0) {
                (void) fprintf(err, "%s: %s\n", path, strerror(errno));
                return 1;
        }
        return conf_parse_file(path, conf_kind_of(path), on_message, err, &empty, &file);
}

static void tell_errors(int errors, FILE *out) {
        if (errors == 0)
                (void) fputs("no errors\n", out);
        else
                (void) fprintf(out, "%d error%s\n", errors, errors == 1 ? "" : "s");
}

enum verb_result check(char **files, size_t n, FILE *out, FILE *err) {
        _cleanup_free_ struct conf_set *set = NULL;
        int errors = 0;

        assert((files || n == 0) && out && err);

        for (size_t i = 0; i < n; i++)
                errors += check_file(files[i], err);
        if (n == 0) {
                set = malloc(sizeof(*set));
                if (!set)
                        return VERB_ERROR;
                errors = conf_set_read(&conf_places_system, NULL, on_message, err, set);
        }
        tell_errors(errors, out);
        return errors > 0 ? VERB_ERROR : VERB_OK;
}

/* ---- policy --test ---- */

struct tested {
        struct disk_id id;
        struct properties properties;
        struct conf_mount mounts[MOUNTS_MAX];
        size_t n_mounts;
};

/* Keys of [Match] that ask for a udev property. */
static const char *property_of(const char *key) {
        static const char *const names[][2] = {
                { "Vendor", "ID_VENDOR" },        { "Model", "ID_MODEL" },
                { "Serial", "ID_SERIAL" },        { "WWID", "ID_WWN" },
                { "Path", "ID_PATH" },            { "Device", "DEVNAME" },
                { "Transport", "ID_BUS" },        { "Rotational", CONF_ROTATIONAL_PROPERTY },
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcmp(key, names[i][0]) == 0)
                        return names[i][1];
        return NULL;
}

static enum disk_kind kind_of(const char *driver) {
        static const char *const stacked[] = { "dm", "md", "nvme-multipath" };
        static const char *const plain[] = { "virtio_blk", "vbd", "nbd" };

        for (size_t i = 0; i < ELEMENTSOF(stacked); i++)
                if (strcmp(driver, stacked[i]) == 0)
                        return DISK_BIO;
        for (size_t i = 0; i < ELEMENTSOF(plain); i++)
                if (strcmp(driver, plain[i]) == 0)
                        return DISK_QUEUE;
        return strcmp(driver, "nvme") == 0 ? DISK_NVME : DISK_SCSI;
}

/* A type and a place that follow each other are of one mount. */
static int take_mount(struct tested *tested, bool is_type, const char *value) {
        struct conf_mount *last = tested->n_mounts > 0 ? tested->mounts + tested->n_mounts - 1
                                                       : NULL;

        if (!last || *(is_type ? last->type : last->target)) {
                if (tested->n_mounts == MOUNTS_MAX)
                        return -E2BIG;
                last = tested->mounts + tested->n_mounts++;
                *last = (struct conf_mount) { "", "" };
        }
        *(is_type ? &last->type : &last->target) = value;
        return 0;
}

static int take_fact(struct tested *tested, const char *key, const char *value) {
        const char *name = property_of(key);

        if (strcmp(key, "Driver") == 0) {
                (void) snprintf(tested->id.driver, sizeof(tested->id.driver), "%s", value);
                tested->id.kind = kind_of(value);
                return 0;
        }
        if (strcmp(key, "Size") == 0)
                return conf_parse_size(value, &tested->properties.bytes);
        if (strcmp(key, "FileSystem") == 0 || strcmp(key, "MountPoint") == 0)
                return take_mount(tested, *key == 'F', value);
        if (!name && (!*key || key[strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")]))
                return -EINVAL;
        return properties_add(&tested->properties, name ?: key, value) ? 0 : -E2BIG;
}

static enum verb_result take_facts(char **facts, size_t n, struct tested *tested, FILE *err) {
        for (size_t i = 0; i < n; i++) {
                char *equals = strchr(facts[i], '=');
                int r = -EINVAL;

                if (equals) {
                        *equals = '\0';
                        r = take_fact(tested, facts[i], equals + 1);
                        *equals = '=';
                }
                if (r == 0)
                        continue;
                (void) fprintf(err,
                               "unhang: '%s': allowed are KEY=VALUE with a KEY of Driver, Vendor, "
                               "Model, Serial, WWID, Path, Device, Transport, Rotational, Size, "
                               "FileSystem, MountPoint, or the name of a udev property\n",
                               facts[i]);
                return VERB_USAGE;
        }
        return VERB_OK;
}

enum verb_result test_policy(char **facts, size_t n, FILE *out, FILE *err) {
        struct tested tested = { .id.name = "such a disk" };
        struct conf_facts known = {
                .id = &tested.id,
                .properties = &tested.properties,
                .mounts = tested.mounts,
        };
        _cleanup_free_ struct conf_set *set = malloc(sizeof(*set));
        struct conf_choice choice;
        struct conf_told told;
        enum verb_result result;
        int errors;

        assert(facts && out && err);

        result = take_facts(facts, n, &tested, err);
        if (result != VERB_OK || !set)
                return set ? result : VERB_ERROR;
        known.n_mounts = tested.n_mounts;
        errors = conf_set_read(&conf_places_system, NULL, on_message, err, set);
        conf_choose(set, &known, on_message, err, &choice);
        conf_choice_tell(set, &choice, &told);
        policy_print(out, tested.id.name, &told.report);
        if (choice.ignored)
                (void) fputs("  ! not guarded at all: " CONF_IGNORE_PROPERTY "\n", out);
        return errors > 0 ? VERB_ERROR : VERB_OK;
}

enum verb_result help_policy(FILE *out) {
        assert(out);

        return conf_print_help(out) < 0 ? VERB_ERROR : VERB_OK;
}
