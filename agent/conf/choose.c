/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "agent/conf/choose.h"
#include "agent/conf/parse.h"

#define PREFIX "UNHANG_"

struct choosing {
        const struct conf_facts *facts;
        struct conf_report report;
        struct conf_choice *choice;
        bool unsure; /* it is not known what was meant: nothing is to be done to the disk */
};

#define PROPERTY_MAX 200

/* It goes into a log. */
static const char *clean(char buf[static PROPERTY_MAX], const char *property) {
        size_t n = 0;

        for (const char *p = property; *p && n < PROPERTY_MAX - 1; p++)
                buf[n++] = (unsigned char) *p < ' ' || *p == 0x7F ? '?' : *p;
        buf[n] = '\0';
        return buf;
}

#define CLEAN(property) clean((char[PROPERTY_MAX]) {}, property)

/* ---- files ---- */

static void lay(struct conf_choice *choice, const struct conf_values *values) {
        for (size_t i = 0; i < CONF_KEYS; i++) {
                if (values->from[i].file == 0)
                        continue;
                conf_set_value(&choice->policy, &conf_keys[i],
                               conf_value(&values->policy, &conf_keys[i]));
                choice->origins[i] = CONF_FROM_FILE;
                choice->from[i] = values->from[i];
        }
}

static bool matches(const struct conf_set *set, const struct conf_policy *policy,
                    const struct conf_facts *facts) {
        struct conf_match match = {};

        if (!policy->matches)
                return false;
        for (size_t i = 0; i < CONF_MATCH_KEYS; i++)
                if (policy->match[i] > 0)
                        match.values[i] = conf_set_text(set, policy->match[i]);
        return conf_match(&match, facts);
}

static void choose_named(struct choosing *c, const struct conf_set *set, const char *name) {
        c->choice->by = CONF_BY_PROPERTY;
        c->choice->chosen = conf_set_find(set, name);
        if (c->choice->chosen)
                return;
        c->unsure = true;
        conf_complain(&c->report, 0,
                      CONF_POLICY_PROPERTY "=%s: there is no policy of that name; nothing is done "
                      "to the disk until there is", CLEAN(name));
}

static void choose_policy(struct choosing *c, const struct conf_set *set) {
        const char *name = properties_get(c->facts->properties, CONF_POLICY_PROPERTY);

        if (name && *name) {
                choose_named(c, set, name);
                return;
        }
        for (size_t i = 0; i < set->n_policies; i++)
                if (matches(set, &set->policies[i], c->facts)) {
                        c->choice->by = CONF_BY_MATCH;
                        c->choice->chosen = &set->policies[i];
                        return;
                }
        c->choice->chosen = conf_set_find(set, CONF_DEFAULT_POLICY);
        if (c->choice->chosen)
                c->choice->by = CONF_BY_DEFAULT;
}

/* ---- properties ---- */

static const struct conf_key *find_property(const char *name, size_t n) {
        char text[CONF_TEXT_MAX];

        for (size_t i = 0; i < CONF_KEYS; i++)
                if (strlen(conf_property(text, sizeof(text), &conf_keys[i])) == n &&
                    memcmp(text, name, n) == 0)
                        return &conf_keys[i];
        return NULL;
}

static void take_key(struct choosing *c, const struct conf_key *key, const char *property,
                     const char *value) {
        char what[CONF_TEXT_MAX], stays[CONF_TEXT_MAX];
        uint64_t given = key->fallback;

        if (conf_parse(key, value, &given) < 0) {
                given = key->fallback;
                (void) conf_format(stays, sizeof(stays), key, given);
                conf_complain(&c->report, 0, "%s: allowed is %s; %s%s is in force%s",
                              CLEAN(property), conf_allowed(what, sizeof(what), key),
                              given == key->preset ? "the default " : "",
                              *stays ? stays : "nothing",
                              given == key->preset ? "" : ", to be safe");
        }
        conf_set_value(&c->choice->policy, key, given);
        c->choice->origins[key - conf_keys] = CONF_FROM_PROPERTY;
}

static void take_ignore(struct choosing *c, const char *property, const char *value) {
        int yes = conf_parse_yes_no(value);

        c->choice->ignored = yes > 0;
        if (yes >= 0)
                return;
        c->unsure = true;
        conf_complain(&c->report, 0,
                      "%s: allowed is 1 or 0; nothing is done to the disk, to be safe",
                      CLEAN(property));
}

static bool is(const char *property, size_t n, const char *name) {
        return strlen(name) == n && memcmp(property, name, n) == 0;
}

/* One that is set to nothing is not set. */
static void take_property(struct choosing *c, const char *property) {
        size_t n = strcspn(property, "=");
        const char *value = property + n + 1;
        const struct conf_key *key;

        if (*value == '\0' || is(property, n, CONF_POLICY_PROPERTY) ||
            is(property, n, CONF_ROTATIONAL_PROPERTY))
                return;
        key = find_property(property, n);
        if (key)
                take_key(c, key, property, value);
        else if (is(property, n, CONF_IGNORE_PROPERTY))
                take_ignore(c, property, value);
        else
                conf_complain(&c->report, 0, "%s: there is no such property; see "
                                             "unhang-udev(7); it is ignored", CLEAN(property));
}

static void take_properties(struct choosing *c) {
        const struct properties *properties = c->facts->properties;

        for (const char *p = NULL; (p = properties_next(properties, p));)
                if (strncmp(p, PREFIX, strlen(PREFIX)) == 0)
                        take_property(c, p);
}

/* ---- all of it ---- */

static size_t index_of(size_t offset) {
        size_t i = 0;

        while (conf_keys[i].offset != offset)
                i++;
        return i;
}

static void settle(struct choosing *c) {
        struct conf_choice *choice = c->choice;

        if (choice->policy.warn > choice->policy.stall)
                choice->origins[index_of(offsetof(struct policy, warn))] = CONF_FROM_STALL;
        conf_settle(&choice->policy);
        if (!c->unsure)
                return;
        choice->policy.act = 0;
        choice->origins[index_of(offsetof(struct policy, act))] = CONF_FROM_ERROR;
}

void conf_choose(const struct conf_set *set, const struct conf_facts *facts,
                 conf_message_cb callback, void *userdata, struct conf_choice *ret) {
        struct choosing c = {
                .facts = facts,
                .report = {
                        .file = facts->id->name,
                        .callback = callback,
                        .userdata = userdata,
                },
                .choice = ret,
        };

        assert(set && facts && ret);

        *ret = (struct conf_choice) {};
        conf_defaults(&ret->policy);
        lay(ret, &set->general);
        choose_policy(&c, set);
        if (ret->chosen) {
                lay(ret, &ret->chosen->values);
                c.unsure |= ret->chosen->unreadable;
        }
        take_properties(&c);
        settle(&c);
        conf_report_end(&c.report);
}

/* ---- what is said of it ---- */

const char *conf_choice_name(const struct conf_set *set, const struct conf_choice *choice) {
        assert(set && choice);

        return choice->chosen ? conf_set_text(set, choice->chosen->name) : "-";
}

static const char *path_of(const struct conf_set *set, uint16_t file) {
        return conf_set_text(set, set->files[file]);
}

static const char *reason_of(char buf[static CONF_ORIGIN_MAX], const struct conf_set *set,
                             const struct conf_choice *choice) {
        switch (choice->by) {
        case CONF_BY_PROPERTY:
                (void) snprintf(buf, CONF_ORIGIN_MAX, "udev property " CONF_POLICY_PROPERTY "%s",
                                choice->chosen ? "" : ", but there is none of that name");
                break;
        case CONF_BY_MATCH:
                (void) snprintf(buf, CONF_ORIGIN_MAX, "[Match] of %s",
                                path_of(set, choice->chosen->file));
                break;
        case CONF_BY_DEFAULT:
                (void) snprintf(buf, CONF_ORIGIN_MAX, "no other matches");
                break;
        default:
                (void) snprintf(buf, CONF_ORIGIN_MAX, "none matches");
        }
        return buf;
}

static const char *origin_of(char buf[static CONF_ORIGIN_MAX], const struct conf_set *set,
                             const struct conf_choice *choice, size_t i) {
        char property[CONF_TEXT_MAX];

        switch (choice->origins[i]) {
        case CONF_FROM_FILE:
                if (choice->from[i].line > 0)
                        (void) snprintf(buf, CONF_ORIGIN_MAX, "%s:%u",
                                        path_of(set, choice->from[i].file), choice->from[i].line);
                else
                        (void) snprintf(buf, CONF_ORIGIN_MAX, "%s cannot be read",
                                        path_of(set, choice->from[i].file));
                break;
        case CONF_FROM_PROPERTY:
                (void) snprintf(buf, CONF_ORIGIN_MAX, "udev property %s",
                                conf_property(property, sizeof(property), &conf_keys[i]));
                break;
        case CONF_FROM_STALL:
                (void) snprintf(buf, CONF_ORIGIN_MAX, "never longer than StallSec=");
                break;
        case CONF_FROM_ERROR:
                (void) snprintf(buf, CONF_ORIGIN_MAX, "an error in its policy or udev properties");
                break;
        default:
                (void) snprintf(buf, CONF_ORIGIN_MAX, "default");
        }
        return buf;
}

void conf_choice_tell(const struct conf_set *set, const struct conf_choice *choice,
                      struct conf_told *ret) {
        assert(set && choice && ret);

        for (size_t i = 0; i < CONF_KEYS; i++)
                ret->values[i] = (struct value_report) {
                        .section = conf_keys[i].section,
                        .key = conf_keys[i].name,
                        .value = conf_format(ret->texts[i], CONF_TEXT_MAX, &conf_keys[i],
                                             conf_value(&choice->policy, &conf_keys[i])),
                        .origin = origin_of(ret->origins[i], set, choice, i),
                };
        ret->report = (struct policy_report) {
                .policy = conf_choice_name(set, choice),
                .reason = reason_of(ret->reason, set, choice),
                .values = ret->values,
                .n_values = CONF_KEYS,
        };
}
