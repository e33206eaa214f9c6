/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever properties udev has for a disk, under whatever policies: what is in force stays within
 * its limits, each error is told in a form that can go into a log, and nothing is done sooner than
 * without the properties that cannot be read. The input is the properties, "NAME=value" each, ended
 * by NUL or newline. */
#include <string.h>
#include <syslog.h>

#include "agent/base/macro.h"
#include "agent/conf/choose.h"
#include "tests/fuzz/fuzz.h"

static const char *const policies[] = { "database", "default", "nvme" };

static void hear(int priority, const char *message, void *userdata) {
        unsigned *errors = userdata;

        demand(priority == LOG_ERR);
        demand(strncmp(message, "nvme0n1: ", strlen("nvme0n1: ")) == 0);
        for (const char *p = message; *p; p++)
                demand((unsigned char) *p >= 0x20 && *p != 0x7F);
        (*errors)++;
}

static uint32_t keep(struct conf_set *set, const char *text) {
        uint32_t at = set->pool_used;

        strcpy(set->pool + at, text);
        set->pool_used += (uint32_t) strlen(text) + 1;
        return at;
}

/* One policy for each way to match. */
static void make_set(struct conf_set *set) {
        conf_set_init(set);
        set->files[++set->n_files] = keep(set, "/etc/unhang/policy.d/x.policy");
        for (size_t i = 0; i < ELEMENTSOF(policies); i++) {
                struct conf_policy *policy = &set->policies[set->n_policies++];

                policy->name = keep(set, policies[i]);
                policy->file = 1;
                policy->matches = i == 2;
                for (size_t k = 0; k < CONF_MATCH_KEYS && i == 2; k++)
                        if (conf_match_keys[k].type == MATCH_PROPERTIES)
                                policy->match[k] = keep(set, "ID_MODEL=*a*a*a*b ID_BUS=?*");
                        else if (conf_match_keys[k].type == MATCH_GLOBS)
                                policy->match[k] = keep(set, "!*[a-c]*x");
        }
}

static void take(struct properties *properties, char *text) {
        char *equals = strchr(text, '=');

        if (!equals)
                return;
        *equals = '\0';
        (void) properties_add(properties, text, equals + 1);
}

static void make_properties(const uint8_t *data, size_t size, struct properties *ret) {
        _cleanup_free_ char *text = malloc(size + 1);

        demand(text != NULL);
        if (size > 0)
                memcpy(text, data, size);
        text[size] = '\0';
        *ret = (struct properties) { .bytes = size };
        for (size_t i = 0, n; i < size; i += n + 1) {
                n = strcspn(text + i, "\n");
                text[i + n] = '\0';
                take(ret, text + i);
        }
}

static void judge(const struct conf_set *set, const struct conf_choice *choice) {
        struct conf_told told;

        demand(choice->policy.warn <= choice->policy.stall);
        for (size_t i = 0; i < CONF_KEYS; i++) {
                uint64_t value = conf_value(&choice->policy, &conf_keys[i]);

                if (conf_keys[i].type == CONF_TIME || conf_keys[i].type == CONF_YES_NO)
                        demand(value >= conf_keys[i].min && value <= conf_keys[i].max);
        }
        conf_choice_tell(set, choice, &told);
        for (size_t i = 0; i < told.report.n_values; i++)
                demand((*told.values[i].value != '\0' || conf_keys[i].type == CONF_LIST) &&
                       *told.values[i].origin != '\0');
        demand(*told.report.policy != '\0' && *told.report.reason != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const struct disk_id id = { .name = "nvme0n1", .driver = "nvme",
                                           .kind = DISK_NVME };
        _cleanup_free_ struct conf_set *set = malloc(sizeof(*set));
        struct properties properties;
        const struct conf_facts facts = { .id = &id, .properties = &properties };
        struct conf_choice choice, again;
        unsigned errors = 0;

        demand(set != NULL);
        make_set(set);
        make_properties(data, size, &properties);
        conf_choose(set, &facts, hear, &errors, &choice);
        judge(set, &choice);
        demand(errors <= CONF_MESSAGES_MAX + 1);

        conf_choose(set, &facts, NULL, NULL, &again);
        demand(memcmp(&choice.policy, &again.policy, sizeof(again.policy)) == 0);
        return 0;
}
