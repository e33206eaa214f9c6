/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/macro.h"
#include "agent/base/time-util.h"
#include "agent/conf/key.h"
#include "agent/decide/names.h"
#include "agent/story.h"

/* A line is split into words; the first ones say when, the next what. The first thing that is wrong
 * is kept, and ends the reading after its line. */

#define WORDS_MAX 24
#define LINE_MAX_BYTES 512

struct line {
        struct story *story;
        unsigned number;
        bool others;                /* it tells of another disk */
        char *words[WORDS_MAX + 1]; /* NULL at the end */
        char **next;
};

static void wrong(struct line *line, const char *format, ...) _printf_(2, 3);
static void wrong(struct line *line, const char *format, ...) {
        char text[400];
        va_list ap;

        if (line->story->error[0])
                return;
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        (void) snprintf(line->story->error, sizeof(line->story->error), "%u: %s", line->number,
                        text);
}

static const char *word(struct line *line) {
        if (*line->next)
                return *line->next++;
        wrong(line, "something is missing at the end");
        return "";
}

static bool follows(struct line *line, const char *what) {
        bool yes = *line->next && strcmp(*line->next, what) == 0;

        line->next += yes;
        return yes;
}

static void want(struct line *line, const char *what) {
        const char *found = word(line);

        if (strcmp(found, what) != 0)
                wrong(line, "\"%s\" instead of \"%s\"", found, what);
}

static usec_t parse_time(struct line *line, const char *text) {
        usec_t t = 0;

        if (parse_usec(text, &t) < 0)
                wrong(line, "\"%s\" is no time", text);
        return t;
}

/* Whether the word is NAME=..., and what stands behind. */
static const char *value_of(const char *text, const char *name) {
        size_t n = strlen(name);

        return strncmp(text, name, n) == 0 && text[n] == '=' ? text + n + 1 : NULL;
}

/* Facts of a recording name their disk. */
static void parse_name(struct line *line) {
        if (!*line->next || strchr(*line->next, '='))
                return;
        line->others = strcmp(word(line), line->story->disk) != 0;
}

static uint64_t parse_number(struct line *line, const char *text) {
        char *end;
        uint64_t n = strtoull(text, &end, 10);

        if (*end || !text[0] || text[0] == '-')
                wrong(line, "\"%s\" is no number", text);
        return n;
}

static struct value parse_value(struct line *line, const char *text, bool time) {
        struct value value = { .how = text[0] == '+' ? VALUE_ADD : VALUE_SET };

        if (strcmp(text, "yes") == 0 || strcmp(text, "no") == 0)
                value.n = text[0] == 'y';
        else if (time)
                value.n = strcmp(text, "none") == 0 ? 0 : parse_time(line, text);
        else
                value.n = parse_number(line, text + (value.how == VALUE_ADD));
        return value;
}

/* KEY=VALUE ...: VALUES are in the order of NAMES, TIMES has a bit for each that is a time. */
static void parse_values(struct line *line, const char *const *names, size_t n, uint32_t times,
                         struct value *values) {
        while (*line->next) {
                const char *text = word(line), *value = NULL;

                for (size_t i = 0; i < n && !value; i++)
                        if ((value = value_of(text, names[i])))
                                values[i] = parse_value(line, value, times & BIT(i));
                if (!value)
                        wrong(line, "there is no \"%s\"", text);
        }
}

static void parse_here(struct line *line, struct event *event) {
        static const char *const names[_HERE_MAX] = {
                [HERE_HEALTHY] = "healthy", [HERE_TARGET] = "target",
                [HERE_SUPPRESSED] = "suppressed", [HERE_OWNED] = "owned",
        };

        event->what = FACT_HERE;
        parse_name(line);
        parse_values(line, names, ELEMENTSOF(names), 0, event->here);
}

static void parse_disk(struct line *line, struct event *event) {
        static const char *const names[_KEY_MAX] = {
                [KEY_COMPLETED] = "completed",     [KEY_ANSWERED] = "answered",
                [KEY_TIMEOUTS] = "timeouts",       [KEY_TIMEOUT] = "timeout",
                [KEY_OUTSTANDING] = "outstanding", [KEY_OLDEST] = "oldest",
                [KEY_LISTED] = "listed",           [KEY_RECOVERING] = "recovering",
                [KEY_FAILOVER] = "failover",       [KEY_OFFLINE] = "offline",
        };

        event->what = FACT_DISK;
        parse_name(line);
        parse_values(line, names, ELEMENTSOF(names), BIT(KEY_OLDEST) | BIT(KEY_TIMEOUT),
                     event->disk);
}

static enum step parse_step(struct line *line) {
        const char *name = word(line);
        int step = step_from_string(name);

        if (step <= STEP_NONE)
                wrong(line, "\"%s\" is no step", name);
        return step <= STEP_NONE ? STEP_NONE : (enum step) step;
}

static int parse_error(struct line *line) {
        const char *name = word(line);
        int error = 0;

        if (return_from_string(name, &error) < 0)
                wrong(line, "\"%s\" is no way to return", name);
        return error;
}

static void parse_expect(struct line *line, struct event *event) {
        const char *what = word(line), *name;
        int state;

        line->story->expects = true;
        if (strcmp(what, "act") == 0) {
                event->what = EXPECT_ACT;
                event->step = parse_step(line);
                return;
        }
        name = word(line);
        if (strcmp(what, "state") == 0) {
                event->what = EXPECT_STATE;
                state = incident_state_from_string(name);
                if (state < 0)
                        wrong(line, "\"%s\" is no state", name);
                event->state = state < 0 ? INCIDENT_HEALTHY : (enum incident_state) state;
        } else if (strcmp(what, "outcome") == 0)
                event->what = EXPECT_OUTCOME;
        else if (strcmp(what, "word") == 0)
                event->what = EXPECT_WORD;
        else if (strcmp(what, "symptom") == 0)
                event->what = EXPECT_SYMPTOM;
        else if (strcmp(what, "refusal") == 0)
                event->what = EXPECT_REFUSAL;
        else
                wrong(line, "\"%s\" cannot be expected", what);
        (void) snprintf(event->word, sizeof(event->word), "%s", name);
}

static void parse_what(struct line *line, struct event *event) {
        const char *what = word(line);

        if (strcmp(what, "disk") == 0)
                parse_disk(line, event);
        else if (strcmp(what, "host") == 0) {
                event->what = FACT_HOST;
                event->busy = follows(line, "busy");
                if (!event->busy && !follows(line, "free")) {
                        parse_name(line);
                        event->busy = follows(line, "busy");
                        if (!event->busy)
                                want(line, "free");
                }
        } else if (strcmp(what, "returned") == 0) {
                event->what = FACT_RETURNED;
                if (*line->next && step_from_string(*line->next) < 0 && line->next[1] &&
                    line->next[2])
                        parse_name(line);
                event->step = parse_step(line);
                event->error = parse_error(line);
        } else if (strcmp(what, "paused") == 0) {
                event->what = FACT_PAUSED;
                want(line, "until");
                event->until = parse_time(line, word(line));
        } else if (strcmp(what, "killed") == 0)
                event->what = FACT_KILLED;
        else if (strcmp(what, "started") == 0)
                event->what = FACT_STARTED;
        else if (strcmp(what, "back") == 0)
                event->what = FACT_BACK;
        else if (strcmp(what, "here") == 0)
                parse_here(line, event);
        else if (strcmp(what, "request") == 0) {
                event->what = FACT_REQUEST;
                event->step = *line->next && step_from_string(*line->next) > STEP_NONE
                                      ? parse_step(line)
                                      : STEP_LUN_RESET;
                event->forced = follows(line, "forced");
                event->refused = follows(line, "refused");
        } else if (strcmp(what, "expect") == 0)
                parse_expect(line, event);
        else
                wrong(line, "\"%s\" is no fact", what);
}

static int make_room(struct story *story) {
        size_t n = story->n_events;
        struct event *events;

        if (n > 0 && (n & (n - 1)) != 0) /* room is doubled when a power of two is full */
                return 0;
        events = realloc(story->events, (n > 0 ? 2 * n : 1) * sizeof(*events));
        if (!events)
                return -ENOMEM;
        story->events = events;
        return 0;
}

/* In the order of time; then facts before what is expected; then as they are told. */
static void add_event(struct line *line, const struct event *event) {
        struct story *story = line->story;
        size_t i = story->n_events;

        if (i == STORY_EVENTS_MAX || make_room(story) < 0) {
                wrong(line, "the story is too long");
                return;
        }
        for (; i > 0; i--) {
                const struct event *e = story->events + i - 1;
                bool expects = e->what >= _FACTS_MAX;

                if (e->at < event->at ||
                    (e->at == event->at && expects <= (event->what >= _FACTS_MAX)))
                        break;
                story->events[i] = *e;
        }
        story->events[i] = *event;
        story->n_events++;
        story->end = MAX(story->end, event->at);
}

/* Any other key as in a configuration file; a list has commas for its blanks. */
static void parse_key(struct line *line, const char *text, struct policy *policy) {
        char list[64];
        uint64_t n;

        for (size_t i = 0; i < ELEMENTSOF(conf_keys); i++) {
                const char *value = value_of(text, conf_keys[i].name);

                if (!value)
                        continue;
                (void) snprintf(list, sizeof(list), "%s", value);
                for (char *p = list; *p; p++)
                        if (*p == ',')
                                *p = ' ';
                if (conf_parse(conf_keys + i, list, &n) < 0)
                        wrong(line, "\"%s\" is no value of %s=", value, conf_keys[i].name);
                else
                        conf_set_value(policy, conf_keys + i, n);
                return;
        }
        wrong(line, "a policy has no \"%s\"", text);
}

/* "policy warn=30s", or, of one disk, after its device: "policy disk sda warn=30s" */
static void parse_policy(struct line *line, struct policy *policy) {
        struct policy others;

        if (follows(line, "disk") && strcmp(word(line), line->story->disk) != 0)
                policy = &others;
        while (*line->next) {
                const char *text = word(line), *value;

                if ((value = value_of(text, "warn")))
                        policy->warn = parse_time(line, value);
                else if ((value = value_of(text, "stall")))
                        policy->stall = parse_time(line, value);
                else if ((value = value_of(text, "settle")))
                        policy->settle = parse_time(line, value);
                else if ((value = value_of(text, "inflight-limit")))
                        policy->inflight_limit = parse_number(line, value);
                else if ((value = value_of(text, "inflight")))
                        policy->inflight = parse_time(line, value);
                else
                        parse_key(line, text, policy);
        }
}

static void parse_footing(struct line *line, const char *name) {
        static const char *const names[] = { "none", "data", "system" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcmp(name, names[i]) == 0) {
                        line->story->footing = (enum footing) i;
                        return;
                }
        wrong(line, "\"%s\" is no footing", name);
}

static void parse_acts(struct line *line, const char *name) {
        line->story->acts = strcmp(name, "yes") == 0;
        if (!line->story->acts && strcmp(name, "no") != 0)
                wrong(line, "there are acts, yes or no, not \"%s\"", name);
}

static bool parse_yes(struct line *line, const char *value) {
        if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
                wrong(line, "yes or no, not \"%s\"", value);
        return value[0] == 'y';
}

static usec_t parse_timeout(struct line *line, const char *value) {
        return strcmp(value, "infinity") == 0 ? USEC_INFINITY : parse_time(line, value);
}

/* What the controller of an NVMe disk is like. Returns whether the word was about that. */
static bool parse_controller(struct line *line, const char *text) {
        struct nvme_facts *facts = &line->story->controller;
        const struct {
                const char *name;
                bool *fact;
        } names[] = {
                { "multipath", &facts->multipath }, { "lockdown", &facts->lockdown },
                { "movable-bar", &facts->movable_bar }, { "own-bridge", &facts->own_bridge },
                { "identify", &facts->identify },
        };
        const char *value;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if ((value = value_of(text, names[i].name))) {
                        *names[i].fact = parse_yes(line, value);
                        return true;
                }
        if ((value = value_of(text, "io-timeout")))
                facts->io_timeout = parse_timeout(line, value);
        else if ((value = value_of(text, "admin-timeout")))
                facts->admin_timeout = parse_timeout(line, value);
        return value != NULL;
}

static void set_driver(struct story *story, const char *driver) {
        (void) snprintf(story->id.driver, sizeof(story->id.driver), "%s", driver);
        story->id.kind = strcmp(driver, "nvme") == 0 ? DISK_NVME : DISK_SCSI;
}

/* "driver nvme multipath=yes io-timeout=30s", of a disk without a name */
static void parse_driver(struct line *line) {
        set_driver(line->story, word(line));
        while (*line->next) {
                const char *text = word(line);

                if (!parse_controller(line, text))
                        wrong(line, "a driver has no \"%s\"", text);
        }
}

/* "device sda virtio_scsi 0:0:0:0 footing=data acts=yes" */
static void parse_device(struct line *line) {
        struct story *story = line->story;
        const char *name = word(line), *driver = word(line), *address = word(line), *value;

        if (!story->disk[0])
                (void) snprintf(story->disk, sizeof(story->disk), "%s", name);
        line->others = strcmp(name, story->disk) != 0;
        story->recorded = true;
        if (!line->others) {
                set_driver(story, driver);
                (void) snprintf(story->place, sizeof(story->place), "%s %s", driver, address);
        }
        while (*line->next) {
                const char *text = word(line);

                if (line->others)
                        continue;
                if ((value = value_of(text, "footing")))
                        parse_footing(line, value);
                else if ((value = value_of(text, "acts")))
                        parse_acts(line, value);
                else if (!parse_controller(line, text))
                        wrong(line, "a device has no \"%s\"", text);
        }
}

/* What holds for the whole story. Returns whether the line was of that kind. */
static bool parse_head(struct line *line) {
        if (follows(line, "policy"))
                parse_policy(line, &line->story->policy);
        else if (follows(line, "device"))
                parse_device(line);
        else if (follows(line, "footing"))
                parse_footing(line, word(line));
        else if (follows(line, "acts"))
                parse_acts(line, word(line));
        else if (follows(line, "driver"))
                parse_driver(line);
        else
                return false;
        return true;
}

static void add_events(struct line *line, struct event *event, usec_t to, usec_t every) {
        do {
                add_event(line, event);
                event->at += every;
        } while (every > 0 && event->at <= to && !line->story->error[0]);
}

/* AT is the time of the line before, for a line that tells none. */
static void parse_line(struct line *line, usec_t *at) {
        struct story *story = line->story;
        struct event event = { .line = line->number };
        usec_t to, every = 0;
        bool within = false;

        if (parse_head(line))
                return;
        if (follows(line, "end")) {
                *at = parse_time(line, word(line));
                story->end = MAX(story->end, *at);
                return;
        }

        if (follows(line, "at"))
                *at = parse_time(line, word(line));
        to = *at;
        if (follows(line, "from")) {
                *at = parse_time(line, word(line));
                want(line, "to");
                to = parse_time(line, word(line));
                within = !follows(line, "every");
                if (!within)
                        every = parse_time(line, word(line));
                if (to < *at || (every == 0 && !within))
                        wrong(line, "from when to when?");
        }
        parse_what(line, &event);
        if (within && event.what != EXPECT_ACT)
                wrong(line, "only an act can be expected in a span of time");
        event.since = *at;
        event.at = within ? to : *at;
        if (!line->others && !story->error[0])
                add_events(line, &event, to, every);
        *at = to;
}

static void split(struct line *line, char *text) {
        size_t n = 0;
        char *save;

        text[strcspn(text, "#\n")] = '\0';
        for (char *w = strtok_r(text, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
                if (n == WORDS_MAX)
                        wrong(line, "too many words");
                line->words[n++] = w;
        }
        line->words[n] = NULL;
        line->next = line->words;
}

static int read_lines(struct story *story, FILE *f) {
        char text[LINE_MAX_BYTES];
        unsigned number = 0;
        usec_t at = 0;

        while (!story->error[0] && fgets(text, sizeof(text), f)) {
                struct line line = { .story = story, .number = ++number };

                if (!strchr(text, '\n') && !feof(f))
                        wrong(&line, "the line is too long");
                split(&line, text);
                if (!line.words[0])
                        continue;
                parse_line(&line, &at);
                if (*line.next)
                        wrong(&line, "\"%s\" is too much", *line.next);
        }
        if (ferror(f))
                return -EIO;
        if (story->disk[0] && !story->place[0] && !story->error[0])
                (void) snprintf(story->error, sizeof(story->error),
                                "%u: it tells of no device \"%s\"", number, story->disk);
        return story->error[0] ? -EINVAL : 0;
}

int story_read(const char *path, const char *name, const struct policy *policy, struct story *ret) {
        _cleanup_fclose_ FILE *f = NULL;
        int r;

        assert(path && name && policy && ret);

        *ret = (struct story) {
                .policy = *policy,
                .footing = FOOTING_DATA,
                .acts = true,
                .controller.io_timeout = USEC_INFINITY,
                .controller.admin_timeout = USEC_INFINITY,
        };
        set_driver(ret, "virtio_scsi");
        (void) snprintf(ret->disk, sizeof(ret->disk), "%s", name);
        f = fopen(path, "re");
        if (!f)
                return -errno;
        r = read_lines(ret, f);
        if (r < 0)
                story_done(ret);
        return r;
}

void story_done(struct story *story) {
        assert(story);

        free(story->events);
        story->events = NULL;
        story->n_events = 0;
}
