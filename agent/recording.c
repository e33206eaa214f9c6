/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/macro.h"
#include "agent/base/time-util.h"
#include "agent/decide/names.h"
#include "agent/recording.h"

/* The age of one and the same request, told at two times, differs by no more than the kernel's and
 * our own clockwork. */
#define SAME_REQUEST (50 * USEC_PER_MSEC)

static void put(char *buf, const char *format, ...) _printf_(2, 3);
static void put(char *buf, const char *format, ...) {
        size_t n = strlen(buf);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(buf + n, RECORDING_LINE_MAX - n, format, ap);
        va_end(ap);
}

/* In seconds, with as many decimals as are needed. */
static void put_time(char *buf, const char *before, usec_t t) {
        int decimals = 6;

        if (t == USEC_INFINITY) {
                put(buf, "%sinfinity", before);
                return;
        }
        put(buf, "%s%" PRIu64, before, t / USEC_PER_SEC);
        t %= USEC_PER_SEC;
        for (; t > 0 && t % 10 == 0; t /= 10)
                decimals--;
        if (t > 0)
                put(buf, ".%0*" PRIu64, decimals, t);
        put(buf, "s");
}

static void begin(char *buf, usec_t start, usec_t at) {
        buf[0] = '\0';
        put_time(buf, "at ", at - start);
}

void recording_policy(char *buf, const char *name, const struct policy *policy) {
        assert(buf && name && policy);

        buf[0] = '\0';
        put(buf, "policy disk %s", name);
        put_time(buf, " warn=", policy->warn);
        put_time(buf, " stall=", policy->stall);
        put_time(buf, " settle=", policy->settle);
        if (policy->inflight_limit != UINT64_MAX) {
                put(buf, " inflight-limit=%" PRIu64, policy->inflight_limit);
                put_time(buf, " inflight=", policy->inflight);
        }
        put(buf, "\n");
}

/* Words are parted by blanks. */
static void put_word(char *buf, const char *word) {
        size_t n = strlen(buf);

        put(buf, " %s", word[0] ? word : "-");
        for (char *p = buf + n + 1; *p; p++)
                if (*p <= ' ' || *p == '#')
                        *p = '_';
}

static void put_facts(char *buf, const struct nvme_facts *facts) {
        put(buf, " multipath=%s lockdown=%s movable-bar=%s own-bridge=%s identify=%s",
            facts->multipath ? "yes" : "no", facts->lockdown ? "yes" : "no",
            facts->movable_bar ? "yes" : "no", facts->own_bridge ? "yes" : "no",
            facts->identify ? "yes" : "no");
        put_time(buf, " io-timeout=", facts->io_timeout);
        put_time(buf, " admin-timeout=", facts->admin_timeout);
}

bool recording_here(char *buf, usec_t start, usec_t at, const char *name,
                    const struct circumstances *before, const struct circumstances *here) {
        assert(buf && name && before && here);

        if (memcmp(before->healthy, here->healthy, sizeof(here->healthy)) == 0 &&
            before->suppressed == here->suppressed && before->owners == here->owners)
                return false;
        begin(buf, start, at);
        put(buf, " here");
        put_word(buf, name);
        put(buf, " healthy=%u target=%u suppressed=%s owned=%s\n", here->healthy[REACH_DOMAIN],
            here->healthy[REACH_TARGET], here->suppressed ? "yes" : "no",
            here->owners != 0 ? "yes" : "no");
        return true;
}

void recording_device(char *buf, const struct disk_id *id, const struct nvme_facts *facts,
                      enum footing footing, bool acts) {
        static const char *const footings[] = { "none", "data", "system" };

        assert(buf && id);

        buf[0] = '\0';
        put(buf, "device");
        put_word(buf, id->name);
        put_word(buf, id->driver);
        put_word(buf, id->address);
        put(buf, " footing=%s acts=%s", footings[footing], acts ? "yes" : "no");
        if (facts)
                put_facts(buf, facts);
        put(buf, "\n");
}

static void put_number(char *buf, const char *name, const uint64_t *before, uint64_t n) {
        if (!before || *before != n)
                put(buf, " %s=%" PRIu64, name, n);
}

static void put_flag(char *buf, const char *name, const bool *before, bool yes) {
        if (before ? *before != yes : yes)
                put(buf, " %s=%s", name, yes ? "yes" : "no");
}

static bool same_oldest(const struct sample *before, const struct sample *sample) {
        usec_t a, b;

        if (!before || !before->listed || before->oldest == 0 || sample->oldest == 0)
                return before && before->listed && before->oldest == sample->oldest;
        a = before->at - before->oldest;
        b = sample->at - sample->oldest;
        return (a > b ? a - b : b - a) < SAME_REQUEST;
}

static void put_oldest(char *buf, const struct sample *before, const struct sample *sample) {
        if (!sample->listed)
                put_flag(buf, "listed", before ? &before->listed : NULL, false);
        else if (sample->oldest == 0 && !same_oldest(before, sample))
                put(buf, " oldest=none");
        else if (!same_oldest(before, sample))
                put_time(buf, " oldest=", sample->oldest);
}

bool recording_sample(char *buf, usec_t start, const char *name, const struct sample *before,
                      const struct sample *sample) {
        uint64_t outstanding_before = before ? before->outstanding : 0;
        size_t n;

        assert(buf && name && sample);

        begin(buf, start, sample->at);
        put(buf, " disk %s", name);
        n = strlen(buf);
        put_number(buf, "completed", before ? &before->completed : NULL, sample->completed);
        put_number(buf, "answered", before ? &before->answered : NULL, sample->answered);
        put_number(buf, "timeouts", before ? &before->timeouts : NULL, sample->timeouts);
        if (before ? before->timeout != sample->timeout : sample->timeout > 0)
                put_time(buf, " timeout=", sample->timeout);
        put_number(buf, "outstanding", before ? &outstanding_before : NULL, sample->outstanding);
        put_flag(buf, "recovering", before ? &before->recovering : NULL, sample->recovering);
        put_flag(buf, "failover", before ? &before->failover : NULL, sample->failover);
        put_flag(buf, "offline", before ? &before->offline : NULL, sample->offline);
        put_oldest(buf, before, sample);
        if (strlen(buf) == n)
                return false;
        put(buf, "\n");
        return true;
}

void recording_host(char *buf, usec_t start, usec_t at, const char *name, bool busy) {
        assert(buf && name);

        begin(buf, start, at);
        put(buf, " host %s %s\n", name, busy ? "busy" : "free");
}

void recording_paused(char *buf, usec_t start, usec_t from, usec_t until) {
        assert(buf);

        begin(buf, start, from);
        put_time(buf, " paused until ", until - start);
        put(buf, "\n");
}

void recording_end(char *buf, usec_t start, usec_t at) {
        assert(buf);

        buf[0] = '\0';
        put_time(buf, "end ", at - start);
        put(buf, "\n");
}

void recording_returned(char *buf, usec_t start, usec_t at, const char *name, enum step step,
                        int error) {
        assert(buf && name);

        begin(buf, start, at);
        put(buf, " returned %s %s %s\n", name, step_to_string(step), return_to_string(error));
}
