/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "agent/conf/match.h"
#include "agent/conf/print.h"

static const char preamble[] =
        "# unhangd.conf: when unhangd regards a disk as hung, and what it does about it.\n"
        "#\n"
        "# Each key stands here with its default. To change one, remove the # before it, and\n"
        "#   unhang check && systemctl reload unhangd\n"
        "# What is set here holds for every disk whose policy does not set it, see\n"
        "# unhangd.conf(5). How to choose a value: unhang.policy(5).\n"
        "#\n"
        "# Times are written as in systemd.time(7): 45s, 5min, 1h 30min; a number alone is in\n"
        "# seconds.\n";

static const char help[] =
        "A policy is a file NAME.policy in /etc/unhang/policy.d, /run/unhang/policy.d or\n"
        "/usr/lib/unhang/policy.d. It is for the disks that its [Match] matches, where no\n"
        "policy whose file sorts before it does, and for those whose udev property\n"
        "UNHANG_POLICY= names it. What it does not set comes from unhangd.conf. See\n"
        "unhangd.conf(5), unhang.policy(5) and unhang-udev(7).\n";

static void print_lines(FILE *f, const char *before, const char *text) {
        while (*text) {
                size_t n = strcspn(text, "\n");

                (void) fprintf(f, "%s%.*s\n", before, (int) n, text);
                text += n + (text[n] == '\n');
        }
}

/* Whether the key is the first of its section. */
static bool begins_section(size_t i) {
        return i == 0 || strcmp(conf_keys[i].section, conf_keys[i - 1].section) != 0;
}

static int written(FILE *f) {
        return fflush(f) == 0 && !ferror(f) ? 0 : -EIO;
}

int conf_print_default(FILE *f) {
        assert(f);

        (void) fputs(preamble, f);
        for (size_t i = 0; i < CONF_KEYS; i++) {
                char what[CONF_TEXT_MAX], preset[CONF_TEXT_MAX];
                const struct conf_key *key = &conf_keys[i];

                if (begins_section(i))
                        (void) fprintf(f, "\n[%s]\n", key->section);
                (void) fputc('\n', f);
                print_lines(f, "# ", key->meaning);
                (void) fprintf(f, "# Allowed is %s.\n#%s=%s\n",
                               conf_allowed(what, sizeof(what), key), key->name,
                               conf_format(preset, sizeof(preset), key, key->preset));
        }
        return written(f);
}

static void print_key_help(FILE *f, const struct conf_key *key) {
        char text[CONF_TEXT_MAX];

        (void) fprintf(f, "\n  %s=\n", key->name);
        print_lines(f, "      ", key->meaning);
        (void) fprintf(f, "      Allowed:  %s\n", conf_allowed(text, sizeof(text), key));
        (void) fprintf(f, "      Default:  %s\n",
                       conf_format(text, sizeof(text), key, key->preset));
        (void) fprintf(f, "      Property: %s\n", conf_property(text, sizeof(text), key));
}

int conf_print_help(FILE *f) {
        assert(f);

        (void) fprintf(f, "%s\n[Match]\n", help);
        for (size_t i = 0; i < CONF_MATCH_KEYS; i++) {
                (void) fprintf(f, "\n  %s=\n", conf_match_keys[i].name);
                print_lines(f, "      ", conf_match_keys[i].meaning);
                print_lines(f, "      Allowed:  ", conf_match_allowed(&conf_match_keys[i]));
        }
        for (size_t i = 0; i < CONF_KEYS; i++) {
                if (begins_section(i))
                        (void) fprintf(f, "\n[%s]\n", conf_keys[i].section);
                print_key_help(f, &conf_keys[i]);
        }
        return written(f);
}
