/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "agent/base/macro.h"
#include "agent/base/time-util.h"
#include "agent/conf/parse.h"
#include "agent/conf/print.h"
#include "include/mount-rules.h"

static const struct policy defaults = {
        .warn = 30 * USEC_PER_SEC,
        .stall = 120 * USEC_PER_SEC,
        .inflight_limit = UINT64_MAX,
        .inflight = 600 * USEC_PER_SEC,
        .settle = 30 * USEC_PER_SEC,
        .iostats = 1,
        .xfs_max_retries = UINT64_MAX,
        .on_recovered = ON_RECOVERED_REMOUNT,
        .on_failed = ON_FAILED_REMOUNT,
        .umount = 30 * USEC_PER_SEC,
        .mount = 5 * USEC_PER_MINUTE,
        .holders = HOLDERS_WAIT,
        .fsck = FSCK_WHEN_NEEDED,
        .act = 1,
        .rungs = 0x7654321,
        .max_acts = 6,
        .acts_window = USEC_PER_HOUR,
        .fence_wait = 10 * USEC_PER_MINUTE,
};

/* What one reading gave: the messages, one to a line, and the policy. */
struct reading {
        struct policy policy;
        char text[16384];
        unsigned errors, warnings;
        int r;
};

static void hear(int priority, const char *message, void *userdata) {
        struct reading *reading = userdata;
        size_t n = strlen(reading->text);

        if (priority == LOG_WARNING)
                reading->warnings++;
        else
                reading->errors++;
        (void) snprintf(reading->text + n, sizeof(reading->text) - n, "%s\n", message);
}

static struct reading read_bytes(const char *text, size_t size) {
        struct reading reading = {};
        struct conf_file file;

        memset(&file, 0xAA, sizeof(file));
        reading.r = conf_parse_text(text, size, CONF_GENERAL, hear, &reading, &file);
        conf_defaults(&reading.policy);
        conf_file_apply(&file, &reading.policy);
        conf_settle(&reading.policy);
        return reading;
}

static struct reading read_text(const char *text) {
        return read_bytes(text, strlen(text));
}

static struct reading read_path(const char *path) {
        struct reading reading = {};

        memset(&reading.policy, 0xAA, sizeof(reading.policy));
        reading.r = conf_load(path, hear, &reading, &reading.policy);
        return reading;
}

static void assert_same(const struct policy *policy, const struct policy *expected) {
        assert_memory_equal(policy, expected, sizeof(*policy));
}

/* In seconds; all else has its default. */
static void assert_policy(const struct policy *policy, usec_t warn, usec_t stall, usec_t settle) {
        struct policy expected = defaults;

        expected.warn = warn * USEC_PER_SEC;
        expected.stall = stall * USEC_PER_SEC;
        expected.settle = settle * USEC_PER_SEC;
        assert_same(policy, &expected);
}

#define WEEK (7 * USEC_PER_DAY / USEC_PER_SEC)

static void assert_defaults(const struct policy *policy) {
        assert_same(policy, &defaults);
}

/* What a file comes to that cannot be read. */
static void assert_only_watched(const struct policy *policy) {
        struct policy expected = defaults;

        expected.act = 0;
        assert_same(policy, &expected);
}

#define UNTIL_THEN "; until it can, nothing is done to the disks it is for"

/* The whole report, and the count that goes with it. */
static void assert_report(const struct reading *reading, int errors, const char *text) {
        assert_string_equal(reading->text, text);
        assert_int_equal(reading->r, errors);
}

static struct reading read_key(const struct conf_key *key, const char *value) {
        char text[256];

        (void) snprintf(text, sizeof(text), "[%s]\n%s=%s\n", key->section, key->name, value);
        return read_text(text);
}

/* VALUE exactly, as KEY may be given it: a time to the microsecond. */
static const char *exactly(char *buf, size_t size, const struct conf_key *key, uint64_t value) {
        if (key->type == CONF_YES_NO && value <= 1)
                (void) snprintf(buf, size, "%s", value == 1 ? "yes" : "no");
        else if (key->type == CONF_COUNT && value == CONF_INFINITY)
                (void) snprintf(buf, size, "infinity");
        else
                (void) snprintf(buf, size, "%" PRIu64 "%s", value,
                                key->type == CONF_TIME ? "us" : "");
        return buf;
}

/* VALUE as it is told and printed. */
static const char *as_told(char *buf, size_t size, const struct conf_key *key, uint64_t value) {
        char text[CONF_TEXT_MAX];

        (void) snprintf(buf, size, "%s", conf_format(text, sizeof(text), key, value));
        return buf;
}

/* Words, and lists of them, have tests of their own: test-conf-key.c. */
static bool has_words(const struct conf_key *key) {
        return key->type == CONF_CHOICE || key->type == CONF_LIST;
}

static void assert_accepted(const struct conf_key *key, uint64_t value) {
        /* Room for every WarnSec=, which is else taken down to StallSec=. */
        bool room = key->offset != offsetof(struct policy, stall);
        struct policy others = defaults;
        struct reading reading;
        char text[256], buf[32];

        (void) snprintf(text, sizeof(text), "[%s]\n%s=%s\n%s", key->section, key->name,
                        exactly(buf, sizeof(buf), key, value),
                        room ? "[Detect]\nStallSec=7d\n" : "[Detect]\nWarnSec=1s\n");
        if (room)
                others.stall = 7 * USEC_PER_DAY;
        else
                others.warn = USEC_PER_SEC;
        *(uint64_t *) (void *) ((char *) &others + key->offset) = value;

        reading = read_text(text);
        assert_int_equal(reading.r, 0);
        assert_int_equal(reading.errors, 0);
        assert_int_equal(reading.warnings, others.warn >= others.stall);
        assert_int_equal(conf_value(&reading.policy, key), value);
        assert_same(&reading.policy, &others);
}

/* What is in force for a key that was given something else than a value. */
static const char *after_error(char *buf, size_t size, const struct conf_key *key) {
        char value[FORMAT_USEC_MAX];

        (void) as_told(value, sizeof(value), key, key->fallback);
        if (key->fallback == key->preset)
                (void) snprintf(buf, size, "the default %s stays in force", value);
        else
                (void) snprintf(buf, size, "%s is in force, to be safe", value);
        return buf;
}

static void assert_refused(const struct conf_key *key, const char *value, const char *aside) {
        char min[FORMAT_USEC_MAX], max[FORMAT_USEC_MAX], stays[FORMAT_USEC_MAX + 32];
        struct policy expected = defaults;
        char allowed[256] = "yes or no", text[512];
        struct reading reading = read_key(key, value);

        if (key->type != CONF_YES_NO)
                (void) snprintf(allowed, sizeof(allowed), "a %s from %s to %s%s",
                                key->type == CONF_TIME ? "time" : "number",
                                as_told(min, sizeof(min), key, key->min),
                                as_told(max, sizeof(max), key, key->max),
                                key->type == CONF_COUNT ? ", or infinity" : "");
        (void) snprintf(text, sizeof(text), "text:2: [%s] %s=%s: allowed is %s%s; %s\n",
                        key->section, key->name, value, allowed, aside,
                        after_error(stays, sizeof(stays), key));
        assert_report(&reading, 1, text);
        conf_set_value(&expected, key, key->fallback);
        assert_same(&reading.policy, &expected);
}

static void assert_refused_value(const struct conf_key *key, uint64_t value) {
        char text[32];

        assert_refused(key, exactly(text, sizeof(text), key, value), "");
}

static void test_table(void **state) {
        for (size_t i = 0; i < CONF_KEYS; i++) {
                const struct conf_key *key = &conf_keys[i];

                if (has_words(key))
                        continue;
                assert_true(key->min < key->max && key->max < CONF_INFINITY);
                /* Never sooner than without the line. */
                assert_int_equal(conf_careful(key, key->fallback, key->preset), key->fallback);
                assert_accepted(key, key->preset);
                assert_accepted(key, key->min);
                assert_accepted(key, key->min + 1);
                assert_accepted(key, key->max);
                assert_refused_value(key, key->max + 1);
                if (key->min > 0) {
                        assert_refused_value(key, key->min - 1);
                        assert_refused_value(key, 0);
                }
                if (key->type == CONF_COUNT)
                        assert_accepted(key, CONF_INFINITY);
                else
                        assert_refused(key, "infinity", key->type == CONF_TIME ?
                                       ", for infinity would be never" : "");
        }
}

/* What is no value of any type, and what is one of another type only. */
static void test_garbage(void **state) {
        static const char *const garbage[] = {
                "", "-1", "-5s", "+5s", "+5", "abc", "30 seconds ago", "30x", "0x1e", "1e3",
                "\"30s\"", "30s,", "5s # five", "nan", "inf", "Infinity", "INFINITY", "infinitys",
                "infinit", "1:", "1/", "99999999999999999999", "18446744073709551615us",
                "18446744073709551615w", "9999999999999999w", ".", "\u0665s", "=30s", "30s=",
                "%n%s%n", "18446744073709551615", "18446744073709551616", "18446744073709551617",
                "18446744073709551626", "yes no", "yess", "ye", "\"yes\"", "y", "n", "t", "f",
                "enable", "null", "\u00fces", "\u2460",
        };
        static const char *const others[][5] = {
                [CONF_TIME] = { "yes", "off", "true", "TRUE", "No" },
                [CONF_COUNT] = { "yes", "off", "5s", "2 0", "1.5" },
                [CONF_YES_NO] = { "2", "5s", "00", "01", "1s" },
        };

        for (size_t i = 0; i < CONF_KEYS; i++) {
                const struct conf_key *key = &conf_keys[i];

                if (has_words(key))
                        continue;
                for (size_t g = 0; g < ELEMENTSOF(garbage); g++)
                        assert_refused(key, garbage[g], "");
                for (size_t o = 0; o < ELEMENTSOF(others[0]); o++)
                        assert_refused(key, others[key->type][o], "");
        }
}

static void test_yes_and_no(void **state) {
        static const char *const words[][8] = {
                { "no", "No", "NO", "false", "FALSE", "off", "oFF", "0" },
                { "yes", "Yes", "YES", "true", "True", "on", "ON", "1" },
        };

        for (size_t i = 0; i < CONF_KEYS; i++)
                for (uint64_t yes = 0; yes <= 1 && conf_keys[i].type == CONF_YES_NO; yes++)
                        for (size_t w = 0; w < ELEMENTSOF(words[yes]); w++) {
                                struct reading reading = read_key(&conf_keys[i], words[yes][w]);

                                assert_report(&reading, 0, "");
                                assert_int_equal(conf_value(&reading.policy, &conf_keys[i]), yes);
                        }
}

static void test_counts(void **state) {
        static const struct {
                const char *text;
                uint64_t count;
        } cases[] = {
                { "9", 9 },
                { "10", 10 },
                { "01024", 1024 }, /* not octal */
                { "000000000000000000000000999999", 999999 },
        };
        struct reading reading;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct policy expected = defaults;
                char text[128];

                (void) snprintf(text, sizeof(text), "[Detect]\nInflightLimit= %s ; so many\n"
                                "InflightLimitSec=3h", cases[i].text);
                expected.inflight_limit = cases[i].count;
                expected.inflight = 3 * USEC_PER_HOUR;
                reading = read_text(text);
                assert_report(&reading, 0, "");
                assert_same(&reading.policy, &expected);
        }
}

/* Every field is reached, once, and every type is used, so that what goes over the table tests it.
 * The keys of a section stand together, and no line of a meaning is too long for the file. */
static void test_table_is_whole(void **state) {
        static const char *const sections[] = { "Prepare", "Detect", "Recover",
                                                "Filesystem" };
        bool reached[sizeof(struct policy) / sizeof(uint64_t)] = {}, used[_CONF_TYPE_MAX] = {};
        size_t section = 0;

        for (size_t i = 0; i < CONF_KEYS; i++) {
                size_t field = conf_keys[i].offset / sizeof(uint64_t);

                used[conf_keys[i].type] = true;
                if (strcmp(conf_keys[i].section, sections[section]) != 0 &&
                    section + 1 < ELEMENTSOF(sections))
                        section++;
                assert_string_equal(conf_keys[i].section, sections[section]);
                for (const char *p = conf_keys[i].meaning; *p; p += *p == '\n') {
                        assert_true(strcspn(p, "\n") <= 76);
                        p += strcspn(p, "\n");
                }
                assert_int_equal(conf_keys[i].offset % sizeof(uint64_t), 0);
                assert_false(reached[field]);
                reached[field] = true;
        }
        for (size_t i = 0; i < ELEMENTSOF(reached); i++)
                assert_true(reached[i]);
        for (size_t i = 0; i <= CONF_YES_NO; i++)
                assert_true(used[i]);
}

static void test_defaults(void **state) {
        struct policy policy;
        struct reading reading = read_bytes("", 0);

        conf_defaults(&policy);
        assert_defaults(&policy);
        assert_report(&reading, 0, "");
        assert_defaults(&reading.policy);
}

static void test_forms_of_a_line(void **state) {
        static const char *const clean[] = {
                "[Detect]\nWarnSec=45s\nStallSec=5min\n[Recover]\nSettleSec=1min 30s\n",
                "[Detect]\r\nWarnSec=45s\r\nStallSec=5min\r\n[Recover]\r\nSettleSec=1min 30s\r\n",
                "[Detect]\nWarnSec=45s\nStallSec=5min\n[Recover]\nSettleSec=1min 30s",
                "[Detect]\nWarnSec=45s\nStallSec=5min\n[Recover]\nSettleSec=1min 30s\r",
                "\xEF\xBB\xBF[Detect]\nWarnSec=45s\nStallSec=5min\n[Recover]\nSettleSec=90\n",
                /* Indentation is no continuation of the line before. */
                "  [Detect]\n\tWarnSec=45s\n\tStallSec=5min\n [Recover]\n  SettleSec=90\n",
                "[Detect] ; a\nWarnSec = 45\t; b\nStallSec\t=\t300 ;\n"
                "[Recover]# c\nSettleSec=90s \n",
                "#x\n;y\n\n \n[Detect]\n # WarnSec=1s\nWarnSec=0.75m\nStallSec=300s 0ms\n"
                "[Detect]\n[Recover]\nSettleSec=1.5m",
                "[Recover]\nSettleSec=90\n[Detect]\nStallSec=5m\n[Recover]\n[Detect]\nWarnSec=45",
        };

        for (size_t i = 0; i < ELEMENTSOF(clean); i++) {
                struct reading reading = read_text(clean[i]);

                assert_report(&reading, 0, "");
                assert_policy(&reading.policy, 45, 300, 90);
        }
}

static void test_unknown(void **state) {
        struct reading reading = read_text("StallSec=1s\n"
                                           "[Detekt]\n"
                                           "StallSec=1s\n"
                                           "[detect]\n"
                                           "StallSec=1s\n"
                                           "[Recover]\n"
                                           "StallSec=1s\n"
                                           "[Detect]\n"
                                           "stallsec=1s\n"
                                           "WarnSec=40s\n"
                                           "[Prepare]\n"
                                           "InflightLimit=3\n");

        assert_report(&reading, 6,
                      "text:1: StallSec=1s: stands before any section; allowed are [Prepare], "
                      "[Detect], [Recover], [Filesystem]; 7d is in force, to be safe\n"
                      "text:3: [Detekt] StallSec=1s: no such section; allowed are [Prepare], "
                      "[Detect], [Recover], [Filesystem]; 7d is in force, to be safe\n"
                      "text:5: [detect] StallSec=1s: no such section; allowed are [Prepare], "
                      "[Detect], [Recover], [Filesystem]; 7d is in force, to be safe\n"
                      "text:7: [Recover] StallSec=1s: no such key; allowed here: Act=, DryRun=, "
                      "Rungs=, BlastRadius=, IfSiblingsHealthy=, IfOwned=, MaxActs=, "
                      "MaxActsWindowSec=, BootGraceSec=, SettleSec=, Contain=, Fence=, FenceSec=, "
                      "FenceJitterSec=; 7d is in force, to be safe\n"
                      "text:9: [Detect] stallsec=1s: no such key; allowed here: WarnSec=, "
                      "StallSec=, InflightLimit=, InflightLimitSec=; the line is ignored\n"
                      "text:12: [Prepare] InflightLimit=3: no such key; allowed here: IoStats=, "
                      "ScsiTimeoutSec=, ScsiMaxRetries=, NvmeIoTimeoutSec=, "
                      "NvmeAdminTimeoutSec=, XfsMaxRetries=; the default infinity stays in "
                      "force\n");
        assert_policy(&reading.policy, 40, WEEK, 30);
}

static void test_neither_section_nor_key(void **state) {
        struct reading reading = read_text("[Detect]\n"
                                           "StallSec\n"
                                           "StallSec:1s\n"
                                           "StallSec:1s=1s\n"
                                           "Stall Sec=1s\n"
                                           "=1s\n"
                                           "]\n"
                                           "WarnSec=40s\n");

        assert_report(&reading, 6,
                      "text:2: StallSec: allowed are [Section] and Key=VALUE; the line is ignored\n"
                      "text:3: StallSec:1s: allowed are [Section] and Key=VALUE; the line is "
                      "ignored\n"
                      "text:4: StallSec:1s=1s: allowed are [Section] and Key=VALUE; the line is "
                      "ignored\n"
                      "text:5: Stall Sec=1s: allowed are [Section] and Key=VALUE; the line is "
                      "ignored\n"
                      "text:6: =1s: allowed are [Section] and Key=VALUE; the line is ignored\n"
                      "text:7: ]: allowed are [Section] and Key=VALUE; the line is ignored\n");
        assert_policy(&reading.policy, 40, 120, 30);
}

/* A header that is not understood ends the section before it, whatever is wrong with it. */
static void test_broken_section(void **state) {
        static const char *const headers[] = {
                "[Recover", "[]", "[ Recover ]", "[[Recover]]", "[Recover ;]", "[Recover] x",
                "[Recover]=3", "[Recover\xFF]",
        };

        for (size_t i = 0; i < ELEMENTSOF(headers); i++) {
                char text[256], report[512];
                struct reading reading;

                (void) snprintf(text, sizeof(text), "[Detect]\n%s\nStallSec=1s\n"
                                "[Recover]\nSettleSec=9", headers[i]);
                (void) snprintf(report, sizeof(report), "text:2: %s%s\n"
                                "text:3: [?] StallSec=1s: no such section; allowed are [Prepare], "
                                "[Detect], [Recover], [Filesystem]; 7d is in force, to be safe\n",
                                strchr(headers[i], '\xFF') ? "the line holds bytes" : headers[i],
                                strchr(headers[i], '\xFF')
                                        ? " that are not UTF-8; it is ignored"
                                        : ": allowed is [Section]; the lines below it are ignored");
                reading = read_text(text);
                assert_report(&reading, 2, report);
                assert_policy(&reading.policy, 30, WEEK, 9);
        }
}

static void test_twice(void **state) {
        static const struct {
                const char *first, *second;
                int errors;
                usec_t stall;
                const char *stays;
        } cases[] = {
                { "3min", "4min", 1, 240, "4min stays in force" },
                { "4min", "3min", 1, 240, "4min stays in force" },
                { "2min", "2min", 1, 120, "the default 2min stays in force" },
                { "1s", "1min", 1, 60, "1min stays in force" },
                /* What the first line meant is not known. */
                { "0", "1min", 2, WEEK, "7d is in force, to be safe" },
                { "0", "3min", 2, WEEK, "7d is in force, to be safe" },
        };
        struct reading reading;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[256], last[256];

                (void) snprintf(text, sizeof(text), "[Detect]\nStallSec=%s\n[Recover]\n[Detect]\n"
                                "StallSec=%s\nWarnSec=1s\n", cases[i].first, cases[i].second);
                (void) snprintf(last, sizeof(last), "text:5: [Detect] StallSec=%s: allowed once, "
                                "and line 2 gave it before; of the two the longest: %s\n",
                                cases[i].second, cases[i].stays);
                reading = read_text(text);
                assert_int_equal(reading.r, cases[i].errors);
                assert_non_null(strstr(reading.text, last));
                assert_policy(&reading.policy, 1, cases[i].stall, 30);
        }

        reading = read_text("[Detect]\nStallSec=4min\nStallSec=0\nStallSec=3min\n");
        assert_report(&reading, 2, "text:3: [Detect] StallSec=0: allowed is a time from 1s to 7d; "
                                   "7d is in force, to be safe\n"
                                   "text:4: [Detect] StallSec=3min: allowed once, and line 2 gave "
                                   "it before; of the two the longest: 7d is in force, to be "
                                   "safe\n");
        assert_policy(&reading.policy, 30, WEEK, 30);
}

/* Of two values the one that does less, whatever the type and the order. */
static void test_twice_of_each_type(void **state) {
        static const struct {
                const char *section, *name, *first, *second;
                int errors;
                uint64_t value;
                const char *stays;
        } cases[] = {
                { "Detect", "InflightLimit", "10", "20", 1, 20, "the largest: 20 stays in force" },
                { "Detect", "InflightLimit", "20", "10", 1, 20, "the largest: 20 stays in force" },
                { "Detect", "InflightLimit", "20", "20", 1, 20, "the largest: 20 stays in force" },
                { "Detect", "InflightLimit", "20", "infinity", 1, CONF_INFINITY,
                  "the largest: the default infinity stays in force" },
                { "Detect", "InflightLimit", "infinity", "20", 1, CONF_INFINITY,
                  "the largest: the default infinity stays in force" },
                { "Detect", "InflightLimit", "0", "20", 2, CONF_INFINITY,
                  "the largest: the default infinity stays in force" },
                { "Detect", "InflightLimitSec", "1min", "5min", 1, 300 * USEC_PER_SEC,
                  "the longest: 5min stays in force" },
                { "Detect", "InflightLimitSec", "5min", "1min", 1, 300 * USEC_PER_SEC,
                  "the longest: 5min stays in force" },
                { "Prepare", "IoStats", "yes", "no", 1, 0,
                  "the one that does less: no stays in force" },
                { "Prepare", "IoStats", "no", "yes", 1, 0,
                  "the one that does less: no stays in force" },
                { "Prepare", "IoStats", "off", "0", 1, 0,
                  "the one that does less: no stays in force" },
                { "Prepare", "IoStats", "on", "1", 1, 1,
                  "the one that does less: the default yes stays in force" },
                { "Prepare", "IoStats", "maybe", "no", 2, 0,
                  "the one that does less: no stays in force" },
                { "Recover", "Act", "no", "yes", 1, 0,
                  "the one that does less: no is in force, to be safe" },
                { "Recover", "Act", "?", "yes", 2, 0,
                  "the one that does less: no is in force, to be safe" },
        };
        struct reading reading;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const struct conf_key *key = conf_keys;
                char text[256], last[256];

                while (strcmp(key->name, cases[i].name) != 0)
                        key++;
                (void) snprintf(text, sizeof(text), "[%s]\n%s=%s\n%s=%s\n", cases[i].section,
                                cases[i].name, cases[i].first, cases[i].name, cases[i].second);
                (void) snprintf(last, sizeof(last), "text:3: [%s] %s=%s: allowed once, and line 2 "
                                "gave it before; of the two %s\n", cases[i].section,
                                cases[i].name, cases[i].second, cases[i].stays);
                reading = read_text(text);
                assert_int_equal(reading.r, cases[i].errors);
                assert_non_null(strstr(reading.text, last));
                assert_int_equal(conf_value(&reading.policy, key), cases[i].value);
        }

        /* One that is refused does not undo what is as careful. */
        reading = read_text("[Detect]\nInflightLimit=64\nInflightLimit=1000001\n"
                            "[Prepare]\nIoStats=no\nIoStats=2\n");
        assert_report(&reading, 2, "text:3: [Detect] InflightLimit=1000001: allowed is a number "
                                   "from 1 to 1000000, or infinity; the default infinity stays in "
                                   "force\n"
                                   "text:6: [Prepare] IoStats=2: allowed is yes or no; no stays in "
                                   "force\n");
        assert_int_equal(reading.policy.inflight_limit, CONF_INFINITY);
        assert_int_equal(reading.policy.iostats, 0);
}

static void test_cross_check(void **state) {
        struct reading reading;

        reading = read_text("[Detect]\nWarnSec=119s\n");
        assert_report(&reading, 0, "");

        reading = read_text("[Detect]\nWarnSec=2min\n");
        assert_report(&reading, 0, "text:2: [Detect] WarnSec=2min: is not below StallSec=2min; no "
                                   "separate warning is given\n");
        assert_int_equal(reading.warnings, 1);
        assert_policy(&reading.policy, 120, 120, 30);

        reading = read_text("[Detect]\nWarnSec=1h\nStallSec=5s\n");
        assert_report(&reading, 0, "text:3: [Detect] WarnSec=1h: is not below StallSec=5s; no "
                                   "separate warning is given\n");
        assert_policy(&reading.policy, 5, 5, 30);

        /* The default of one key against the other. */
        reading = read_text("[Recover]\n[Detect]\nStallSec=10s\n");
        assert_report(&reading, 0, "text:3: [Detect] WarnSec=30s: is not below StallSec=10s; no "
                                   "separate warning is given\n");
        assert_policy(&reading.policy, 10, 10, 30);

        /* The line is that of the two keys, not of another in their section. */
        reading = read_text("[Detect]\nStallSec=10s\nInflightLimit=infinity\n"
                            "InflightLimitSec=10min\n[Recover]\nSettleSec=30s\n");
        assert_report(&reading, 0, "text:2: [Detect] WarnSec=30s: is not below StallSec=10s; no "
                                   "separate warning is given\n");
        assert_policy(&reading.policy, 10, 10, 30);

        /* How long a disk may be above InflightLimit= has no bearing on it. */
        reading = read_text("[Detect]\nInflightLimit=5\nInflightLimitSec=1s\n");
        assert_report(&reading, 0, "");
        assert_int_equal(reading.policy.warn, 30 * USEC_PER_SEC);
        assert_int_equal(reading.policy.inflight, USEC_PER_SEC);
}

static void test_not_text(void **state) {
        static const struct {
                const char *bytes;
                size_t size;
                const char *why;
        } cases[] = {
#define BYTES(s) s, sizeof(s) - 1
                { BYTES("\0"), "holds a NUL byte" },
                { BYTES("WarnSec\0=5s"), "holds a NUL byte" },
                { BYTES("WarnSec=5s\0"), "holds a NUL byte" },
                { BYTES("WarnSec=\x80"), "holds bytes that are not UTF-8" },
                { BYTES("WarnSec=\xE9"), "holds bytes that are not UTF-8" },         /* latin-1 */
                { BYTES("WarnSec=\xC0\xAF"), "holds bytes that are not UTF-8" },     /* overlong */
                { BYTES("WarnSec=\xE0\x80\x80"), "holds bytes that are not UTF-8" }, /* overlong */
                { BYTES("WarnSec=\xED\xA0\x80"), "holds bytes that are not UTF-8" }, /* surrogate */
                { BYTES("WarnSec=\xF4\x90\x80\x80"), "holds bytes that are not UTF-8" },
                { BYTES("WarnSec=\xF8\x90\x80\x80"), "holds bytes that are not UTF-8" },
                { BYTES("WarnSec=\xE2\x28\xA1"), "holds bytes that are not UTF-8" },
                { BYTES("WarnSec=\xF5\x80\x80\x80"), "holds bytes that are not UTF-8" },
                { BYTES("WarnSec=\xE2\x82"), "holds bytes that are not UTF-8" },     /* cut off */
                { BYTES("\xFF\xFE[\0D\0e\0"), "holds bytes that are not UTF-8" },    /* UTF-16 */
                { BYTES("WarnSec=\x1b[31m"), "holds a control character" },
                { BYTES("WarnSec=5s\rStallSec=5s"), "holds a control character" },
                { BYTES("WarnSec=5s\r\r"), "holds a control character" },
                { BYTES("WarnSec=\x7F"), "holds a control character" },
                { BYTES("WarnSec=\xC2\x9B"), "holds a control character" },          /* C1: CSI */
#undef BYTES
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                static const char after[] = "\nStallSec=3min\n";
                char text[256] = "[Detect]\n", report[256];
                size_t n = strlen(text);
                struct reading reading;

                memcpy(text + n, cases[i].bytes, cases[i].size);
                n += cases[i].size;
                memcpy(text + n, after, sizeof(after));
                n += strlen(after);

                (void) snprintf(report, sizeof(report), "text:2: the line %s; it is ignored\n",
                                cases[i].why);
                reading = read_bytes(text, n);
                assert_report(&reading, 1, report);
                assert_policy(&reading.policy, 30, 180, 30);
        }
}

/* A BOM is one only at the start; beyond ASCII, text is repeated as it is. */
static void test_beyond_ascii(void **state) {
        struct reading reading = read_text("[Detect]\nWarnSec=\u4e94\U0001F552\n\u00fc=1\n"
                                           "\xEF\xBB\xBFStallSec=1s\n");

        assert_report(&reading, 3,
                      "text:2: [Detect] WarnSec=\u4e94\U0001F552: allowed is a time from 1s to 7d; "
                      "the default 30s stays in force\n"
                      "text:3: [Detect] \u00fc=1: no such key; allowed here: WarnSec=, StallSec=, "
                      "InflightLimit=, InflightLimitSec=; the line is ignored\n"
                      "text:4: [Detect] \uFEFFStallSec=1s: no such key; allowed here: WarnSec=, "
                      "StallSec=, InflightLimit=, InflightLimitSec=; the line is ignored\n");
}

/* LENGTH bytes in the line: "StallSec=", zeros, "180". */
static struct reading read_long(size_t length, const char *end) {
        char text[1024] = "[Detect]\nStallSec=";
        size_t n = strlen(text), zeros = length - strlen("StallSec=") - strlen("180");

        memset(text + n, '0', zeros);
        (void) snprintf(text + n + zeros, sizeof(text) - n - zeros, "180%s", end);
        return read_text(text);
}

static void test_long_lines(void **state) {
        static const char *const ends[] = { "", "\n", "\r\n", "\r" };
        static const char report[] = "text:2: the line has more than 190 bytes; it is ignored\n";
        struct reading reading;

        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                reading = read_long(CONF_LINE_MAX, ends[i]);
                assert_report(&reading, 0, "");
                assert_policy(&reading.policy, 30, 180, 30);

                for (size_t more = 1; more < 16; more++) {
                        reading = read_long(CONF_LINE_MAX + more, ends[i]);
                        assert_report(&reading, 1, report);
                        assert_policy(&reading.policy, 30, WEEK, 30);
                }
        }
}

/* Blanks count, wherever the buffer would end among them; what follows them is never read. */
static void test_long_indentation(void **state) {
        for (size_t blanks = 170; blanks < 420; blanks++) {
                char text[512];
                struct reading reading;

                (void) snprintf(text, sizeof(text), "[Detect]\n%*sStallSec=3min\nWarnSec=40s\n",
                                (int) blanks, "");
                reading = read_text(text);
                assert_int_equal(reading.r, blanks + strlen("StallSec=3min") > CONF_LINE_MAX);
                /* Of a key that is not seen any more nothing is known. */
                assert_int_equal(reading.policy.warn, 40 * USEC_PER_SEC);
                if (reading.r == 0 || blanks + strlen("StallSec") >= CONF_LINE_MAX + 1)
                        assert_policy(&reading.policy, 40, reading.r ? 120 : 180, 30);
        }
}

static void test_long_comment(void **state) {
        char text[8192] = "[Detect]\n#";
        struct reading reading;
        size_t n = strlen(text);

        /* What stands where inih would cut the line must not become a key. */
        while (n < sizeof(text) - 32)
                n += (size_t) snprintf(text + n, sizeof(text) - n, " StallSec=1s");
        (void) snprintf(text + n, sizeof(text) - n, "\nWarnSec=40s\n");
        reading = read_text(text);
        assert_report(&reading, 0, "");
        assert_policy(&reading.policy, 40, 120, 30);
}

static void test_many_errors(void **state) {
        static const char line[] = "StallSec=x\n";
        size_t lines = 1000000, size = lines * strlen(line);
        _cleanup_free_ char *text = malloc(size + 1);
        struct reading reading;

        assert_non_null(text);
        for (size_t i = 0; i < lines; i++)
                memcpy(text + i * strlen(line), line, sizeof(line));

        reading = read_bytes(text, CONF_MESSAGES_MAX * strlen(line));
        assert_int_equal(reading.r, CONF_MESSAGES_MAX);
        assert_int_equal(reading.errors, CONF_MESSAGES_MAX);
        assert_null(strstr(reading.text, "further"));

        reading = read_bytes(text, size);
        assert_int_equal(reading.r, lines);
        assert_int_equal(reading.errors, CONF_MESSAGES_MAX + 1);
        assert_non_null(strstr(reading.text, "\ntext: 999980 further errors\n"));
        assert_policy(&reading.policy, 30, WEEK, 30);
}

static void test_no_callback(void **state) {
        struct policy policy;
        struct conf_file file;

        assert_int_equal(conf_parse_text("x\ny\n", 4, CONF_GENERAL, NULL, NULL, &file), 2);
        assert_int_equal(conf_load("/", NULL, NULL, &policy), 1);
        assert_only_watched(&policy);
}

/* The paths that hold no text. */
static void test_paths(void **state) {
        char dir[] = "/tmp/test-conf.XXXXXX", path[64], beyond[80];
        struct reading reading;

        assert_non_null(mkdtemp(dir));
        (void) snprintf(path, sizeof(path), "%s/conf", dir);

        reading = read_path(path);
        assert_report(&reading, 0, "");
        assert_defaults(&reading.policy);

        reading = read_path("/dev/null");
        assert_report(&reading, 0, "");
        assert_defaults(&reading.policy);

        reading = read_path("/");
        assert_report(&reading, 1, "/: cannot be read: Is a directory" UNTIL_THEN "\n");
        assert_only_watched(&reading.policy);

        reading = read_path("/dev/zero");
        assert_report(&reading, 1, "/dev/zero: cannot be read: it is no regular file" UNTIL_THEN
                                   "\n");

        /* A regular file that gives an error once it is read. */
        reading = read_path("/proc/self/mem");
        assert_report(&reading, 1, "/proc/self/mem: cannot be read: Input/output error"
                                   UNTIL_THEN "\n");
        assert_only_watched(&reading.policy);

        assert_int_equal(mkfifo(path, 0600), 0);
        reading = read_path(path);
        assert_non_null(strstr(reading.text, "it is no regular file"));
        assert_int_equal(unlink(path), 0);

        assert_int_equal(symlink("conf", path), 0);
        reading = read_path(path);
        assert_non_null(strstr(reading.text, "Too many levels of symbolic links" UNTIL_THEN));
        assert_int_equal(unlink(path), 0);

        assert_int_equal(close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0000)), 0);
        (void) snprintf(beyond, sizeof(beyond), "%s/x", path);
        reading = read_path(beyond);
        assert_non_null(strstr(reading.text, "Not a directory" UNTIL_THEN));
        reading = read_path(path);
        if (geteuid() != 0)
                assert_non_null(strstr(reading.text, "Permission denied" UNTIL_THEN));
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rmdir(dir), 0);
}

/* A file is read like a text, over the edges of the buffer too; a too large one, not at all. */
static void test_files(void **state) {
        char path[] = "/tmp/test-conf.XXXXXX";
        _cleanup_close_ int fd = mkstemp(path);
        _cleanup_fclose_ FILE *f = NULL;
        struct reading reading;

        assert_true(fd >= 0);
        f = fdopen(fd, "w");
        assert_non_null(f);
        fd = -EBADF;

        (void) fputs("[Detect]\n", f);
        for (int i = 0; i < 2000; i++)
                (void) fprintf(f, "# %*d\n", i % 300, i);
        (void) fputs("StallSec=3min\nWarnSec=3", f);
        assert_int_equal(fflush(f), 0);
        reading = read_path(path);
        assert_report(&reading, 0, "");
        assert_policy(&reading.policy, 3, 180, 30);

        assert_int_equal(ftruncate(fileno(f), (off_t) CONF_SIZE_MAX + 1), 0);
        reading = read_path(path);
        assert_only_watched(&reading.policy);
        assert_int_equal(reading.r, 1);
        assert_non_null(strstr(reading.text, ": cannot be read: it is larger than 16 MiB" UNTIL_THEN
                                             "\n"));
        assert_int_equal(unlink(path), 0);
}

/* The shipped file is what the table prints; every key is in it with its default, as a comment. */
static void test_shipped(void **state) {
        char shipped[16384] = "", printed[16384] = "";
        _cleanup_fclose_ FILE *f = fopen(SHIPPED_CONF, "re"), *g = NULL;
        struct reading reading;

        assert_non_null(f);
        assert_true(fread(shipped, 1, sizeof(shipped) - 1, f) > 0);
        g = fmemopen(printed, sizeof(printed), "w");
        assert_non_null(g);
        assert_int_equal(conf_print_default(g), 0);
        assert_string_equal(shipped, printed);

        reading = read_path(SHIPPED_CONF);
        assert_report(&reading, 0, "");
        assert_defaults(&reading.policy);

        for (size_t i = 0; i < CONF_KEYS; i++) {
                char value[128], line[256], *at;
                const struct conf_key *key = &conf_keys[i];

                (void) snprintf(line, sizeof(line), "\n#%s=%s\n", key->name,
                                as_told(value, sizeof(value), key, key->preset));
                at = strstr(shipped, line);
                assert_non_null(at);
                at[1] = ' ';
        }

        /* Nothing but explanations is left as a comment. */
        for (const char *line = shipped; *line; line += strcspn(line, "\n") + 1)
                assert_true(*line != '#' || line[1] == ' ' || line[1] == '\n');
        reading = read_text(shipped);
        assert_report(&reading, 0, "");
        assert_defaults(&reading.policy);

        /* And the lines do set something: with each taken out of its default, it shows. */
        for (size_t i = 0; i < CONF_KEYS; i++) {
                const struct conf_key *key = &conf_keys[i];
                uint64_t other = key->preset == key->min ? key->min + 1 : key->min;
                char value[32];

                if (has_words(key))
                        continue;
                reading = read_key(key, exactly(value, sizeof(value), key, other));
                assert_int_equal(conf_value(&reading.policy, key), other);
        }
}

static void test_print_to_a_full_disk(void **state) {
        _cleanup_fclose_ FILE *f = fopen("/dev/full", "we");

        if (!f)
                skip();
        assert_int_equal(conf_print_default(f), -EIO);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_garbage),
                cmocka_unit_test(test_yes_and_no),
                cmocka_unit_test(test_counts),
                cmocka_unit_test(test_table_is_whole),
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_forms_of_a_line),
                cmocka_unit_test(test_unknown),
                cmocka_unit_test(test_neither_section_nor_key),
                cmocka_unit_test(test_broken_section),
                cmocka_unit_test(test_twice),
                cmocka_unit_test(test_twice_of_each_type),
                cmocka_unit_test(test_cross_check),
                cmocka_unit_test(test_not_text),
                cmocka_unit_test(test_beyond_ascii),
                cmocka_unit_test(test_long_lines),
                cmocka_unit_test(test_long_indentation),
                cmocka_unit_test(test_long_comment),
                cmocka_unit_test(test_many_errors),
                cmocka_unit_test(test_no_callback),
                cmocka_unit_test(test_paths),
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_shipped),
                cmocka_unit_test(test_print_to_a_full_disk),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
