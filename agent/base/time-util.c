/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "agent/base/macro.h"
#include "agent/base/time-util.h"

usec_t now_monotonic(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

static const struct unit {
        const char *name;
        usec_t usec;
} units[] = {
        { "us", 1 },
        { "usec", 1 },
        { "ms", USEC_PER_MSEC },
        { "msec", USEC_PER_MSEC },
        { "s", USEC_PER_SEC },
        { "sec", USEC_PER_SEC },
        { "second", USEC_PER_SEC },
        { "seconds", USEC_PER_SEC },
        { "m", USEC_PER_MINUTE },
        { "min", USEC_PER_MINUTE },
        { "minute", USEC_PER_MINUTE },
        { "minutes", USEC_PER_MINUTE },
        { "h", USEC_PER_HOUR },
        { "hr", USEC_PER_HOUR },
        { "hour", USEC_PER_HOUR },
        { "hours", USEC_PER_HOUR },
        { "d", USEC_PER_DAY },
        { "day", USEC_PER_DAY },
        { "days", USEC_PER_DAY },
        { "w", 7 * USEC_PER_DAY },
        { "week", 7 * USEC_PER_DAY },
        { "weeks", 7 * USEC_PER_DAY },
};

static bool digit(char c) {
        return c >= '0' && c <= '9';
}

static const char *skip_space(const char *p) {
        return p + strspn(p, " \t");
}

/* Reads "12.5" as twelve and 500000 millionths. */
static int parse_number(const char **p, uint64_t *ret_whole, uint64_t *ret_millionths) {
        uint64_t whole = 0, millionths = 0;
        const char *s = *p;
        bool any = false;

        for (; digit(*s); s++, any = true)
                if (__builtin_mul_overflow(whole, (uint64_t) 10, &whole) ||
                    __builtin_add_overflow(whole, (uint64_t) (*s - '0'), &whole))
                        return -ERANGE;
        if (*s == '.') {
                uint64_t weight = USEC_PER_SEC / 10;

                any = false; /* digits follow a point, and no second point them */
                for (s++; digit(*s); s++, any = true, weight /= 10)
                        millionths += weight * (uint64_t) (*s - '0');
        }
        if (!any || *s == '.')
                return -EINVAL;

        *p = s;
        *ret_whole = whole;
        *ret_millionths = millionths;
        return 0;
}

static int parse_unit(const char **p, usec_t *ret) {
        size_t n = strspn(*p, "abcdefghijklmnopqrstuvwxyz");

        if (n == 0) {
                *ret = USEC_PER_SEC;
                return 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strlen(units[i].name) == n && strncmp(units[i].name, *p, n) == 0) {
                        *ret = units[i].usec;
                        *p += n;
                        return 0;
                }
        return -EINVAL;
}

static int parse_term(const char **p, usec_t *ret) {
        uint64_t whole, millionths;
        usec_t unit, fraction, t;
        int r;

        r = parse_number(p, &whole, &millionths);
        if (r < 0)
                return r;
        *p = skip_space(*p);
        r = parse_unit(p, &unit);
        if (r < 0)
                return r;
        /* Less than one unit, and the largest unit is a week: this cannot overflow. */
        fraction = millionths * (unit / USEC_PER_MSEC) / USEC_PER_MSEC;
        if (__builtin_mul_overflow(whole, unit, &t) || __builtin_add_overflow(t, fraction, &t))
                return -ERANGE;
        *ret = t;
        return 0;
}

int parse_usec(const char *text, usec_t *ret) {
        const char *p = skip_space(text);
        usec_t sum = 0;

        assert(text && ret);

        if (strcmp(p, "infinity") == 0) {
                *ret = USEC_INFINITY;
                return 0;
        }
        do {
                usec_t t;
                int r;

                r = parse_term(&p, &t);
                if (r < 0)
                        return r;
                if (__builtin_add_overflow(sum, t, &sum) || sum == USEC_INFINITY)
                        return -ERANGE;
                p = skip_space(p);
        } while (*p);

        *ret = sum;
        return 0;
}

const char *format_usec(char *buf, size_t size, usec_t t) {
        static const struct unit parts[] = {
                { "d", USEC_PER_DAY },
                { "h", USEC_PER_HOUR },
                { "min", USEC_PER_MINUTE },
                { "s", USEC_PER_SEC },
        };
        size_t used = 0;

        assert(buf && size >= FORMAT_USEC_MAX);

        if (t == USEC_INFINITY)
                (void) snprintf(buf, size, "infinity");
        else if (t < USEC_PER_MSEC)
                (void) snprintf(buf, size, "0");
        else if (t < USEC_PER_MINUTE && t % USEC_PER_SEC >= USEC_PER_MSEC)
                (void) snprintf(buf, size, "%" PRIu64 ".%03" PRIu64 "s", t / USEC_PER_SEC,
                                t % USEC_PER_SEC / USEC_PER_MSEC);
        else
                for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                        usec_t n = t / parts[i].usec;

                        t %= parts[i].usec;
                        if (n == 0)
                                continue;
                        used += (size_t) snprintf(buf + used, size - used, "%s%" PRIu64 "%s",
                                                  used > 0 ? " " : "", n, parts[i].name);
                }
        return buf;
}
