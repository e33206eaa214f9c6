/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <ini.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/conf/reader.h"

/* inih takes lines apart, but it knows no line numbers, cuts a long line in two, joins an indented
 * line to the one before and stays in the old section when a header is broken. So it is fed with
 * lines that have been read, counted and judged here, and are of a form it cannot misunderstand. */

/* Longer names there are not. */
#define NAME_MAX_BYTES 64

struct reader {
        struct conf_report *report;
        conf_pair_cb pair;
        void *userdata;
        unsigned line;          /* the one that was read last, from 1 */
        bool spoiled;           /* of that line only the name is to be used */
        const char *next, *end; /* what is read and not yet taken */
        int fd;                 /* where more comes from, or -EBADF */
        size_t size;            /* bytes read from it */
        const char *unreadable; /* why it could not be read to its end */
        char buffer[4096];
};

static void refill(struct reader *p) {
        ssize_t n;

        if (p->fd < 0)
                return;
        do
                n = read(p->fd, p->buffer, sizeof(p->buffer));
        while (n < 0 && errno == EINTR);
        if (n < 0) {
                p->unreadable = strerror(errno);
                return;
        }
        p->size += (size_t) n;
        if (p->size > CONF_SIZE_MAX) {
                p->unreadable = "it is larger than 16 MiB";
                return;
        }
        p->next = p->buffer;
        p->end = p->buffer + n;
}

/* Takes the next line without its end. What does not fit into SIZE bytes is passed over, but
 * counted in *ret_length. Returns false at the end of the file. */
static bool take_line(struct reader *p, char *line, size_t size, size_t *ret_length) {
        size_t n = 0;
        bool any = false;

        for (;;) {
                char c;

                if (p->next == p->end)
                        refill(p);
                if (p->next == p->end)
                        break;
                any = true;
                c = *p->next++;
                if (c == '\n')
                        break;
                if (n < size)
                        line[n] = c;
                n++;
        }
        if (n > 0 && n <= size && line[n - 1] == '\r')
                n--;
        *ret_length = n;
        return any && !p->unreadable;
}

/* The length of the character at the start of the N bytes at P; 0 when these are not UTF-8. */
static size_t decode(const unsigned char *p, size_t n, uint32_t *ret) {
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t length = *p < 0x80 ? 1 : *p < 0xC0 ? 0 : *p < 0xE0 ? 2 : *p < 0xF0 ? 3 : 4;
        uint32_t c;

        if (length == 0 || length > n || *p > 0xF4)
                return 0;
        c = length == 1 ? *p : *p & (0xFFU >> (length + 1));
        for (size_t i = 1; i < length; i++) {
                if ((p[i] & 0xC0) != 0x80)
                        return 0;
                c = c << 6 | (p[i] & 0x3F);
        }
        if (c < least[length] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
                return 0;
        *ret = c;
        return length;
}

/* Why the line is no text, or NULL. What passes here can be repeated in a log as it is. */
static const char *not_text(const char *line, size_t length) {
        size_t step;

        for (size_t i = 0; i < length; i += step) {
                uint32_t c;

                step = decode((const unsigned char *) line + i, length - i, &c);
                if (step == 0)
                        return "holds bytes that are not UTF-8";
                if (c == 0)
                        return "holds a NUL byte";
                if ((c < 0x20 && c != '\t') || (c >= 0x7F && c < 0xA0))
                        return "holds a control character";
        }
        return NULL;
}

/* Whether nothing but blanks or a comment follows. */
static bool is_rest(const char *p) {
        p += strspn(p, " \t");
        return *p == '\0' || *p == '#' || *p == ';';
}

/* Whether inih can only read the line as "[Name]". */
static bool is_section(const char *line) {
        size_t n = strcspn(line + 1, "[]; \t");

        return n > 0 && line[1 + n] == ']' && is_rest(line + 1 + n + 1);
}

/* Whether inih can only read the line as "Key=VALUE". */
static bool is_assignment(const char *line) {
        size_t n = strcspn(line, "=:; \t");

        return n > 0 && line[n + strspn(line + n, " \t")] == '=';
}

/* Complains of a line that is not to be handed on; returns whether it did. LINE is the line from
 * its first character on, RAW the whole, of which LENGTH bytes were in the file. */
static bool refuse(struct reader *p, const char *line, const char *raw, size_t length) {
        const char *why;

        if (length > CONF_LINE_MAX)
                conf_complain(p->report, p->line, "the line has more than %d bytes; it is ignored",
                              CONF_LINE_MAX);
        else if ((why = not_text(line, length - (size_t) (line - raw))))
                conf_complain(p->report, p->line, "the line %s; it is ignored", why);
        else if (*line == '[' && !is_section(line))
                conf_complain(p->report, p->line,
                              "%s: allowed is [Section]; the lines below it are ignored", line);
        else if (*line != '[' && *line != '\0' && !is_assignment(line))
                conf_complain(p->report, p->line,
                              "%s: allowed are [Section] and Key=VALUE; the line is ignored", line);
        else
                return false;
        return true;
}

/* What is handed on for a line that was refused: no key below a header that was not understood may
 * count for the section above; and that a key was given is told, without what it was given. */
static const char *remains(struct reader *p, const char *line, char buf[static NAME_MAX_BYTES]) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        size_t n = strspn(line, letters);

        if (*line == '[')
                return "[?]";
        if (n == 0 || n + strlen("=") >= NAME_MAX_BYTES || line[n + strspn(line + n, " \t")] != '=')
                return "";
        (void) snprintf(buf, NAME_MAX_BYTES, "%.*s=", (int) n, line);
        p->spoiled = true;
        return buf;
}

/* The reader of inih. It sees each line from its first character on, and no comments. */
static char *read_line(char *ret, int size, void *userdata) {
        static const char bom[] = "\xEF\xBB\xBF";
        char raw[CONF_LINE_MAX + sizeof("\r")], name[NAME_MAX_BYTES];
        struct reader *p = userdata;
        const char *line = raw;
        size_t length;

        if (!take_line(p, raw, sizeof(raw) - 1, &length))
                return NULL;
        raw[MIN(length, sizeof(raw) - 1)] = '\0';
        p->line++;
        p->spoiled = false;

        if (p->line == 1 && strncmp(line, bom, strlen(bom)) == 0)
                line += strlen(bom);
        line += strspn(line, " \t");
        if (*line == '#' || *line == ';')
                line = "";
        else if (refuse(p, line, raw, length))
                line = remains(p, line, name);

        if (strlen(line) >= (size_t) size) {
                p->unreadable = "this inih has too small a buffer";
                return NULL;
        }
        return memcpy(ret, line, strlen(line) + 1);
}

/* The handler of inih. */
static int take_pair(void *userdata, const char *section, const char *name, const char *value) {
        struct reader *p = userdata;
        struct conf_pair pair = {
                .line = p->line,
                .section = section,
                .name = name,
                .value = p->spoiled ? NULL : value,
        };

        /* Some builds of inih also report headers and names alone. */
        if (name && value)
                p->pair(&pair, p->userdata);
        return 1;
}

static const char *read_all(struct reader *p) {
        int r = ini_parse_stream(read_line, p, take_pair, p);

        if (r < 0 && !p->unreadable)
                p->unreadable = strerror(ENOMEM);
        return p->unreadable;
}

const char *conf_read_text(struct conf_report *report, const char *text, size_t size,
                           conf_pair_cb pair, void *userdata) {
        struct reader reader = {
                .report = report,
                .pair = pair,
                .userdata = userdata,
                .next = text,
                .end = text + size,
                .fd = -EBADF,
        };

        assert(report && text && pair);

        return read_all(&reader);
}

/* Whether what FD refers to is a file or, as a way to say "empty", /dev/null. */
static const char *not_a_file(int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return strerror(errno);
        if (S_ISREG(st.st_mode) || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))
                return NULL;
        return S_ISDIR(st.st_mode) ? strerror(EISDIR) : "it is no regular file";
}

int conf_open(const char *path, bool *ret_empty, const char **ret_why) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        assert(path && ret_empty && ret_why);

        /* O_NONBLOCK: a fifo at this place must not stop the daemon. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0) {
                *ret_why = errno == ENOENT ? NULL : strerror(errno);
                return -errno;
        }
        *ret_why = not_a_file(fd);
        if (*ret_why)
                return -EBADF;
        *ret_empty = fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0;
        return take_fd(&fd);
}

const char *conf_read_fd(struct conf_report *report, int fd, conf_pair_cb pair, void *userdata) {
        struct reader reader = {
                .report = report,
                .pair = pair,
                .userdata = userdata,
                .fd = fd,
        };

        assert(report && fd >= 0 && pair);

        return read_all(&reader);
}
