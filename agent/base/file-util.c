/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/types.h>

#include "agent/base/file-util.h"

int read_attribute(int fd, char *buf, size_t size) {
        ssize_t n;

        assert(buf && size > 0);

        n = pread(fd, buf, size, 0);
        if (n < 0)
                return -errno;
        if ((size_t) n == size)
                return -EMSGSIZE;
        if (n > 0 && buf[n - 1] == '\n')
                n--;
        buf[n] = '\0';
        return (int) n;
}

int read_attribute_at(int dirfd, const char *name, char *buf, size_t size) {
        _cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : read_attribute(fd, buf, size);
}

int read_number(int fd, uint64_t *ret) {
        char buf[32], *end;
        unsigned long long v;
        int r;

        assert(ret);

        r = read_attribute(fd, buf, sizeof(buf));
        if (r < 0)
                return r;
        errno = 0;
        v = strtoull(buf, &end, strncmp(buf, "0x", 2) == 0 ? 16 : 10);
        if (errno != 0)
                return -errno;
        if (end == buf || *end != '\0' || strchr(buf, '-'))
                return -EINVAL;
        *ret = v;
        return 0;
}

int write_attribute(int fd, const char *text) {
        return pwrite_all(fd, text, strlen(text), 0);
}

int pwrite_all(int fd, const void *data, size_t n, off_t offset) {
        ssize_t r;

        assert(data);

        r = pwrite(fd, data, n, offset);
        if (r < 0)
                return -errno;
        return (size_t) r == n ? 0 : -EIO;
}

int escape_octal(char *buf, size_t size, const char *text) {
        size_t used = 0;

        assert(buf && text);

        for (; *text; text++) {
                unsigned char c = (unsigned char) *text;
                bool special = c == ' ' || c == '\t' || c == '\n' || c == '\\';

                if (used + (special ? 4 : 1) >= size)
                        return -ENOBUFS;
                if (special)
                        used += (size_t) sprintf(buf + used, "\\%03o", c);
                else
                        buf[used++] = (char) c;
        }
        buf[used] = '\0';
        return 0;
}

static bool is_octal(const char *p) {
        return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' &&
               p[2] <= '7';
}

void unescape_octal(char *text) {
        char *to = text;

        assert(text);

        for (const char *p = text; *p;)
                if (*p == '\\' && is_octal(p + 1)) {
                        *to++ = (char) ((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
                        p += 4;
                } else
                        *to++ = *p++;
        *to = '\0';
}

int block_device_name(const char *sysfs, dev_t device, char *name, size_t size) {
        char link[PATH_MAX], target[PATH_MAX];
        const char *slash;
        ssize_t n;

        assert(sysfs && name);

        if ((size_t) snprintf(link, sizeof(link), "%s/dev/block/%u:%u", sysfs, major(device),
                              minor(device)) >= sizeof(link))
                return -ENAMETOOLONG;
        n = readlink(link, target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = '\0';
        slash = strrchr(target, '/');
        return (size_t) snprintf(name, size, "%s", slash ? slash + 1 : target) < size
                       ? 0
                       : -ENAMETOOLONG;
}
