/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <syslog.h>

#include "agent/base/macro.h"
#include "agent/base/time-util.h"
#include "agent/conf/parse.h"

/* inih takes lines apart, but it knows no line numbers, cuts a long line in two, joins an indented
 * line to the one before and stays in the old section when a header is broken. So it is fed with
 * lines that have been read, counted and judged here, and are of a form it cannot misunderstand. */

static const char preamble[] =
        "# unhangd.conf: when unhangd regards a disk as hung, and how patient it is.\n"
        "#\n"
        "# Each key stands here with its default. To change one, remove the # before it and\n"
        "# restart unhangd.service. A line that cannot be used is reported in the log, with its\n"
        "# number and what is allowed; the default then stays in force.\n"
        "#\n"
        "# Times are written as in systemd.time(7): 45s, 5min, 1h 30min; a number alone is in\n"
        "# seconds.\n";

struct parser {
        const char *file; /* as messages call it */
        conf_message_cb callback;
        void *userdata;
        struct policy *policy;
        unsigned line;            /* the one that was read last, from 1 */
        unsigned seen[CONF_KEYS]; /* the line that gave the key first; 0: none did */
        unsigned errors;

        const char *next, *end; /* what is read and not yet taken */
        int fd;                 /* where more comes from, or -EBADF */
        size_t size;            /* bytes read from it */
        const char *unreadable; /* why it could not be read to its end */
        char buffer[4096];
};

/* A word about the file as a whole, or about LINE when that is not 0. */
_printf_(4, 5)
static void say(const struct parser *p, int priority, unsigned line, const char *format, ...) {
        char text[1024], message[PATH_MAX + sizeof(text) + 32];
        va_list ap;

        if (!p->callback)
                return;
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (line > 0)
                (void) snprintf(message, sizeof(message), "%s:%u: %s", p->file, line, text);
        else
                (void) snprintf(message, sizeof(message), "%s: %s", p->file, text);
        p->callback(priority, message, p->userdata);
}

/* An error in the line that was read last. */
#define complain(p, ...) \
        ((p)->errors++ < CONF_MESSAGES_MAX ? say(p, LOG_ERR, (p)->line, __VA_ARGS__) : (void) 0)

static void refill(struct parser *p) {
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
static bool take_line(struct parser *p, char *line, size_t size, size_t *ret_length) {
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
static bool refuse(struct parser *p, const char *line, const char *raw, size_t length) {
        const char *why;

        if (length > CONF_LINE_MAX)
                complain(p, "the line has more than %d bytes; it is ignored", CONF_LINE_MAX);
        else if ((why = not_text(line, length - (size_t) (line - raw))))
                complain(p, "the line %s; it is ignored", why);
        else if (*line == '[' && !is_section(line))
                complain(p, "%s: allowed is [Section]; the lines below it are ignored", line);
        else if (*line != '[' && *line != '\0' && !is_assignment(line))
                complain(p, "%s: allowed are [Section] and Key=VALUE; the line is ignored", line);
        else
                return false;
        return true;
}

/* The reader of inih. It sees each line from its first character on, and no comments. */
static char *read_line(char *ret, int size, void *userdata) {
        static const char bom[] = "\xEF\xBB\xBF";
        char raw[CONF_LINE_MAX + sizeof("\r")];
        struct parser *p = userdata;
        const char *line = raw;
        size_t length;

        if (!take_line(p, raw, sizeof(raw) - 1, &length))
                return NULL;
        raw[MIN(length, sizeof(raw) - 1)] = '\0';
        p->line++;

        if (p->line == 1 && strncmp(line, bom, strlen(bom)) == 0)
                line += strlen(bom);
        line += strspn(line, " \t");
        if (*line == '#' || *line == ';')
                line = "";
        else if (refuse(p, line, raw, length))
                /* No key below a header that was not understood may count for the section above. */
                line = *line == '[' ? "[?]" : "";

        if (strlen(line) >= (size_t) size) {
                p->unreadable = "this inih has too small a buffer";
                return NULL;
        }
        return memcpy(ret, line, strlen(line) + 1);
}

/* "[Detect], [Recover]"; or the keys of SECTION, "WarnSec=, StallSec=", where it is not NULL. */
static const char *list_known(char *buf, size_t size, const char *section) {
        const char *last = "";
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(conf_keys); i++) {
                const struct conf_key *key = &conf_keys[i];

                if (section ? strcmp(key->section, section) != 0 : strcmp(key->section, last) == 0)
                        continue;
                last = key->section;
                n += (size_t) snprintf(buf + n, size - n, section ? "%s%s=" : "%s[%s]",
                                       n > 0 ? ", " : "", section ? key->name : key->section);
                assert(n < size);
        }
        return buf;
}

/* KNOWN: the section is one of ours, the key is not. */
static void complain_unknown(struct parser *p, const char *section, bool known, const char *name,
                             const char *value) {
        char list[512];

        (void) list_known(list, sizeof(list), known ? section : NULL);
        if (known)
                complain(p, "[%s] %s=%s: no such key; allowed here: %s; the line is ignored",
                         section, name, value, list);
        else if (*section == '\0')
                complain(p, "%s=%s: stands before any section; allowed are %s; the line is ignored",
                         name, value, list);
        else
                complain(p, "[%s] %s=%s: no such section; allowed are %s; the line is ignored",
                         section, name, value, list);
}

/* "the default 2min", or the value alone where it is another. */
static const char *in_force(char *buf, size_t size, const struct parser *p,
                            const struct conf_key *key) {
        uint64_t value = conf_value(p->policy, key);
        char text[CONF_TEXT_MAX];

        (void) snprintf(buf, size, "%s%s", value == key->preset ? "the default " : "",
                        conf_format(text, sizeof(text), key, value));
        return buf;
}

static void complain_value(struct parser *p, const struct conf_key *key, const char *value,
                           bool never) {
        char what[CONF_TEXT_MAX], stays[CONF_TEXT_MAX + 16];

        complain(p, "[%s] %s=%s: allowed is %s%s; %s stays in force", key->section, key->name,
                 value, conf_allowed(what, sizeof(what), key),
                 never ? ", for infinity would be never" : "",
                 in_force(stays, sizeof(stays), p, key));
}

static void take_value(struct parser *p, const struct conf_key *key, const char *value) {
        unsigned *seen = &p->seen[key - conf_keys], first = *seen;
        uint64_t given = 0, before = conf_value(p->policy, key);
        char stays[CONF_TEXT_MAX + 16];
        int r;

        r = conf_parse(key, value, &given);
        if (first == 0)
                *seen = p->line;
        if (r < 0) {
                complain_value(p, key, value,
                               key->type == CONF_TIME && strcmp(value, "infinity") == 0);
                return;
        }
        conf_set_value(p->policy, key, first == 0 ? given : conf_careful(key, before, given));
        if (first > 0)
                complain(p, "[%s] %s=%s: allowed once, and line %u gave it before; %s, %s, stays "
                         "in force", key->section, key->name, value, first,
                         conf_careful_word(key), in_force(stays, sizeof(stays), p, key));
}

/* The handler of inih. */
static int take_pair(void *userdata, const char *section, const char *name, const char *value) {
        struct parser *p = userdata;
        bool known = false;

        /* Some builds of inih also report headers and names alone. */
        if (!name || !value)
                return 1;
        for (size_t i = 0; i < ELEMENTSOF(conf_keys); i++) {
                const struct conf_key *key = &conf_keys[i];

                if (strcmp(key->section, section) != 0)
                        continue;
                if (strcmp(key->name, name) == 0) {
                        take_value(p, key, value);
                        return 1;
                }
                known = true;
        }
        complain_unknown(p, section, known, name, value);
        return 1;
}

/* The fields, not the keys: what the detector relies on is warn <= stall. */
static void cross_check(struct parser *p) {
        char warn[FORMAT_USEC_MAX], stall[FORMAT_USEC_MAX];
        struct policy *policy = p->policy;
        unsigned line = 0;

        if (policy->warn < policy->stall)
                return;
        for (size_t i = 0; i < ELEMENTSOF(conf_keys); i++)
                if (conf_keys[i].offset == offsetof(struct policy, warn) ||
                    conf_keys[i].offset == offsetof(struct policy, stall))
                        line = MAX(line, p->seen[i]);
        say(p, LOG_WARNING, line,
            "[Detect] WarnSec=%s: is not below StallSec=%s; no separate warning is given",
            format_usec(warn, sizeof(warn), policy->warn),
            format_usec(stall, sizeof(stall), policy->stall));
        policy->warn = policy->stall;
}

static int unreadable(struct parser *p, const char *why) {
        conf_defaults(p->policy);
        p->errors++;
        say(p, LOG_ERR, 0, "cannot be read: %s; the defaults are in force", why);
        return (int) p->errors;
}

static int parse(struct parser *p) {
        int r;

        conf_defaults(p->policy);
        r = ini_parse_stream(read_line, p, take_pair, p);
        if (p->errors > CONF_MESSAGES_MAX)
                say(p, LOG_ERR, 0, "%u further errors", p->errors - CONF_MESSAGES_MAX);
        if (r < 0 && !p->unreadable)
                p->unreadable = strerror(ENOMEM);
        if (p->unreadable)
                return unreadable(p, p->unreadable);
        cross_check(p);
        return (int) p->errors;
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

int conf_load(const char *path, conf_message_cb callback, void *userdata, struct policy *ret) {
        _cleanup_close_ int fd = -EBADF;
        struct parser p = {
                .file = path,
                .callback = callback,
                .userdata = userdata,
                .policy = ret,
                .fd = -EBADF,
        };
        const char *why;

        assert(path && ret);

        conf_defaults(ret);
        /* O_NONBLOCK: a fifo at this place must not stop the daemon. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return errno == ENOENT ? 0 : unreadable(&p, strerror(errno));
        why = not_a_file(fd);
        if (why)
                return unreadable(&p, why);
        p.fd = fd;
        return parse(&p);
}

int conf_load_text(const char *text, size_t size, conf_message_cb callback, void *userdata,
                   struct policy *ret) {
        struct parser p = {
                .file = "text",
                .callback = callback,
                .userdata = userdata,
                .policy = ret,
                .next = text,
                .end = text + size,
                .fd = -EBADF,
        };

        assert(text && ret);

        return parse(&p);
}

static void print_meaning(FILE *f, const char *text) {
        while (*text) {
                size_t n = strcspn(text, "\n");

                (void) fprintf(f, "# %.*s\n", (int) n, text);
                text += n + (text[n] == '\n');
        }
}

int conf_print_default(FILE *f) {
        const char *section = "";

        assert(f);

        (void) fputs(preamble, f);
        for (size_t i = 0; i < ELEMENTSOF(conf_keys); i++) {
                char what[CONF_TEXT_MAX], preset[CONF_TEXT_MAX];
                const struct conf_key *key = &conf_keys[i];

                if (strcmp(section, key->section) != 0)
                        (void) fprintf(f, "\n[%s]\n", key->section);
                section = key->section;
                (void) fputc('\n', f);
                print_meaning(f, key->meaning);
                (void) fprintf(f, "# Allowed is %s.\n#%s=%s\n",
                               conf_allowed(what, sizeof(what), key), key->name,
                               conf_format(preset, sizeof(preset), key, key->preset));
        }
        return fflush(f) == 0 && !ferror(f) ? 0 : -EIO;
}
