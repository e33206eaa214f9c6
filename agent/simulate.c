/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/macro.h"
#include "agent/base/time-util.h"
#include "agent/conf/parse.h"
#include "agent/play.h"
#include "agent/simulate.h"

#define SPAN(t) format_usec((char[FORMAT_USEC_MAX]) {}, FORMAT_USEC_MAX, t)

static void on_message(int priority, const char *message, void *userdata) {
        (void) priority;
        (void) fprintf(userdata, "unhang: %s\n", message);
}

static enum verb_result unreadable(const char *path, const struct story *story, int r, FILE *err) {
        if (story->error[0])
                (void) fprintf(err, "unhang: %s:%s\n", path, story->error);
        else
                (void) fprintf(err, "unhang: %s: %s\n", path, strerror(-r));
        return VERB_ERROR;
}

static void tell_beginning(const struct story *story, FILE *out) {
        const struct policy *p = &story->policy;

        (void) fprintf(out, "%s%s%s%swarn after %s, act after %s", story->disk,
                       story->place[0] ? " " : "", story->place,
                       story->disk[0] || story->place[0] ? ": " : "", SPAN(p->warn),
                       SPAN(p->stall));
        if (p->inflight_limit != UINT64_MAX)
                (void) fprintf(out, ", or with more than %" PRIu64 " in flight for %s",
                               p->inflight_limit, SPAN(p->inflight));
        (void) fprintf(out, "%s\n", story->acts ? "" : "; nothing is done to it but report");
}

static enum verb_result tell_end(const char *path, const struct story *story,
                                 const struct verdict *verdict, FILE *out) {
        if (!verdict->true_to_life) {
                (void) fprintf(out, "%s:%u: %s\n", path, verdict->line, verdict->text);
                return VERB_ERROR;
        }
        (void) fprintf(out, "%12s  end: %u act%s\n", SPAN(story->end), verdict->acts,
                       verdict->acts == 1 ? "" : "s");
        return VERB_OK;
}

enum verb_result simulate(const char *path, const char *name, const char *config, FILE *out,
                          FILE *err) {
        struct policy policy;
        struct story story;
        struct verdict verdict;
        enum verb_result result;
        int r;

        assert(path && out && err);

        /* A file that is not there is as good as an empty one to the daemon; not to a person. */
        if (config && access(config, R_OK) < 0) {
                (void) fprintf(err, "unhang: %s: %s\n", config, strerror(errno));
                return VERB_ERROR;
        }
        conf_defaults(&policy);
        r = story_read(path, name ?: "", &policy, &story);
        if (r < 0)
                return unreadable(path, &story, r, err);
        if (config && conf_load(config, on_message, err, &story.policy) > 0) {
                story_done(&story);
                return VERB_ERROR;
        }
        /* What a story expects is meant under its own limits. */
        if (config)
                story.expects = false;
        story.acts = story.acts && story.policy.act;
        tell_beginning(&story, out);
        play_story(&story, out, &verdict);
        result = tell_end(path, &story, &verdict, out);
        story_done(&story);
        return result;
}
