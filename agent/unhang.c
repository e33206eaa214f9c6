/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* unhang, the command line: reads it, and has agent/ctl do the rest. */

#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/macro.h"
#include "agent/check.h"
#include "agent/ctl/verb.h"
#include "agent/decide/guard.h"
#include "agent/simulate.h"
#include "agent/who.h"
#include "include/bus.h"

static bool arg_json = false;
static const char *arg_rung = NULL;
static const char *arg_force = NULL;
static bool arg_dry_run = false;
static bool arg_yes = false;
static const char *arg_disk = NULL;
static const char *arg_policy = NULL;
static bool arg_test = false;

/* What may be given with a command. */
enum {
        OPTION_JSON = 1 << 0,
        OPTION_FORCE = 1 << 1,
        OPTION_YES = 1 << 2,
        OPTION_DISK = 1 << 3,
        OPTION_POLICY = 1 << 4,
        OPTION_RUNG = 1 << 5,
        OPTION_DRY_RUN = 1 << 6,
        OPTION_TEST = 1 << 7,
};

static enum verb_result verb_help(const struct verb_context *c, char **args, size_t n);

static enum verb_result verb_record(const struct verb_context *c, char **disks, size_t n) {
        return record(disks, n, c->out, c->err);
}

static enum verb_result verb_simulate(const struct verb_context *c, char **args,
                                      _unused_ size_t n) {
        return simulate(args[0], arg_disk, arg_policy, c->out, c->err);
}

static enum verb_result verb_check(const struct verb_context *c, char **files, size_t n) {
        return check(files, n, c->out, c->err);
}

static enum verb_result verb_help_policy(const struct verb_context *c, _unused_ char **args,
                                         _unused_ size_t n) {
        return help_policy(c->out);
}

static enum verb_result verb_policy_or_test(const struct verb_context *c, char **args, size_t n) {
        return arg_test ? test_policy(args, n, c->out, c->err) : verb_policy(c, args, n);
}

/* In the order of the help; the first is what is done when none is named. */
static const struct verb {
        const char *name, *args;
        size_t n_min, n_max; /* arguments */
        unsigned options;
        enum verb_result (*run)(const struct verb_context *c, char **args, size_t n);
        const char *help;
} verbs[] = {
        { "status", "[DISK...]", 0, SIZE_MAX, OPTION_JSON, verb_status,
          "Show all disks, or those named (default)" },
        { "show", "DISK", 1, 1, OPTION_JSON, verb_show,
          "Show all that is known of a disk, and through what" },
        { "blast-radius", "DISK", 1, 1, OPTION_JSON, verb_blast_radius,
          "Show all that a reset of its host or controller can freeze" },
        { "holders", "DISK", 1, 1, OPTION_JSON, who_holds,
          "Show the processes that hold it, or a filesystem on it" },
        { "reset", "DISK", 1, 1, OPTION_RUNG | OPTION_FORCE | OPTION_YES | OPTION_DRY_RUN,
          verb_reset,
          "Reset a disk that hangs; wait for what comes of it" },
        { "suppress", "DISK [TIME]", 1, 2, 0, verb_suppress,
          "Keep unhangd from acting on it for TIME (1h), or \"off\"" },
        { "policy", "[DISK...]", 0, SIZE_MAX, OPTION_TEST, verb_policy_or_test,
          "Show what is in force for disks, and where it comes from" },
        { "check", "[FILE...]", 0, SIZE_MAX, 0, verb_check,
          "Read the configuration, or these files, and tell all errors" },
        { "help-policy", "", 0, 0, 0, verb_help_policy,
          "Show what can stand in a policy" },
        { "record", "[DISK...]", 0, SIZE_MAX, 0, verb_record,
          "Write down what is seen of disks, until interrupted" },
        { "simulate", "FILE", 1, 1, OPTION_DISK | OPTION_POLICY, verb_simulate,
          "Play such a record: tell what would have been done" },
        { "help", "", 0, SIZE_MAX, UINT_MAX, verb_help,
          "Show this text" },
};

static void help(void) {
        (void) fputs("unhang [OPTIONS...] COMMAND ...\n"
                     "\n"
                     "Shows the disks that unhangd watches, and resets those it guards.\n"
                     "\n"
                     "Commands:\n",
                     stdout);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                (void) printf("  %s %-*s  %s\n", verbs[i].name,
                              (int) (20 - strlen(verbs[i].name)), verbs[i].args, verbs[i].help);
        (void) fputs("\n"
                     "Options:\n"
                     "  -h --help         Show this text\n"
                     "     --version      Show the version\n"
                     "     --json         status, show, blast-radius, holders: write JSON\n"
                     "     --rung=RUNG    reset: this one, such as lun-reset; see: unhang show\n"
                     "     --force=GUARD[,GUARD...]\n"
                     "                    reset: although this is in the way: symptom, policy,\n"
                     "                    suppressed, boot-grace, owner, radius, siblings, budget\n"
                     "     --dry-run      reset: only tell what would be done\n"
                     "  -y --yes          reset: do not ask\n"
                     "     --disk=DISK    simulate: which of the disks in the file\n"
                     "     --policy=FILE  simulate: with the limits of this policy\n"
                     "     --test         policy: of a disk of which this is known, KEY=VALUE...,\n"
                     "                    with keys of [Match] or names of udev properties\n"
                     "\n"
                     "DISK is a kernel name, such as sda or /dev/sda.\n"
                     "\n"
                     "Exit status: 0 all is well, 1 error or refused, 2 usage, 3 unhangd is not\n"
                     "running, 4 some disk needs attention, 5 a reset did not bring the I/O back.\n"
                     "\n"
                     "See unhang(1) and unhangd(8).\n",
                     stdout);
}

static enum verb_result verb_help(_unused_ const struct verb_context *c, _unused_ char **args,
                                  _unused_ size_t n) {
        help();
        return VERB_OK;
}

static _printf_(1, 2) enum verb_result usage(const char *format, ...) {
        va_list args;

        (void) fputs("unhang: ", stderr);
        va_start(args, format);
        (void) vfprintf(stderr, format, args);
        va_end(args);
        (void) fputs(". Try: unhang --help\n", stderr);
        return VERB_USAGE;
}

static void list_guards(void) {
        (void) fputs("unhang: what can be forced is:", stderr);
        for (enum refusal r = REFUSAL_NONE + 1; r < _REFUSAL_MAX; r++)
                if (refusal_from_string(refusal_to_string(r)) >= 0)
                        (void) fprintf(stderr, " %s", refusal_to_string(r));
        (void) fputc('\n', stderr);
}

/* The names of guards, separated by commas. */
static bool check_guards(const char *text) {
        char name[32];

        for (const char *p = text;; p++) {
                size_t n = strcspn(p, ",");

                (void) snprintf(name, sizeof(name), "%.*s", (int) MIN(n, sizeof(name)), p);
                if (refusal_from_string(name) < 0) {
                        (void) usage("--force=%s: there is no guard '%s'", text, name);
                        list_guards();
                        return false;
                }
                p += n;
                if (!*p)
                        return true;
        }
}

/* Returns true to go on, or false when *ret is what to exit with. */
static bool parse_options(int argc, char **argv, enum verb_result *ret) {
        enum {
                ARG_VERSION = 0x100,
                ARG_JSON,
                ARG_FORCE,
                ARG_RUNG,
                ARG_DRY_RUN,
                ARG_DISK,
                ARG_POLICY,
                ARG_TEST,
        };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "json", no_argument, NULL, ARG_JSON },
                { "force", required_argument, NULL, ARG_FORCE },
                { "rung", required_argument, NULL, ARG_RUNG },
                { "dry-run", no_argument, NULL, ARG_DRY_RUN },
                { "yes", no_argument, NULL, 'y' },
                { "disk", required_argument, NULL, ARG_DISK },
                { "policy", required_argument, NULL, ARG_POLICY },
                { "test", no_argument, NULL, ARG_TEST },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "hy", options, NULL)) >= 0)
                switch (c) {

                case 'h':
                        help();
                        *ret = VERB_OK;
                        return false;

                case ARG_VERSION:
                        (void) puts("unhang " UNHANG_VERSION);
                        *ret = VERB_OK;
                        return false;

                case ARG_JSON:
                        arg_json = true;
                        break;

                case ARG_FORCE:
                        if (!check_guards(optarg)) {
                                *ret = VERB_USAGE;
                                return false;
                        }
                        arg_force = optarg;
                        break;

                case ARG_RUNG:
                        arg_rung = optarg;
                        break;

                case ARG_DRY_RUN:
                        arg_dry_run = true;
                        break;

                case 'y':
                        arg_yes = true;
                        break;

                case ARG_DISK:
                        arg_disk = optarg;
                        break;

                case ARG_POLICY:
                        arg_policy = optarg;
                        break;

                case ARG_TEST:
                        arg_test = true;
                        break;

                default:
                        /* getopt has said what is wrong. */
                        if (optopt == ARG_FORCE)
                                list_guards();
                        *ret = VERB_USAGE;
                        return false;
                }
        return true;
}

static const struct verb *verb_find(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (strcmp(verbs[i].name, name) == 0)
                        return &verbs[i];
        return NULL;
}

/* The options are common to all commands for getopt: here those are found that make no sense. */
static const char *option_misplaced(const struct verb *verb) {
        if (arg_json && !(verb->options & OPTION_JSON))
                return "--json";
        if (arg_force && !(verb->options & OPTION_FORCE))
                return "--force";
        if (arg_rung && !(verb->options & OPTION_RUNG))
                return "--rung";
        if (arg_dry_run && !(verb->options & OPTION_DRY_RUN))
                return "--dry-run";
        if (arg_yes && !(verb->options & OPTION_YES))
                return "--yes";
        if (arg_disk && !(verb->options & OPTION_DISK))
                return "--disk";
        if (arg_policy && !(verb->options & OPTION_POLICY))
                return "--policy";
        if (arg_test && !(verb->options & OPTION_TEST))
                return "--test";
        return NULL;
}

static enum verb_result run(int argc, char **argv) {
        const struct verb *verb = verbs;
        struct verb_context context;
        enum verb_result result;
        const char *misplaced;
        size_t n;

        if (!parse_options(argc, argv, &result))
                return result;
        argv += optind;
        n = (size_t) (argc - optind);
        if (n > 0) {
                verb = verb_find(argv[0]);
                if (!verb)
                        return usage("unknown command '%s'", argv[0]);
                argv++;
                n--;
        }

        misplaced = option_misplaced(verb);
        if (misplaced)
                return usage("%s is not for %s", misplaced, verb->name);
        if (n < verb->n_min || n > verb->n_max)
                return usage("usage: unhang %s %s", verb->name, verb->args);

        context = (struct verb_context) {
                .socket = BUS_SOCKET,
                .in = stdin,
                .out = stdout,
                .err = stderr,
                .json = arg_json,
                .rung = arg_rung,
                .force = arg_force,
                .dry_run = arg_dry_run,
                .yes = arg_yes,
        };
        return verb->run(&context, argv, n);
}

int main(int argc, char **argv) {
        enum verb_result result = run(argc, argv);

        /* Half an answer must not look like a whole one. */
        if (fflush(stdout) != 0 || ferror(stdout)) {
                (void) fputs("unhang: cannot write the output\n", stderr);
                return VERB_ERROR;
        }
        return (int) result;
}
