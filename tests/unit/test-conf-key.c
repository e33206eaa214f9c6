/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/base/macro.h"
#include "agent/conf/key.h"

static const char *const words[] = { "none", "reboot", "panic", NULL };
static const char *const all[] = { "a", "b", "c", "d", "e", "f", "g", "h",
                                   "i", "j", "k", "l", "m", "n", "o", NULL };

static const struct conf_key choice = {
        .section = "S", .name = "Choice", .type = CONF_CHOICE, .careful = CONF_SMALLER,
        .words = words, .min = 0, .max = 2,
};
static const struct conf_key list = {
        .section = "S", .name = "List", .type = CONF_LIST, .careful = CONF_SMALLER,
        .words = all, .min = 0, .max = 15,
};

static void assert_reads(const struct conf_key *key, const char *text, uint64_t value,
                         const char *written) {
        char buf[CONF_TEXT_MAX];
        uint64_t read = 4711;

        assert_int_equal(conf_parse(key, text, &read), 0);
        assert_int_equal(read, value);
        assert_string_equal(conf_format(buf, sizeof(buf), key, read), written);
        assert_int_equal(conf_parse(key, written, &read), 0);
        assert_int_equal(read, value);
}

static void assert_refuses(const struct conf_key *key, const char *text, int error) {
        uint64_t read = 4711;

        assert_int_equal(conf_parse(key, text, &read), error);
        if (error == -EINVAL)
                assert_int_equal(read, 4711);
}

static void test_choice(void **state) {
        static const char *const garbage[] = { "", "None", "pan", "panics", "0", "none reboot" };
        char buf[CONF_TEXT_MAX];

        for (uint64_t i = 0; i < 3; i++)
                assert_reads(&choice, words[i], i, words[i]);
        for (size_t i = 0; i < ELEMENTSOF(garbage); i++)
                assert_refuses(&choice, garbage[i], -EINVAL);
        assert_string_equal(conf_allowed(buf, sizeof(buf), &choice), "none, reboot or panic");
        assert_int_equal(conf_careful(&choice, 0, 2), 0);
        assert_int_equal(conf_careful(&choice, 2, 1), 1);
}

static void test_list(void **state) {
        static const char *const garbage[] = { "p", "a a", "a b a", "a,b", "A", "ab" };
        char buf[CONF_TEXT_MAX];

        assert_reads(&list, "", 0, "");
        assert_reads(&list, "a", 0x1, "a");
        assert_reads(&list, "o", 0xF, "o");
        assert_reads(&list, " c \t a b ", 0x213, "c a b");
        assert_reads(&list, "o n m l k j i h g f e d c b a", 0x123456789ABCDEF,
                     "o n m l k j i h g f e d c b a");
        for (size_t i = 0; i < ELEMENTSOF(garbage); i++)
                assert_refuses(&list, garbage[i], -EINVAL);
        assert_string_equal(conf_allowed(buf, sizeof(buf), &list),
                            "nothing, or in their order, each at most once: "
                            "a, b, c, d, e, f, g, h, i, j, k, l, m, n, o");
        assert_int_equal(conf_careful(&list, 0x21, 0x3), 0x3);
        assert_int_equal(conf_careful(&list, 0, 0xF), 0);
}

static void test_list_of_some_length(void **state) {
        struct conf_key some = list;

        some.min = 1;
        some.max = 2;
        assert_refuses(&some, "", -ERANGE);
        assert_refuses(&some, "a b c", -ERANGE);
        assert_reads(&some, "b a", 0x12, "b a");
}

static void test_words_of_a_list(void **state) {
        uint64_t packed = 0x123456789ABCDEF;

        for (unsigned i = 0; i < 15; i++)
                assert_int_equal(policy_list_at(packed, i), 14 - i);
        assert_int_equal(policy_list_at(packed, 15), -1);
        assert_int_equal(policy_list_at(packed, 16), -1);
        assert_int_equal(policy_list_at(0xFFFFFFFFFFFFFFFF, 15), 14);
        assert_int_equal(policy_list_at(0xFFFFFFFFFFFFFFFF, 16), -1);
        assert_int_equal(policy_list_at(0, 0), -1);
}

/* Whatever the table says of itself can be written and read. */
static void test_presets(void **state) {
        for (size_t i = 0; i < CONF_KEYS; i++) {
                const struct conf_key *key = &conf_keys[i];
                char buf[CONF_TEXT_MAX];
                uint64_t value = 0;

                assert_int_equal(
                        conf_parse(key, conf_format(buf, sizeof(buf), key, key->preset), &value),
                        0);
                assert_int_equal(value, key->preset);
                assert_non_null(strchr(conf_allowed(buf, sizeof(buf), key), ' '));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_choice),
                cmocka_unit_test(test_list),
                cmocka_unit_test(test_list_of_some_length),
                cmocka_unit_test(test_words_of_a_list),
                cmocka_unit_test(test_presets),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
