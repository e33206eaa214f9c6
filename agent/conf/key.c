/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "agent/base/macro.h"
#include "agent/base/time-util.h"
#include "agent/conf/key.h"

static uint64_t *slot(struct policy *policy, const struct conf_key *key) {
        return (uint64_t *) (void *) ((char *) policy + key->offset);
}

uint64_t conf_value(const struct policy *policy, const struct conf_key *key) {
        assert(policy && key);

        return *(const uint64_t *) (const void *) ((const char *) policy + key->offset);
}

void conf_set_value(struct policy *policy, const struct conf_key *key, uint64_t value) {
        assert(policy && key);

        *slot(policy, key) = value;
}

void conf_defaults(struct policy *ret) {
        assert(ret);

        *ret = (struct policy) {};
        for (size_t i = 0; i < ELEMENTSOF(conf_keys); i++)
                *slot(ret, &conf_keys[i]) = conf_keys[i].preset;
}

/* ---- the types ---- */

static int parse_time(_unused_ const struct conf_key *key, const char *text, uint64_t *ret) {
        return parse_usec(text, ret);
}

static const char *format_time(char *buf, size_t size, _unused_ const struct conf_key *key,
                               uint64_t value) {
        return format_usec(buf, size, value);
}

static int parse_count(_unused_ const struct conf_key *key, const char *text, uint64_t *ret) {
        uint64_t n = 0;

        if (strcmp(text, "infinity") == 0) {
                *ret = CONF_INFINITY;
                return 0;
        }
        do {
                uint64_t digit = (uint64_t) *text - '0';

                if (digit > 9)
                        return -EINVAL;
                if (__builtin_mul_overflow(n, (uint64_t) 10, &n) ||
                    __builtin_add_overflow(n, digit, &n) || n == CONF_INFINITY)
                        return -ERANGE;
        } while (*++text);
        *ret = n;
        return 0;
}

static const char *format_count(char *buf, size_t size, _unused_ const struct conf_key *key,
                                uint64_t n) {
        if (n == CONF_INFINITY)
                (void) snprintf(buf, size, "infinity");
        else
                (void) snprintf(buf, size, "%" PRIu64, n);
        return buf;
}

int conf_parse_yes_no(const char *text) {
        static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

        assert(text);

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strcasecmp(text, words[i]) == 0)
                        return i % 2;
        return -EINVAL;
}

static int parse_yes_no(_unused_ const struct conf_key *key, const char *text, uint64_t *ret) {
        int yes = conf_parse_yes_no(text);

        if (yes < 0)
                return yes;
        *ret = (uint64_t) yes;
        return 0;
}

static const char *format_yes_no(char *buf, size_t size, _unused_ const struct conf_key *key,
                                 uint64_t yes) {
        (void) snprintf(buf, size, "%s", yes ? "yes" : "no");
        return buf;
}

/* The index of the N bytes at TEXT among the words, or -EINVAL. */
static int find_word(const struct conf_key *key, const char *text, size_t n) {
        for (int i = 0; key->words[i]; i++)
                if (strlen(key->words[i]) == n && memcmp(key->words[i], text, n) == 0)
                        return i;
        return -EINVAL;
}

static int parse_choice(const struct conf_key *key, const char *text, uint64_t *ret) {
        int i = find_word(key, text, strlen(text));

        if (i < 0)
                return i;
        *ret = (uint64_t) i;
        return 0;
}

static const char *format_choice(char *buf, size_t size, const struct conf_key *key,
                                 uint64_t value) {
        (void) snprintf(buf, size, "%s", key->words[value]);
        return buf;
}

static unsigned list_length(uint64_t list) {
        unsigned n = 0;

        while (policy_list_at(list, n) >= 0)
                n++;
        return n;
}

static bool list_has(uint64_t list, int word) {
        for (unsigned i = 0; policy_list_at(list, i) >= 0; i++)
                if (policy_list_at(list, i) == word)
                        return true;
        return false;
}

static int parse_list(const struct conf_key *key, const char *text, uint64_t *ret) {
        uint64_t list = 0;

        for (unsigned n = 0; *(text += strspn(text, " \t")); n++) {
                size_t length = strcspn(text, " \t");
                int word = find_word(key, text, length);

                if (word < 0 || list_has(list, word))
                        return -EINVAL;
                list |= (uint64_t) (word + 1) << n * POLICY_LIST_BITS;
                text += length;
        }
        *ret = list;
        return 0;
}

static const char *format_list(char *buf, size_t size, const struct conf_key *key,
                               uint64_t value) {
        size_t used = 0;
        int word;

        buf[0] = '\0';
        for (unsigned i = 0; (word = policy_list_at(value, i)) >= 0 && used < size; i++)
                used += (size_t) snprintf(buf + used, size - used, "%s%s", i > 0 ? " " : "",
                                          key->words[word]);
        return buf;
}

#define LESS "the one that does less"

static const struct {
        int (*parse)(const struct conf_key *key, const char *text, uint64_t *ret);
        const char *(*format)(char *buf, size_t size, const struct conf_key *key, uint64_t value);
        const char *careful[2]; /* by enum conf_careful */
} types[] = {
        [CONF_TIME] = { parse_time, format_time, { "the longest", "the shortest" } },
        [CONF_COUNT] = { parse_count, format_count, { "the largest", "the smallest" } },
        [CONF_YES_NO] = { parse_yes_no, format_yes_no, { LESS, LESS } },
        [CONF_CHOICE] = { parse_choice, format_choice, { LESS, LESS } },
        [CONF_LIST] = { parse_list, format_list, { "the longest", "the shortest" } },
};
static_assert(ELEMENTSOF(types) == _CONF_TYPE_MAX, "each type has its functions");

static bool is_allowed(const struct conf_key *key, uint64_t value) {
        uint64_t measure = key->type == CONF_LIST ? list_length(value) : value;

        return (measure >= key->min && measure <= key->max) ||
               (key->type == CONF_COUNT && value == CONF_INFINITY);
}

int conf_parse(const struct conf_key *key, const char *text, uint64_t *ret) {
        uint64_t value = CONF_INFINITY;
        int r;

        assert(key && text && ret);

        r = types[key->type].parse(key, text, &value);
        if (r == 0 && !is_allowed(key, value))
                r = -ERANGE;
        if (r != -EINVAL)
                *ret = value;
        return r;
}

const char *conf_format(char *buf, size_t size, const struct conf_key *key, uint64_t value) {
        assert(buf && key && size >= CONF_TEXT_MAX);

        return types[key->type].format(buf, size, key, value);
}

static const char *list_words(char *buf, size_t size, const struct conf_key *key,
                              const char *last) {
        size_t used = 0;

        buf[0] = '\0';
        for (size_t i = 0; key->words[i] && used < size; i++)
                used += (size_t) snprintf(buf + used, size - used, "%s%s",
                                          i == 0              ? ""
                                          : key->words[i + 1] ? ", "
                                                              : last,
                                          key->words[i]);
        return buf;
}

const char *conf_allowed(char *buf, size_t size, const struct conf_key *key) {
        char min[CONF_TEXT_MAX], max[CONF_TEXT_MAX], words[CONF_TEXT_MAX];

        assert(buf && key && size >= CONF_TEXT_MAX);

        switch (key->type) {
        case CONF_YES_NO:
                (void) snprintf(buf, size, "yes or no");
                break;
        case CONF_CHOICE:
                (void) list_words(buf, size, key, " or ");
                break;
        case CONF_LIST:
                (void) snprintf(buf, size, "%sin their order, each at most once: %.*s",
                                key->min > 0 ? "" : "nothing, or ", (int) size - 64,
                                list_words(words, sizeof(words), key, ", "));
                break;
        default:
                (void) snprintf(buf, size, "%s from %.48s to %.48s%s",
                                key->type == CONF_TIME ? "a time" : "a number",
                                conf_format(min, sizeof(min), key, key->min),
                                conf_format(max, sizeof(max), key, key->max),
                                key->type == CONF_COUNT ? ", or infinity" : "");
        }
        return buf;
}

const char *conf_property(char *buf, size_t size, const struct conf_key *key) {
        size_t n = strlen(strcpy(buf, "UNHANG_"));

        assert(buf && key && size >= CONF_TEXT_MAX);

        for (const char *p = key->name; *p; p++) {
                if (p > key->name && *p >= 'A' && *p <= 'Z')
                        buf[n++] = '_';
                buf[n++] = *p >= 'a' && *p <= 'z' ? (char) (*p - 'a' + 'A') : *p;
        }
        buf[n] = '\0';
        return buf;
}

const struct conf_key *conf_find_key(const char *section, const char *name) {
        assert(name);

        for (size_t i = 0; i < CONF_KEYS; i++)
                if (strcmp(conf_keys[i].name, name) == 0 &&
                    (!section || strcmp(conf_keys[i].section, section) == 0))
                        return &conf_keys[i];
        return NULL;
}

uint64_t conf_careful(const struct conf_key *key, uint64_t a, uint64_t b) {
        bool larger;

        assert(key);

        larger = key->type == CONF_LIST ? list_length(a) > list_length(b) : a > b;
        return larger == (key->careful == CONF_LARGER) ? a : b;
}

const char *conf_careful_word(const struct conf_key *key) {
        assert(key);

        return types[key->type].careful[key->careful];
}
