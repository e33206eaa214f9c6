/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "agent/conf/parse.h"
#include "agent/conf/set.h"

struct reading {
        struct conf_set *set;
        const struct conf_places *places;
        conf_message_cb callback;
        void *userdata;
        int errors;
};

static void complain(struct reading *reading, const char *path, const char *text) {
        struct conf_report report = {
                .file = path,
                .callback = reading->callback,
                .userdata = reading->userdata,
        };

        conf_complain(&report, 0, "%s", text);
        reading->errors++;
}

/* 0 when there is no more room. */
static uint32_t keep(struct conf_set *set, const char *text) {
        size_t n = strlen(text) + 1;
        uint32_t at = set->pool_used;

        if (n > CONF_POOL_SIZE - at)
                return 0;
        memcpy(set->pool + at, text, n);
        set->pool_used += (uint32_t) n;
        return at;
}

/* 0 when there is no more room. */
static uint16_t keep_file(struct conf_set *set, const char *path) {
        uint32_t text;

        if (set->n_files == CONF_FILES_MAX || (text = keep(set, path)) == 0)
                return 0;
        set->files[++set->n_files] = text;
        return set->n_files;
}

static void take_values(struct conf_values *values, const struct conf_file *file,
                        uint16_t number) {
        for (size_t i = 0; i < CONF_KEYS; i++)
                if (file->lines[i] > 0)
                        values->from[i] = (struct conf_source) { number, file->lines[i] };
        conf_file_apply(file, &values->policy);
        if (file->unreadable)
                for (size_t i = 0; i < CONF_KEYS; i++)
                        if (conf_keys[i].offset == offsetof(struct policy, act))
                                values->from[i] = (struct conf_source) { number, 0 };
}

/* ---- unhangd.conf ---- */

static void read_general(struct reading *reading, const char *path) {
        struct conf_file file;
        uint16_t number;
        bool empty;

        reading->errors += conf_parse_file(path, CONF_GENERAL, reading->callback,
                                           reading->userdata, &empty, &file);
        if (empty)
                return;
        number = keep_file(reading->set, path);
        if (number > 0)
                take_values(&reading->set->general, &file, number);
        else
                complain(reading, path, "one file too many; it is ignored");
}

static void read_all_general(struct reading *reading, const char *config) {
        struct conf_findings parts = {};
        char path[PATH_MAX];

        if (config || conf_find_first(reading->places, CONF_CONFIG_NAME, path))
                read_general(reading, config ?: path);
        if (conf_find(reading->places, CONF_CONFIG_NAME ".d", ".conf", reading->callback,
                      reading->userdata, &reading->errors, &parts) < 0)
                complain(reading, CONF_CONFIG_NAME ".d", strerror(ENOMEM));
        for (size_t i = 0; i < parts.n; i++)
                read_general(reading, parts.found[i].path);
        conf_findings_clear(&parts);
}

/* ---- policies ---- */

static bool is_name(const char *name, size_t n) {
        static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                      "0123456789-_.:@+";

        return n > 0 && n < CONF_NAME_MAX && strspn(name, allowed) >= n;
}

static bool keep_match(struct conf_set *set, const struct conf_file *file,
                       struct conf_policy *policy) {
        for (size_t i = 0; i < CONF_MATCH_KEYS; i++) {
                if (file->match_lines[i] == 0)
                        continue;
                policy->match[i] = keep(set, file->match[i]);
                if (policy->match[i] == 0)
                        return false;
                policy->matches = !file->match_broken;
        }
        return true;
}

static bool keep_policy(struct reading *reading, const char *name, const char *path,
                        const struct conf_file *file) {
        struct conf_set *set = reading->set;
        struct conf_policy policy = { .unreadable = file->unreadable };

        if (set->n_policies == CONF_POLICIES_MAX || (policy.name = keep(set, name)) == 0 ||
            (policy.file = keep_file(set, path)) == 0 || !keep_match(set, file, &policy))
                return false;
        take_values(&policy.values, file, policy.file);
        set->policies[set->n_policies++] = policy;
        return true;
}

static void read_policy(struct reading *reading, const struct conf_found *found) {
        size_t n = strlen(found->name) - strlen(CONF_POLICY_SUFFIX);
        char name[CONF_NAME_MAX];
        struct conf_file file;
        bool empty;

        if (!is_name(found->name, n)) {
                complain(reading, CONF_POLICY_DIR,
                         "holds a file whose name is no name of a policy; allowed are up to 63 "
                         "letters, digits and -_.:@+, and then .policy; it is ignored");
                return;
        }
        (void) snprintf(name, sizeof(name), "%.*s", (int) n, found->name);
        reading->errors += conf_parse_file(found->path, CONF_POLICY, reading->callback,
                                           reading->userdata, &empty, &file);
        if (!empty && !keep_policy(reading, name, found->path, &file))
                complain(reading, found->path, "one policy too many; it is ignored");
}

static void read_all_policies(struct reading *reading) {
        struct conf_findings policies = {};

        if (conf_find(reading->places, CONF_POLICY_DIR, CONF_POLICY_SUFFIX, reading->callback,
                      reading->userdata, &reading->errors, &policies) < 0)
                complain(reading, CONF_POLICY_DIR, strerror(ENOMEM));
        for (size_t i = 0; i < policies.n; i++)
                read_policy(reading, &policies.found[i]);
        conf_findings_clear(&policies);
}

void conf_set_init(struct conf_set *ret) {
        assert(ret);

        memset(ret, 0, sizeof(*ret));
        ret->pool_used = 1;
}

int conf_set_read(const struct conf_places *places, const char *config, conf_message_cb callback,
                  void *userdata, struct conf_set *ret) {
        struct reading reading = {
                .set = ret,
                .places = places,
                .callback = callback,
                .userdata = userdata,
        };

        assert(places && ret);

        conf_set_init(ret);
        read_all_general(&reading, config);
        read_all_policies(&reading);
        return reading.errors;
}

const char *conf_set_text(const struct conf_set *set, uint32_t offset) {
        assert(set && offset < CONF_POOL_SIZE);

        return set->pool + offset;
}

const struct conf_policy *conf_set_find(const struct conf_set *set, const char *name) {
        assert(set && name);

        for (size_t i = 0; i < set->n_policies; i++)
                if (strcmp(conf_set_text(set, set->policies[i].name), name) == 0)
                        return &set->policies[i];
        return NULL;
}
