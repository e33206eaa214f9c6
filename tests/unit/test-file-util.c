/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

#include "agent/base/file-util.h"
#include "tests/unit/random.h"
#include "tests/unit/temp-dir.h"

/* A file descriptor of a file with this content. */
static int file_with(const struct temp_dir *dir, const char *text) {
        const char *path = temp_path(dir, "attribute");
        int fd;

        write_text(path, text);
        fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

static void test_read_attribute(void **state) {
        static const struct {
                const char *text, *read;
        } cases[] = {
                { "running\n", "running" }, { "running", "running" }, { "", "" },
                { "\n", "" },               { "a\n\n", "a\n" },       { "  1  2\n", "  1  2" },
                { "1234567", "1234567" },
        };
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_close_ int fd = file_with(&dir, cases[i].text);

                for (int again = 0; again < 2; again++) {
                        char buf[9] = "xxxxxxxx";

                        assert_int_equal(read_attribute(fd, buf, sizeof(buf)),
                                         strlen(cases[i].read));
                        assert_string_equal(buf, cases[i].read);
                }
        }
}

static void test_read_attribute_too_long(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        _cleanup_close_ int fd = file_with(&dir, "12345678");
        char buf[9];

        /* What just fits is not told from what does not, without room for a NUL. */
        assert_int_equal(read_attribute(fd, buf, 8), -EMSGSIZE);
        assert_int_equal(read_attribute(fd, buf, 9), 8);
        assert_int_equal(read_attribute(fd, buf, 1), -EMSGSIZE);
}

static void test_read_attribute_errors(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        _cleanup_close_ int fd = open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char buf[8];

        assert_int_equal(read_attribute(-EBADF, buf, sizeof(buf)), -EBADF);
        assert_int_equal(read_attribute(fd, buf, sizeof(buf)), -EISDIR);
        assert_int_equal(read_attribute_at(fd, "none", buf, sizeof(buf)), -ENOENT);
        write_text(temp_path(&dir, "some"), "thing\n");
        assert_int_equal(read_attribute_at(fd, "some", buf, sizeof(buf)), 5);
        assert_string_equal(buf, "thing");
}

static void test_read_number(void **state) {
        static const struct {
                const char *text;
                uint64_t number;
        } good[] = {
                { "0\n", 0 },       { "7", 7 },
                { "0x0\n", 0 },     { "0x1f3a\n", 0x1f3a },
                { "010\n", 10 },    { "18446744073709551615\n", UINT64_MAX },
                { "  12\n", 12 },   { "0xffffffffffffffff\n", UINT64_MAX },
        };
        static const struct {
                const char *text;
                int error;
        } bad[] = {
                { "", -EINVAL },      { "\n", -EINVAL },  { "x", -EINVAL },    { "-1\n", -EINVAL },
                { " -1\n", -EINVAL }, { "1 2", -EINVAL }, { "1x\n", -EINVAL }, { "0x\n", -EINVAL },
                { "1\n\n", -EINVAL }, { "1.5", -EINVAL }, { "0xg", -EINVAL },  { "-", -EINVAL },
                { "18446744073709551616\n", -ERANGE },    { "0x10000000000000000\n", -ERANGE },
                { "0000000000000000000000000000000001", -EMSGSIZE },
        };
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_close_ int fd = file_with(&dir, good[i].text);
                uint64_t n = 12345;

                assert_int_equal(read_number(fd, &n), 0);
                assert_int_equal(n, good[i].number);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_close_ int fd = file_with(&dir, bad[i].text);
                uint64_t n = 12345;

                if (read_number(fd, &n) != bad[i].error || n != 12345)
                        fail_msg("\"%s\"", bad[i].text);
        }
}

static void test_write(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        _cleanup_close_ int fd = file_with(&dir, "running\n");
        _cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        _cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        char buf[32];

        assert_int_equal(write_attribute(fd, "offline"), 0);
        assert_int_equal(read_attribute(fd, buf, sizeof(buf)), 7);
        assert_string_equal(buf, "offline");
        assert_int_equal(pwrite_all(fd, "FL", 2, 1), 0);
        assert_int_equal(read_attribute(fd, buf, sizeof(buf)), 7);
        assert_string_equal(buf, "oFLline");
        assert_int_equal(pwrite_all(fd, "", 0, 0), 0);

        assert_int_equal(write_attribute(full, "x"), -ENOSPC);
        assert_int_equal(write_attribute(null, "x"), -EBADF);
        assert_int_equal(write_attribute(-EBADF, "x"), -EBADF);
}

/* As when /run is nearly full. */
static void test_write_half(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        _cleanup_close_ int fd = file_with(&dir, "");
        struct rlimit saved, limit;
        int r;

        assert_int_equal(getrlimit(RLIMIT_FSIZE, &saved), 0);
        limit = saved;
        limit.rlim_cur = 4;
        (void) signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        r = write_attribute(fd, "offline\n");
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &saved), 0);
        assert_int_equal(r, -EIO);
}

static void test_escape(void **state) {
        static const struct {
                const char *text, *escaped;
        } cases[] = {
                { "", "" },
                { "/mnt/data", "/mnt/data" },
                { "/mnt/my data", "/mnt/my\\040data" },
                { "\t\n \\", "\\011\\012\\040\\134" },
                { "\\040", "\\134040" },
                { "\xff\x01#\"", "\xff\x01#\"" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                size_t n = strlen(cases[i].escaped) + 1;
                char buf[64];

                assert_int_equal(escape_octal(buf, sizeof(buf), cases[i].text), 0);
                assert_string_equal(buf, cases[i].escaped);
                assert_int_equal(escape_octal(buf, n, cases[i].text), 0);
                assert_string_equal(buf, cases[i].escaped);
                if (n > 1)
                        assert_int_equal(escape_octal(buf, n - 1, cases[i].text), -ENOBUFS);
                unescape_octal(buf);
        }
}

static void test_unescape(void **state) {
        static const struct {
                const char *escaped, *text;
        } cases[] = {
                { "", "" },
                { "\\", "\\" },
                { "\\0", "\\0" },
                { "\\04", "\\04" },
                { "\\040", " " },
                { "\\0401", " 1" },
                { "\\400", "\\400" },
                { "\\377", "\xff" },
                { "\\8", "\\8" },
                { "\\\\040", "\\ " },
                { "\\134040", "\\040" },
                { "a\\", "a\\" },
                { "\\000rest", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char buf[32];

                (void) snprintf(buf, sizeof(buf), "%s", cases[i].escaped);
                unescape_octal(buf);
                assert_string_equal(buf, cases[i].text);
        }
}

static void test_round_trip(void **state) {
        struct random random = { 0x756e68616e6a };

        for (int i = 0; i < 200000; i++) {
                char text[33], escaped[4 * sizeof(text)];
                size_t n = random_between(&random, 0, sizeof(text) - 1);

                for (size_t k = 0; k < n; k++)
                        text[k] = random_between(&random, 0, 1)
                                          ? "\\ \n\t01234567"[random_between(&random, 0, 11)]
                                          : (char) random_between(&random, 1, 255);
                text[n] = '\0';
                assert_int_equal(escape_octal(escaped, sizeof(escaped), text), 0);
                assert_null(strpbrk(escaped, " \n\t"));
                unescape_octal(escaped);
                assert_string_equal(escaped, text);
        }
}

static void test_block_device_name(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        char name[5];

        assert_int_equal(block_device_name(temp_path(&dir, "."), makedev(8, 1), name, sizeof(name)),
                         -ENOENT);
        make_symlink("../../devices/x/block/sda/sda1", temp_path(&dir, "dev/block/8:1"));
        make_symlink("../../devices/x/block/sdaa1", temp_path(&dir, "dev/block/65:161"));
        assert_int_equal(block_device_name(temp_path(&dir, "."), makedev(8, 1), name, sizeof(name)),
                         0);
        assert_string_equal(name, "sda1");
        assert_int_equal(block_device_name(temp_path(&dir, "."), makedev(65, 161), name,
                                           sizeof(name)), -ENAMETOOLONG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_read_attribute),
                cmocka_unit_test(test_read_attribute_too_long),
                cmocka_unit_test(test_read_attribute_errors),
                cmocka_unit_test(test_read_number),
                cmocka_unit_test(test_write),
                cmocka_unit_test(test_write_half),
                cmocka_unit_test(test_escape),
                cmocka_unit_test(test_unescape),
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_block_device_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
