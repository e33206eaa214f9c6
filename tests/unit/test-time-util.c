/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "agent/base/macro.h"
#include "agent/base/time-util.h"
#include "tests/unit/random.h"

static const struct {
        const char *text;
        usec_t t;
} spans[] = {
        { "0", 0 },
        { "1", USEC_PER_SEC },
        { "45s", 45 * USEC_PER_SEC },
        { "45 s", 45 * USEC_PER_SEC },
        { " \t45\ts ", 45 * USEC_PER_SEC },
        { "45sec", 45 * USEC_PER_SEC },
        { "45second", 45 * USEC_PER_SEC },
        { "45 seconds", 45 * USEC_PER_SEC },
        { "5min", 5 * USEC_PER_MINUTE },
        { "5m", 5 * USEC_PER_MINUTE },
        { "5minutes", 5 * USEC_PER_MINUTE },
        { "1h 30min", 90 * USEC_PER_MINUTE },
        { "1h30min", 90 * USEC_PER_MINUTE },
        { "30min 1hour", 90 * USEC_PER_MINUTE },
        { "2hr", 2 * USEC_PER_HOUR },
        { "1d", USEC_PER_DAY },
        { "3days", 3 * USEC_PER_DAY },
        { "1week", 7 * USEC_PER_DAY },
        { "2w", 14 * USEC_PER_DAY },
        { "250ms", 250 * USEC_PER_MSEC },
        { "250msec", 250 * USEC_PER_MSEC },
        { "7us", 7 },
        { "7usec", 7 },
        { "1.5s", 1500 * USEC_PER_MSEC },
        { "1.5", 1500 * USEC_PER_MSEC },
        { ".5s", 500 * USEC_PER_MSEC },
        { "0.000001s", 1 },
        { "0.0000019s", 1 },
        { "1.5h", 90 * USEC_PER_MINUTE },
        { "0.5w", 84 * USEC_PER_HOUR },
        { "0.25ms", 250 },
        { "infinity", USEC_INFINITY },
        { " infinity", USEC_INFINITY },
        { "18446744073709551614us", USEC_INFINITY - 1 },
        { "18446744073709s 551614us", USEC_INFINITY - 1 },
        { "000000000000000000000000001s", USEC_PER_SEC },
};

static void test_parse(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(spans); i++) {
                usec_t t = 12345;

                if (parse_usec(spans[i].text, &t) != 0 || t != spans[i].t)
                        fail_msg("\"%s\": %llu", spans[i].text, (unsigned long long) t);
        }
}

static void test_parse_garbage(void **state) {
        static const char *const garbage[] = {
                "", " ", "\t", "s", "min", "-1", "-1s", "+1s", "1x", "1sx", "1 2x", "x1", "0x10",
                "1e3", "1,5s", ".", ".s", "1s,", "1s;", "1ss", "1 s s", "1S", "1MIN", "inf",
                "infinity 1s", "1s infinity", "infinitys", "nan", "1s\n", "\n1s",
                "1\xc2\xb5s", "\xff", "3.s", "3.", "3. 1s", "12..34", "..12", "12.34.56", "1.2.",
                "3.+1s", "1.-5s", "1.e5",
        };

        for (size_t i = 0; i < ELEMENTSOF(garbage); i++) {
                usec_t t = 12345;

                if (parse_usec(garbage[i], &t) != -EINVAL)
                        fail_msg("\"%s\" is taken for %llu us", garbage[i],
                                 (unsigned long long) t);
                assert_int_equal(t, 12345);
        }
}

static void test_parse_too_large(void **state) {
        static const char *const large[] = {
                "18446744073709551615us", "18446744073709551616us", "18446744073710s",
                "99999999999999999999", "99999999999999999999999999999999999999us",
                "18446744073709551615w", "30500569w", "18446744073709s 551615us",
                "18446744073709s 600000us",
                "18446744073709551614us 1us", "18446744073709551615.5us",
        };

        for (size_t i = 0; i < ELEMENTSOF(large); i++) {
                usec_t t = 12345;

                if (parse_usec(large[i], &t) != -ERANGE)
                        fail_msg("\"%s\" is taken for %llu us", large[i], (unsigned long long) t);
                assert_int_equal(t, 12345);
        }
}

static void test_format(void **state) {
        static const struct {
                usec_t t;
                const char *text;
        } cases[] = {
                { USEC_INFINITY, "infinity" },
                { 0, "0" },
                { 999, "0" },
                { 1000, "0.001s" },
                { 1999, "0.001s" },
                { USEC_PER_SEC - 1, "0.999s" },
                { USEC_PER_SEC, "1s" },
                { USEC_PER_SEC + 999, "1s" },
                { 1250 * USEC_PER_MSEC, "1.250s" },
                { 45 * USEC_PER_SEC, "45s" },
                { USEC_PER_MINUTE - 1, "59.999s" },
                { USEC_PER_MINUTE, "1min" },
                { USEC_PER_MINUTE + 999999, "1min" },
                { 2 * USEC_PER_MINUTE, "2min" },
                { 90 * USEC_PER_MINUTE, "1h 30min" },
                { 3 * USEC_PER_DAY + 4 * USEC_PER_HOUR, "3d 4h" },
                { USEC_PER_DAY + USEC_PER_SEC, "1d 1s" },
                { USEC_INFINITY - 1, "213503982d 8h 1min 49s" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char buf[FORMAT_USEC_MAX];

                assert_ptr_equal(format_usec(buf, sizeof(buf), cases[i].t), buf);
                assert_string_equal(buf, cases[i].text);
        }
}

static void test_round_trip(void **state) {
        struct random random = { 0x756e68616e67 };

        for (int i = 0; i < 500000; i++) {
                usec_t t = (random_u64(&random) >> random_between(&random, 0, 63)) / USEC_PER_SEC *
                           USEC_PER_SEC, back = 12345;
                char buf[FORMAT_USEC_MAX];

                assert_int_equal(parse_usec(format_usec(buf, sizeof(buf), t), &back), 0);
                if (back != t)
                        fail_msg("%llu became \"%s\"", (unsigned long long) t, buf);
        }
}

/* Whatever the time: it is never shown longer than it is, nor by a whole second shorter. */
static void test_format_any(void **state) {
        struct random random = { 0x756e68616e68 };

        for (int i = 0; i < 500000; i++) {
                usec_t t = random_u64(&random) >> random_between(&random, 0, 63), back = 0;
                char buf[FORMAT_USEC_MAX];

                assert_int_equal(parse_usec(format_usec(buf, sizeof(buf), t), &back), 0);
                assert_true(t == USEC_INFINITY || (back <= t && t - back < USEC_PER_SEC));
                assert_true(t >= USEC_PER_MINUTE || t - back < USEC_PER_MSEC);
        }
}

static void test_random_garbage(void **state) {
        static const char alphabet[] = "0123456789.. \tsmhdwuinfyec-+x\x80\xff";
        struct random random = { 0x756e68616e69 };

        for (int i = 0; i < 500000; i++) {
                char text[24];
                size_t n = random_between(&random, 0, sizeof(text) - 1);
                usec_t t = 12345;
                int r;

                for (size_t k = 0; k < n; k++)
                        text[k] = alphabet[random_between(&random, 0, sizeof(alphabet) - 2)];
                text[n] = '\0';
                r = parse_usec(text, &t);
                assert_true(r == 0 || ((r == -EINVAL || r == -ERANGE) && t == 12345));
        }
}

static void test_now(void **state) {
        usec_t a = now_monotonic(), b = now_monotonic();

        assert_true(a > 0 && a <= b);
        assert_true(b - a < USEC_PER_MINUTE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_parse_garbage),
                cmocka_unit_test(test_parse_too_large),
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_format_any),
                cmocka_unit_test(test_random_garbage),
                cmocka_unit_test(test_now),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
