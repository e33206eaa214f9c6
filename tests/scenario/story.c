/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "agent/base/time-util.h"
#include "agent/decide/names.h"
#include "tests/scenario/scenario.h"

/* Reads stories. A line is split into words; the first ones say when, the next what. */

#define WORDS_MAX 24

struct line {
        const struct story *story;
        unsigned number;
        char *words[WORDS_MAX + 1]; /* NULL at the end */
        char **next;
};

void story_wrong(const struct story *story, unsigned line, const char *format, ...) {
        bool expected;
        char text[512];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        expected = story->must_fail[0] && strstr(text, story->must_fail);
        (void) printf("%s:%u: %s%s\n", story->path, line, text,
                      expected ? " (as it has to be)" : "");
        (void) fflush(stdout);
        exit(expected ? EXIT_SUCCESS : EXIT_FAILURE);
}

static const char *word(struct line *line) {
        if (!*line->next)
                story_wrong(line->story, line->number, "something is missing at the end");
        return *line->next++;
}

static bool follows(struct line *line, const char *what) {
        bool yes = *line->next && strcmp(*line->next, what) == 0;

        line->next += yes;
        return yes;
}

static void want(struct line *line, const char *what) {
        const char *found = word(line);

        if (strcmp(found, what) != 0)
                story_wrong(line->story, line->number, "\"%s\" instead of \"%s\"", found, what);
}

static usec_t parse_time(struct line *line, const char *text) {
        usec_t t;

        if (parse_usec(text, &t) < 0)
                story_wrong(line->story, line->number, "\"%s\" is no time", text);
        return t;
}

/* Whether the word is NAME=..., and what stands behind. */
static const char *value_of(const char *text, const char *name) {
        size_t n = strlen(name);

        return strncmp(text, name, n) == 0 && text[n] == '=' ? text + n + 1 : NULL;
}

static struct value parse_value(struct line *line, const char *text) {
        struct value value = { .how = text[0] == '+' ? VALUE_ADD : VALUE_SET };
        char *end;

        if (strcmp(text, "yes") == 0 || strcmp(text, "no") == 0)
                return (struct value) { VALUE_SET, text[0] == 'y' };
        value.n = strtoull(text + (value.how == VALUE_ADD), &end, 10);
        if (*end || !text[0])
                story_wrong(line->story, line->number, "\"%s\" is no number", text);
        return value;
}

static void parse_disk(struct line *line, struct event *event) {
        const struct {
                const char *name;
                struct value *value;
        } keys[] = {
                { "completed", &event->completed },
                { "answered", &event->answered },
                { "outstanding", &event->outstanding },
                { "held", &event->held },
                { "offline", &event->offline },
        };

        event->what = FACT_DISK;
        while (*line->next) {
                const char *text = word(line), *value = NULL;

                for (size_t i = 0; i < ELEMENTSOF(keys) && !value; i++)
                        if ((value = value_of(text, keys[i].name)))
                                *keys[i].value = parse_value(line, value);
                if (!value)
                        story_wrong(line->story, line->number, "a disk has no \"%s\"", text);
        }
}

static enum step parse_step(struct line *line) {
        const char *name = word(line);
        int step = step_from_string(name);

        if (step <= STEP_NONE)
                story_wrong(line->story, line->number, "\"%s\" is no step", name);
        return (enum step) step;
}

static int parse_error(struct line *line) {
        static const struct {
                const char *name;
                int error;
        } errors[] = {
                { "ok", 0 },         { "again", -EAGAIN },      { "refused", -EIO },
                { "busy", -EBUSY },  { "impossible", -EINVAL }, { "unsupported", -ENOTTY },
                { "died", -EPIPE },
        };
        const char *name = word(line);

        for (size_t i = 0; i < ELEMENTSOF(errors); i++)
                if (strcmp(errors[i].name, name) == 0)
                        return errors[i].error;
        story_wrong(line->story, line->number, "\"%s\" is no way to return", name);
}

static void parse_expect(struct line *line, struct event *event) {
        const char *what = word(line), *name;
        int state;

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
                        story_wrong(line->story, line->number, "\"%s\" is no state", name);
                event->state = (enum incident_state) state;
        } else if (strcmp(what, "outcome") == 0)
                event->what = EXPECT_OUTCOME;
        else if (strcmp(what, "word") == 0)
                event->what = EXPECT_WORD;
        else
                story_wrong(line->story, line->number, "\"%s\" cannot be expected", what);
        (void) snprintf(event->word, sizeof(event->word), "%s", name);
}

static void parse_what(struct line *line, struct event *event) {
        const char *what = word(line);

        if (strcmp(what, "disk") == 0)
                parse_disk(line, event);
        else if (strcmp(what, "host") == 0) {
                event->what = FACT_HOST;
                event->busy = follows(line, "busy");
                if (!event->busy)
                        want(line, "free");
        } else if (strcmp(what, "returned") == 0) {
                event->what = FACT_RETURNED;
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
        else if (strcmp(what, "request") == 0) {
                event->what = FACT_REQUEST;
                event->refused = follows(line, "refused");
        } else if (strcmp(what, "expect") == 0)
                parse_expect(line, event);
        else
                story_wrong(line->story, line->number, "\"%s\" is no fact", what);
}

static void add_event(struct story *story, const struct event *event) {
        size_t i = story->n_events;

        if (i == EVENTS_MAX)
                story_wrong(story, event->line, "the story is too long");
        /* In the order of time; then facts before what is expected; then as they are told. */
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

static void parse_policy(struct line *line, struct policy *policy) {
        while (*line->next) {
                const char *text = word(line), *value;

                if ((value = value_of(text, "warn")))
                        policy->warn = parse_time(line, value);
                else if ((value = value_of(text, "stall")))
                        policy->stall = parse_time(line, value);
                else if ((value = value_of(text, "settle")))
                        policy->settle = parse_time(line, value);
                else
                        story_wrong(line->story, line->number, "a policy has no \"%s\"", text);
        }
}

static enum footing parse_footing(struct line *line) {
        static const char *const names[] = { "none", "data", "system" };
        const char *name = word(line);

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcmp(name, names[i]) == 0)
                        return (enum footing) i;
        story_wrong(line->story, line->number, "\"%s\" is no footing", name);
}

/* AT is the time of the line before, for a line that tells none. */
static void parse_line(struct story *story, struct line *line, usec_t *at) {
        struct event event = { .line = line->number };
        usec_t to, every = 0;
        bool within = false;

        if (follows(line, "policy")) {
                parse_policy(line, &story->policy);
                return;
        }
        if (follows(line, "footing")) {
                story->footing = parse_footing(line);
                return;
        }
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
                if (follows(line, "every"))
                        every = parse_time(line, word(line));
                else
                        within = true;
                if (to < *at || (every == 0 && !within))
                        story_wrong(story, line->number, "from when to when?");
        }
        parse_what(line, &event);
        if (within && event.what != EXPECT_ACT)
                story_wrong(story, line->number, "only an act can be expected in a span of time");
        event.since = *at;
        event.at = within ? to : *at;
        do {
                add_event(story, &event);
                event.at += every;
        } while (every > 0 && event.at <= to);
        *at = to;
}

static void split(struct line *line, char *text) {
        size_t n = 0;
        char *save;

        text[strcspn(text, "#\n")] = '\0';
        for (char *w = strtok_r(text, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
                if (n == WORDS_MAX)
                        story_wrong(line->story, line->number, "too many words");
                line->words[n++] = w;
        }
        line->words[n] = NULL;
        line->next = line->words;
}

/* "must fail: TEXT" stands before what is wrong, and has all the line. */
static bool parse_must_fail(struct story *story, char *text) {
        static const char head[] = "must fail: ";

        if (strncmp(text, head, strlen(head)) != 0)
                return false;
        text[strcspn(text, "\n")] = '\0';
        (void) snprintf(story->must_fail, sizeof(story->must_fail), "%s", text + strlen(head));
        return true;
}

void story_read(struct story *story, const char *path) {
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        struct line line = { .story = story };
        char text[TEXT_MAX];
        usec_t at = 0;

        story->path = path;
        if (!f)
                story_wrong(story, 0, "cannot be read: %s", strerror(errno));
        while (fgets(text, sizeof(text), f)) {
                line.number++;
                if (!strchr(text, '\n'))
                        story_wrong(story, line.number, "the line is too long");
                if (parse_must_fail(story, text))
                        continue;
                split(&line, text);
                if (!line.words[0])
                        continue;
                parse_line(story, &line, &at);
                if (*line.next)
                        story_wrong(story, line.number, "\"%s\" is too much", *line.next);
        }
        if (story->policy.stall == 0 || story->policy.settle == 0 || story->policy.warn == 0)
                story_wrong(story, line.number, "no policy with warn, stall and settle");
}
