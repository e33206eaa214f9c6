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
#include "agent/conf.h"

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

        memset(&reading.policy, 0xAA, sizeof(reading.policy));
        reading.r = conf_load_text(text, size, hear, &reading, &reading.policy);
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

static void assert_policy(const struct policy *policy, usec_t warn, usec_t stall, usec_t settle) {
        assert_int_equal(policy->warn, warn * USEC_PER_SEC);
        assert_int_equal(policy->stall, stall * USEC_PER_SEC);
        assert_int_equal(policy->settle, settle * USEC_PER_SEC);
}

static void assert_defaults(const struct policy *policy) {
        assert_policy(policy, 30, 120, 30);
}

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

static void assert_accepted(const struct conf_key *key, usec_t t) {
        /* Room for every WarnSec=, which is else taken down to StallSec=. */
        bool room = key->offset != offsetof(struct policy, stall);
        struct reading reading;
        char text[256];

        (void) snprintf(text, sizeof(text), "[%s]\n%s=%" PRIu64 "us\n%s", key->section, key->name,
                        t, room ? "[Detect]\nStallSec=7d\n" : "");
        reading = read_text(text);
        assert_int_equal(reading.r, 0);
        assert_int_equal(reading.errors, 0);
        assert_int_equal(conf_value(&reading.policy, key), t);
}

static void assert_refused(const struct conf_key *key, const char *value, const char *aside) {
        char min[FORMAT_USEC_MAX], max[FORMAT_USEC_MAX], preset[FORMAT_USEC_MAX], text[512];
        struct reading reading = read_key(key, value);

        (void) snprintf(text, sizeof(text), "text:2: [%s] %s=%s: allowed is a time from %s to "
                        "%s%s; the default %s stays in force\n", key->section, key->name, value,
                        format_usec(min, sizeof(min), key->min),
                        format_usec(max, sizeof(max), key->max), aside,
                        format_usec(preset, sizeof(preset), key->preset));
        assert_report(&reading, 1, text);
        assert_defaults(&reading.policy);
}

static void assert_refused_time(const struct conf_key *key, usec_t t) {
        char value[32];

        (void) snprintf(value, sizeof(value), "%" PRIu64 "us", t);
        assert_refused(key, value, "");
}

static void test_table(void **state) {
        static const char *const garbage[] = {
                "", "-1", "-5s", "+5s", "abc", "30 seconds ago", "30x", "0x1e", "1e3", "\"30s\"",
                "30s,", "5s # five", "nan", "inf", "Infinity", "infinitys", "99999999999999999999",
                "18446744073709551615us", "18446744073709551615w", "9999999999999999w", "yes", ".",
                "\u0665s", "=30s", "30s=", "%n%s%n",
        };

        for (size_t i = 0; i < CONF_KEYS; i++) {
                const struct conf_key *key = &conf_keys[i];

                assert_true(key->min <= key->preset && key->preset <= key->max);
                assert_true(key->max < USEC_INFINITY);
                assert_accepted(key, key->preset);
                assert_accepted(key, key->min);
                assert_accepted(key, key->max);
                assert_accepted(key, key->min + 1);
                assert_refused_time(key, key->min - 1);
                assert_refused_time(key, key->max + 1);
                assert_refused_time(key, 0);
                assert_refused(key, "infinity", ", for infinity would be never");
                for (size_t g = 0; g < ELEMENTSOF(garbage); g++)
                        assert_refused(key, garbage[g], "");
        }
}

static void test_table_is_whole(void **state) {
        bool reached[sizeof(struct policy) / sizeof(usec_t)] = {};

        for (size_t i = 0; i < CONF_KEYS; i++) {
                size_t field = conf_keys[i].offset / sizeof(usec_t);

                assert_int_equal(conf_keys[i].offset % sizeof(usec_t), 0);
                assert_false(reached[field]);
                reached[field] = true;
        }
        for (size_t i = 0; i < ELEMENTSOF(reached); i++)
                assert_true(reached[i]);
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
                                           "StallSec=3min\n");

        assert_report(&reading, 5,
                      "text:1: StallSec=1s: stands before any section; allowed are [Detect], "
                      "[Recover]; the line is ignored\n"
                      "text:3: [Detekt] StallSec=1s: no such section; allowed are [Detect], "
                      "[Recover]; the line is ignored\n"
                      "text:5: [detect] StallSec=1s: no such section; allowed are [Detect], "
                      "[Recover]; the line is ignored\n"
                      "text:7: [Recover] StallSec=1s: no such key; allowed here: SettleSec=; the "
                      "line is ignored\n"
                      "text:9: [Detect] stallsec=1s: no such key; allowed here: WarnSec=, "
                      "StallSec=; the line is ignored\n");
        assert_policy(&reading.policy, 30, 180, 30);
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
                                "text:3: [?] StallSec=1s: no such section; allowed are [Detect], "
                                "[Recover]; the line is ignored\n",
                                strchr(headers[i], '\xFF') ? "the line holds bytes" : headers[i],
                                strchr(headers[i], '\xFF')
                                        ? " that are not UTF-8; it is ignored"
                                        : ": allowed is [Section]; the lines below it are ignored");
                reading = read_text(text);
                assert_report(&reading, 2, report);
                assert_policy(&reading.policy, 30, 120, 9);
        }
}

static void test_twice(void **state) {
        static const struct {
                const char *first, *second;
                int errors;
                usec_t stall;
                const char *stays;
        } cases[] = {
                { "3min", "4min", 1, 240, "4min" },
                { "4min", "3min", 1, 240, "4min" },
                { "2min", "2min", 1, 120, "the default 2min" },
                { "1s", "1min", 1, 60, "1min" },
                /* The first line is refused, so the default is one of those to choose from. */
                { "0", "1min", 2, 120, "the default 2min" },
                { "0", "3min", 2, 180, "3min" },
        };
        struct reading reading;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[256], last[256];

                (void) snprintf(text, sizeof(text), "[Detect]\nStallSec=%s\n[Recover]\n[Detect]\n"
                                "StallSec=%s\nWarnSec=1s\n", cases[i].first, cases[i].second);
                (void) snprintf(last, sizeof(last), "text:5: [Detect] StallSec=%s: allowed once, "
                                "and line 2 gave it before; the longest, %s, stays in force\n",
                                cases[i].second, cases[i].stays);
                reading = read_text(text);
                assert_int_equal(reading.r, cases[i].errors);
                assert_non_null(strstr(reading.text, last));
                assert_policy(&reading.policy, 1, cases[i].stall, 30);
        }

        reading = read_text("[Detect]\nStallSec=4min\nStallSec=0\nStallSec=3min\n");
        assert_report(&reading, 2, "text:3: [Detect] StallSec=0: allowed is a time from 1s to 7d; "
                                   "4min stays in force\n"
                                   "text:4: [Detect] StallSec=3min: allowed once, and line 2 gave "
                                   "it before; the longest, 4min, stays in force\n");
        assert_policy(&reading.policy, 30, 240, 30);
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
                      "text:3: [Detect] \u00fc=1: no such key; allowed here: WarnSec=, StallSec=; "
                      "the line is ignored\n"
                      "text:4: [Detect] \uFEFFStallSec=1s: no such key; allowed here: WarnSec=, "
                      "StallSec=; the line is ignored\n");
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
                        assert_defaults(&reading.policy);
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
        assert_defaults(&reading.policy);
}

static void test_no_callback(void **state) {
        struct policy policy;

        assert_int_equal(conf_load_text("x\ny\n", 4, NULL, NULL, &policy), 2);
        assert_int_equal(conf_load("/", NULL, NULL, &policy), 1);
        assert_defaults(&policy);
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
        assert_report(&reading, 1, "/: cannot be read: Is a directory; the defaults are in "
                                   "force\n");
        assert_defaults(&reading.policy);

        reading = read_path("/dev/zero");
        assert_report(&reading, 1, "/dev/zero: cannot be read: it is no regular file; the defaults "
                                   "are in force\n");

        /* A regular file that gives an error once it is read. */
        reading = read_path("/proc/self/mem");
        assert_report(&reading, 1, "/proc/self/mem: cannot be read: Input/output error; the "
                                   "defaults are in force\n");
        assert_defaults(&reading.policy);

        assert_int_equal(mkfifo(path, 0600), 0);
        reading = read_path(path);
        assert_non_null(strstr(reading.text, "it is no regular file"));
        assert_int_equal(unlink(path), 0);

        assert_int_equal(symlink("conf", path), 0);
        reading = read_path(path);
        assert_non_null(strstr(reading.text, "Too many levels of symbolic links; the defaults"));
        assert_int_equal(unlink(path), 0);

        assert_int_equal(close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0000)), 0);
        (void) snprintf(beyond, sizeof(beyond), "%s/x", path);
        reading = read_path(beyond);
        assert_non_null(strstr(reading.text, "Not a directory; the defaults are in force"));
        reading = read_path(path);
        if (geteuid() != 0)
                assert_non_null(strstr(reading.text, "Permission denied; the defaults are in"));
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
        assert_defaults(&reading.policy);
        assert_int_equal(reading.r, 1);
        assert_non_null(strstr(reading.text, ": cannot be read: it is larger than 16 MiB; the "
                                             "defaults are in force\n"));
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
                char value[FORMAT_USEC_MAX], line[128], *at;

                (void) snprintf(line, sizeof(line), "\n#%s=%s\n", conf_keys[i].name,
                                format_usec(value, sizeof(value), conf_keys[i].preset));
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
                reading = read_key(&conf_keys[i], "31s");
                assert_int_equal(conf_value(&reading.policy, &conf_keys[i]), 31 * USEC_PER_SEC);
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
                cmocka_unit_test(test_table_is_whole),
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_forms_of_a_line),
                cmocka_unit_test(test_unknown),
                cmocka_unit_test(test_neither_section_nor_key),
                cmocka_unit_test(test_broken_section),
                cmocka_unit_test(test_twice),
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
