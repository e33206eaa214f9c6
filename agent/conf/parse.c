/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "agent/base/time-util.h"
#include "agent/conf/parse.h"

#define MATCH "Match"

struct parser {
        struct conf_report report;
        enum conf_kind kind;
        struct conf_file *file;
};

/* ---- what is known ---- */

static void append(char *buf, size_t size, size_t *n, const char *before, const char *text,
                   const char *after) {
        if (*n < size)
                *n += (size_t) snprintf(buf + *n, size - *n, "%s%s%s%s", *n > 0 ? ", " : "", before,
                                        text, after);
}

/* "[Detect], [Recover]" */
static const char *list_sections(char *buf, size_t size, enum conf_kind kind) {
        const char *last = "";
        size_t n = 0;

        buf[0] = '\0';
        if (kind == CONF_POLICY)
                append(buf, size, &n, "[", MATCH, "]");
        for (size_t i = 0; i < CONF_KEYS; i++) {
                if (strcmp(conf_keys[i].section, last) != 0)
                        append(buf, size, &n, "[", conf_keys[i].section, "]");
                last = conf_keys[i].section;
        }
        return buf;
}

/* "WarnSec=, StallSec="; "" for no section of ours. */
static const char *list_keys(char *buf, size_t size, enum conf_kind kind, const char *section) {
        size_t n = 0;

        buf[0] = '\0';
        for (size_t i = 0; i < CONF_KEYS; i++)
                if (strcmp(conf_keys[i].section, section) == 0)
                        append(buf, size, &n, "", conf_keys[i].name, "=");
        for (size_t i = 0; i < CONF_MATCH_KEYS; i++)
                if (kind == CONF_POLICY && strcmp(section, MATCH) == 0)
                        append(buf, size, &n, "", conf_match_keys[i].name, "=");
        return buf;
}

/* ---- the keys of a policy ---- */

/* "the default 2min stays in force" */
static const char *in_force(char *buf, size_t size, const struct parser *p,
                            const struct conf_key *key) {
        uint64_t value = conf_value(&p->file->values, key);
        char text[CONF_TEXT_MAX];
        bool preset = value == key->preset, careful = !preset && value == key->fallback;

        (void) conf_format(text, sizeof(text), key, value);
        (void) snprintf(buf, size, "%s%.128s %s", preset ? "the default " : "",
                        *text ? text : "nothing",
                        careful ? "is in force, to be safe" : "stays in force");
        return buf;
}

/* The value that was meant is not known. */
static void fall_back(struct parser *p, const struct conf_key *key, unsigned line) {
        unsigned *first = &p->file->lines[key - conf_keys];
        uint64_t value = key->fallback;

        if (*first > 0)
                value = conf_careful(key, value, conf_value(&p->file->values, key));
        conf_set_value(&p->file->values, key, value);
        if (*first == 0)
                *first = line;
}

static void complain_value(struct parser *p, const struct conf_key *key,
                           const struct conf_pair *pair) {
        bool never = key->type == CONF_TIME && strcmp(pair->value, "infinity") == 0;
        char what[CONF_TEXT_MAX], stays[CONF_TEXT_MAX];

        conf_complain(&p->report, pair->line, "[%s] %s=%s: allowed is %s%s; %s", key->section,
                      key->name, pair->value, conf_allowed(what, sizeof(what), key),
                      never ? ", for infinity would be never" : "",
                      in_force(stays, sizeof(stays), p, key));
}

static void take_value(struct parser *p, const struct conf_key *key,
                       const struct conf_pair *pair) {
        unsigned *first = &p->file->lines[key - conf_keys];
        uint64_t given = 0, before = conf_value(&p->file->values, key);
        char stays[CONF_TEXT_MAX];

        if (!pair->value || conf_parse(key, pair->value, &given) < 0) {
                fall_back(p, key, pair->line);
                if (pair->value)
                        complain_value(p, key, pair);
                return;
        }
        if (*first == 0) {
                *first = pair->line;
                conf_set_value(&p->file->values, key, given);
                return;
        }
        conf_set_value(&p->file->values, key, conf_careful(key, before, given));
        conf_complain(&p->report, pair->line,
                      "[%s] %s=%s: allowed once, and line %u gave it before; of the two %s: %s",
                      key->section, key->name, pair->value, *first, conf_careful_word(key),
                      in_force(stays, sizeof(stays), p, key));
}

/* ---- [Match] ---- */

static void take_match(struct parser *p, size_t i, const struct conf_pair *pair) {
        const struct conf_match_key *key = &conf_match_keys[i];
        struct conf_file *file = p->file;

        if (pair->value && file->match_lines[i] == 0 && conf_match_check(key, pair->value) >= 0) {
                file->match_lines[i] = pair->line;
                (void) snprintf(file->match[i], sizeof(file->match[i]), "%s", pair->value);
                return;
        }
        file->match_broken = true;
        if (pair->value && file->match_lines[i] > 0)
                conf_complain(&p->report, pair->line,
                              "[" MATCH "] %s=%s: allowed once, and line %u gave it before; no "
                              "disk is matched", key->name, pair->value, file->match_lines[i]);
        else if (pair->value)
                conf_complain(&p->report, pair->line,
                              "[" MATCH "] %s=%s: allowed is %s; no disk is matched", key->name,
                              pair->value, conf_match_allowed(key));
}

static int find_match_key(const char *name) {
        for (size_t i = 0; i < CONF_MATCH_KEYS; i++)
                if (strcmp(conf_match_keys[i].name, name) == 0)
                        return (int) i;
        return -ENOENT;
}

/* ---- what is not known ---- */

/* A key that stands elsewhere was meant all the same, with whatever value. */
static void take_unknown(struct parser *p, const struct conf_pair *pair) {
        const struct conf_key *key = conf_find_key(NULL, pair->name);
        char sections[256], keys[512], stays[CONF_TEXT_MAX] = "the line is ignored";
        bool match = p->kind == CONF_POLICY && strcmp(pair->section, MATCH) == 0;

        if (match || (p->kind == CONF_POLICY && find_match_key(pair->name) >= 0)) {
                p->file->match_broken = true;
                (void) snprintf(stays, sizeof(stays), "no disk is matched");
        }
        if (key) {
                fall_back(p, key, pair->line);
                (void) in_force(stays, sizeof(stays), p, key);
        }
        if (!pair->value)
                return;
        (void) list_sections(sections, sizeof(sections), p->kind);
        (void) list_keys(keys, sizeof(keys), p->kind, pair->section);
        if (*keys)
                conf_complain(&p->report, pair->line,
                              "[%s] %s=%s: no such key; allowed here: %s; %s", pair->section,
                              pair->name, pair->value, keys, stays);
        else if (*pair->section == '\0')
                conf_complain(&p->report, pair->line,
                              "%s=%s: stands before any section; allowed are %s; %s", pair->name,
                              pair->value, sections, stays);
        else
                conf_complain(&p->report, pair->line,
                              "[%s] %s=%s: no such section; allowed are %s; %s", pair->section,
                              pair->name, pair->value, sections, stays);
}

static void take_pair(const struct conf_pair *pair, void *userdata) {
        struct parser *p = userdata;
        const struct conf_key *key = conf_find_key(pair->section, pair->name);
        int i = find_match_key(pair->name);

        if (key)
                take_value(p, key, pair);
        else if (p->kind == CONF_POLICY && strcmp(pair->section, MATCH) == 0 && i >= 0)
                take_match(p, (size_t) i, pair);
        else
                take_unknown(p, pair);
}

/* ---- the file as a whole ---- */

/* The fields, not the keys: what the detector relies on is warn <= stall. */
static void cross_check(struct parser *p) {
        char warn[FORMAT_USEC_MAX], stall[FORMAT_USEC_MAX];
        struct policy policy;
        unsigned line = 0;

        conf_defaults(&policy);
        for (size_t i = 0; i < CONF_KEYS; i++) {
                unsigned given = p->file->lines[i];

                if (given > 0)
                        conf_set_value(&policy, &conf_keys[i],
                                       conf_value(&p->file->values, &conf_keys[i]));
                if (conf_keys[i].offset == offsetof(struct policy, warn) ||
                    conf_keys[i].offset == offsetof(struct policy, stall))
                        line = MAX(line, given);
        }
        if (line == 0 || policy.warn < policy.stall)
                return;
        conf_say(&p->report, LOG_WARNING, line,
                 "[Detect] WarnSec=%s: is not below StallSec=%s; no separate warning is given",
                 format_usec(warn, sizeof(warn), policy.warn),
                 format_usec(stall, sizeof(stall), policy.stall));
}

static void give_up(struct parser *p, const char *why) {
        *p->file = (struct conf_file) { .unreadable = true, .match_broken = true };
        p->report.errors++;
        conf_say(&p->report, LOG_ERR, 0,
                 "cannot be read: %s; until it can, nothing is done to the disks it is for", why);
}

static int finish(struct parser *p, const char *why) {
        conf_report_end(&p->report);
        if (why)
                give_up(p, why);
        else
                cross_check(p);
        return (int) p->report.errors;
}

static void begin(struct parser *p, const char *name, conf_message_cb callback, void *userdata) {
        p->report = (struct conf_report) {
                .file = name,
                .callback = callback,
                .userdata = userdata,
        };
        *p->file = (struct conf_file) {};
        conf_defaults(&p->file->values);
}

int conf_parse_file(const char *path, enum conf_kind kind, conf_message_cb callback,
                    void *userdata, bool *ret_empty, struct conf_file *ret) {
        struct parser p = { .kind = kind, .file = ret };
        _cleanup_close_ int fd = -EBADF;
        const char *why;

        assert(path && ret_empty && ret);

        begin(&p, path, callback, userdata);
        *ret_empty = false;
        fd = conf_open(path, ret_empty, &why);
        if (fd >= 0)
                return finish(&p, conf_read_fd(&p.report, fd, take_pair, &p));
        if (!why) {
                *ret_empty = true;
                return 0;
        }
        give_up(&p, why);
        return (int) p.report.errors;
}

int conf_parse_text(const char *text, size_t size, enum conf_kind kind, conf_message_cb callback,
                    void *userdata, struct conf_file *ret) {
        struct parser p = { .kind = kind, .file = ret };

        assert(text && ret);

        begin(&p, "text", callback, userdata);
        return finish(&p, conf_read_text(&p.report, text, size, take_pair, &p));
}

void conf_file_apply(const struct conf_file *file, struct policy *policy) {
        assert(file && policy);

        for (size_t i = 0; i < CONF_KEYS; i++)
                if (file->lines[i] > 0)
                        conf_set_value(policy, &conf_keys[i],
                                       conf_value(&file->values, &conf_keys[i]));
        if (file->unreadable)
                policy->act = 0;
}

void conf_settle(struct policy *policy) {
        assert(policy);

        policy->warn = MIN(policy->warn, policy->stall);
}

enum conf_kind conf_kind_of(const char *path) {
        static const char suffix[] = ".policy";
        size_t n = strlen(path);

        assert(path);

        if (n < strlen(suffix) || strcmp(path + n - strlen(suffix), suffix) != 0)
                return CONF_GENERAL;
        return CONF_POLICY;
}

int conf_load(const char *path, conf_message_cb callback, void *userdata, struct policy *ret) {
        struct conf_file file;
        bool empty;
        int errors;

        assert(path && ret);

        errors = conf_parse_file(path, conf_kind_of(path), callback, userdata, &empty, &file);
        conf_defaults(ret);
        conf_file_apply(&file, ret);
        conf_settle(ret);
        return errors;
}
