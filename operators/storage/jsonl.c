/* SPDX-License-Identifier: Apache-2.0
 * jsonl - messages as JSON, one a line, into a file, one file a type, or standard output.
 *
 *  (1) Lines wait in memory until a tick is complete, so what is written is always whole ticks;
 *      what the disk did not take stays and is tried again, from the byte where it stopped.
 *      [test_a_full_disk_is_tried_again_from_where_it_stopped]
 *  (2) In a graph with checkpoints PATH.mark says up to which tick, and how long, the files are
 *      whole. It is written when the lines before it are safe; what a crash leaves behind it is cut
 *      off when the sink opens, and comes again. [test_what_is_behind_the_mark_is_cut_off,
 *      tests/graphs/kill.sh]
 *  (3) Without checkpoints nothing comes again: nothing is cut off, and a mark of before is
 *      removed, since it no longer says what the files have.
 *      [test_without_checkpoints_nothing_is_cut_off]
 *  (4) A node that was moved between hosts with one disk goes on with its files: with the first
 *      line it takes over the mark of the other host, and an instance that still runs there stops.
 *      [test_files_of_this_node_on_another_host_are_taken_over, tests/hosts/spare.sh] */
#include "common/label.h"
#include "mark.h"
#include "out.h"
#include "project.h"

#include <hde/operator.h>
#include <hde/schemas/analytics.pb-c.h>
#include <hde/schemas/market.pb-c.h>
#include <hde/schemas/runtime.pb-c.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITE_AT = 256 << 10 };

struct kind {
    const ProtobufCMessageDescriptor *type;
    const char *name;              /* type_label() */
    struct projection *projection; /* with `fields`; NULL: it has none of them */
};

struct jsonl {
    hde_path path;
    const char *by_type;
    hde_list fields, types;
    bool append;

    unsigned n_kinds, n_files;    /* one file alone, or one a kind, opened when needed */
    struct kind kind[MARK_FILES]; /* of message */
    struct out file[MARK_FILES];
    hde_text lines[MARK_FILES];   /* of the tick that is not complete */
    uint64_t tick, complete;      /* of `lines`; up to it all is in `file` */
    bool keeps_mark, has_news;            /* what is not covered by the mark */
    bool takes_over;                      /* the files of another host, with the first line */
    struct mark mark;
    hde_text mark_path;
    hde_counter *written;
};

static bool
is_stdout(const struct jsonl *self)
{
    const char *path = self->path.path;
    const char *name = path ? strrchr(path, '/') : NULL;

    return !path || !*path || strcmp(name ? name + 1 : path, "-") == 0;
}

/* Neither standard output nor a pipe or a device. */
static bool
is_a_file(const struct jsonl *self)
{
    struct stat st;

    return !is_stdout(self) && (stat(self->path.path, &st) || S_ISREG(st.st_mode));
}

/* ---- Files --------------------------------------------------------------------------------- */

static bool
is_split(const struct jsonl *self)
{
    return strcmp(self->by_type, "files") == 0;
}

/* What the mark calls that file. */
static const char *
file_of(const struct jsonl *self, unsigned i)
{
    return is_split(self) ? self->kind[i].name : "-";
}

/* "market.jsonl" for hde.Zones is "market.Zones.jsonl". */
static void
put_name(hde_text *name, const struct jsonl *self, unsigned i)
{
    const char *path = self->path.path;
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');

    if (!is_split(self)) {
        hde_text_puts(name, path);
        return;
    }
    if (!dot || (slash && dot < slash))
        dot = path + strlen(path);
    hde_text_put(name, path, (size_t)(dot - path));
    hde_text_printf(name, ".%s%s", self->kind[i].name, dot);
}

/* A line that a crash has cut stays a line of its own. */
static void
end_last_line(struct out *out, const char *name)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    char last = '\n';

    if (size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n')
        hde_text_puts(&out->text, "\n");
    if (fd >= 0)
        close(fd);
}

static hde_status
open_file(hde_ctx *ctx, struct jsonl *self, unsigned i)
{
    struct out *out = &self->file[i];
    hde_text name = {0};
    const uint64_t *length = mark_length(&self->mark, file_of(self, i));
    bool goes_on = self->append || self->mark.tick || (length && *length);
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (goes_on ? O_APPEND : O_TRUNC);
    hde_status status = HDE_OK;

    if (out->fd >= 0)
        return HDE_OK;
    if (is_stdout(self)) {
        out->fd = STDOUT_FILENO;
        return HDE_OK;
    }
    put_name(&name, self, i);
    if (goes_on)
        end_last_line(out, name.data);
    out->fd = open(name.data, flags, 0666);
    if (out->fd < 0)
        status = hde_fail(ctx, "jsonl.cannot-open", "%s: %s", name.data, strerror(errno));
    hde_text_free(&name);
    return status;
}

/* What stopped a write to that file, 0: nothing. */
static hde_status
say(hde_ctx *ctx, const char *path, int error)
{
    if (error == ENOSPC || error == EDQUOT || error == EFBIG)
        return hde_retry(ctx, "jsonl.full", "%s: %s (make room; nothing is lost meanwhile)", path,
                         strerror(error));
    if (error == EPIPE)
        return hde_fail(ctx, "jsonl.closed", "%s: the reader has gone away", path);
    if (error)
        return hde_fail(ctx, "jsonl.cannot-write", "%s: %s", path, strerror(error));
    return HDE_OK;
}

/* Writes the complete ticks of all files. */
static hde_status
write_out(hde_ctx *ctx, struct jsonl *self)
{
    for (unsigned i = 0; i < self->n_files; i++) {
        int error = out_left(&self->file[i]) ? out_write(&self->file[i]) : 0;

        if (error)
            return say(ctx, is_stdout(self) ? "standard output" : self->path.path, error);
    }
    return HDE_OK;
}

static void
complete_tick(struct jsonl *self)
{
    for (unsigned i = 0; i < self->n_files; i++) {
        self->has_news |= self->lines[i].len > 0;
        hde_text_put(&self->file[i].text, self->lines[i].data, self->lines[i].len);
        hde_text_clear(&self->lines[i]);
    }
    self->complete = self->tick;
}

static size_t
left(const struct jsonl *self)
{
    size_t sum = 0;

    for (unsigned i = 0; i < self->n_files; i++)
        sum += out_left(&self->file[i]);
    return sum;
}

/* ---- The mark ------------------------------------------------------------------------------ */

/* A later start of this node writes here if its mark is there, or another host to which the node was
 * moved. */
static bool
is_fenced(const struct jsonl *self)
{
    struct mark stored;

    return mark_read(self->mark_path.data, &stored) == MARK_READ &&
           (strcmp(stored.owner, self->mark.owner) != 0 ||
            HDE_TICK_INCARNATION(stored.tick) > HDE_TICK_INCARNATION(self->complete));
}

static hde_status
store_mark(hde_ctx *ctx, struct jsonl *self)
{
    struct stat st;

    for (unsigned i = 0; i < self->n_files; i++) {
        if (self->file[i].fd < 0)
            continue;
        if (fdatasync(self->file[i].fd) || fstat(self->file[i].fd, &st))
            return say(ctx, self->path.path, errno);
        mark_set(&self->mark, file_of(self, i), (uint64_t)st.st_size);
    }
    self->mark.tick = self->complete;
    return say(ctx, self->mark_path.data,
               mark_write(self->mark_path.data, &self->mark));
}

/* Makes the complete ticks safe. */
static hde_status
commit(hde_ctx *ctx, struct jsonl *self)
{
    bool marks = self->keeps_mark && self->has_news;
    hde_status status;

    if (marks && is_fenced(self))
        return hde_fail(ctx, "jsonl.fenced",
                        "%s: a later start of node '%s' writes to this file, or the host to which "
                        "it was moved: this one stops",
                        self->path.path, hde_node_name(ctx));
    status = write_out(ctx, self);
    if (status != HDE_OK || !marks)
        return status;
    status = store_mark(ctx, self);
    if (status == HDE_OK)
        self->has_news = false;
    return status;
}

/* Cuts a file to its length in the mark. One that is empty was moved away, by logrotate say; what
 * is in one that the mark does not know belongs to nobody's tick. */
static hde_status
cut_file(hde_ctx *ctx, struct jsonl *self, unsigned i)
{
    uint64_t *length = mark_length(&self->mark, file_of(self, i));
    hde_text name = {0};
    hde_status status = HDE_OK;
    struct stat st = {0};

    put_name(&name, self, i);
    if (stat(name.data, &st))
        st.st_size = 0;
    if (!length) {
        mark_set(&self->mark, file_of(self, i), (uint64_t)st.st_size);
    } else if (st.st_size == 0) {
        *length = 0;
    } else if ((uint64_t)st.st_size < *length) {
        status = hde_fail(ctx, "jsonl.shorter",
                          "%s has %lld bytes, and %llu when its mark was written: put it back, or "
                          "move it away and begin an empty one",
                          name.data, (long long)st.st_size, (unsigned long long)*length);
    } else if ((uint64_t)st.st_size > *length) {
        hde_log(ctx, HDE_INFO, "jsonl.cut", "%s: %llu bytes behind the mark go, they come again",
                name.data, (unsigned long long)st.st_size - (unsigned long long)*length);
        if (truncate(name.data, (off_t)*length))
            status = say(ctx, name.data, errno);
    }
    hde_text_free(&name);
    return status;
}

/* What is there already belongs to nobody's tick. */
static hde_status
begin_mark(hde_ctx *ctx, struct jsonl *self)
{
    for (unsigned i = 0; i < self->n_files; i++) {
        hde_text name = {0};
        struct stat st;

        put_name(&name, self, i);
        mark_set(&self->mark, file_of(self, i),
                 self->append && stat(name.data, &st) == 0 ? (uint64_t)st.st_size : 0);
        hde_text_free(&name);
    }
    return say(ctx, self->mark_path.data, mark_write(self->mark_path.data, &self->mark));
}

/* "GRAPH.HOST/NODE", the host being another one. */
static bool
is_of_this_node_elsewhere(hde_ctx *ctx, const char *owner)
{
    const char *common = hde_graph_common_name(ctx), *host, *slash;

    if (!common || strncmp(owner, common, strlen(common)) != 0 || owner[strlen(common)] != '.')
        return false;
    host = owner + strlen(common) + 1;
    slash = host + strcspn(host, "./");
    return slash > host && *slash == '/' && strcmp(slash + 1, hde_node_name(ctx)) == 0;
}

/* Its ticks say nothing here. */
static hde_status
take_over(hde_ctx *ctx, struct jsonl *self, const char *owner)
{
    hde_log(ctx, HDE_INFO, "jsonl.taken-over", "%s: goes on where it was left by %s",
            self->path.path, self->mark.owner);
    snprintf(self->mark.owner, sizeof self->mark.owner, "%s", owner);
    self->mark.tick = 0;
    return say(ctx, self->mark_path.data, mark_write(self->mark_path.data, &self->mark));
}

/* Before the files are opened. Of those of this node on another host nothing is touched with the
 * first call: the node may run there, and this one be opened to see whether it could. */
static hde_status
open_mark(hde_ctx *ctx, struct jsonl *self)
{
    bool is_first = !self->takes_over, is_ours;
    hde_status status = HDE_OK;
    char owner[MARK_OWNER];

    self->takes_over = false;
    snprintf(owner, sizeof owner, "%s/%s", hde_graph_name(ctx), hde_node_name(ctx));
    switch (mark_read(self->mark_path.data, &self->mark)) {
    case MARK_NONE:
        snprintf(self->mark.owner, sizeof self->mark.owner, "%s", owner);
        return begin_mark(ctx, self);
    case MARK_READ:
        is_ours = strcmp(self->mark.owner, owner) == 0;
        if (!is_ours && !is_of_this_node_elsewhere(ctx, self->mark.owner))
            return hde_fail(ctx, "jsonl.other-mark",
                            "%s is of another node, %s: give this one a file of its own, or remove "
                            "it",
                            self->mark_path.data, self->mark.owner);
        if (!is_ours && is_first) {
            self->takes_over = true;
            self->mark.tick = 0;
            return HDE_OK;
        }
        for (unsigned i = 0; i < self->n_files && status == HDE_OK; i++)
            status = cut_file(ctx, self, i);
        return status != HDE_OK || is_ours ? status : take_over(ctx, self, owner);
    case MARK_BAD:
        break;
    }
    return hde_fail(ctx, "jsonl.bad-mark",
                    "%s is no mark: remove it (the end of the log may then come twice)",
                    self->mark_path.data);
}

/* Whether the files could be opened, where they are not yet. */
static hde_status
look_at_files(hde_ctx *ctx, struct jsonl *self)
{
    hde_status status = HDE_OK;

    for (unsigned i = 0; i < self->n_files && status == HDE_OK; i++) {
        hde_text name = {0};

        put_name(&name, self, i);
        if (access(name.data, W_OK) && errno != ENOENT)
            status = hde_fail(ctx, "jsonl.cannot-open", "%s: %s", name.data, strerror(errno));
        hde_text_free(&name);
    }
    return status;
}

/* ---- Lines --------------------------------------------------------------------------------- */

static unsigned
kind_of(const struct jsonl *self, const hde_msg *msg)
{
    unsigned kind = 0;

    while (self->kind[kind].type != msg->body->descriptor)
        kind++;
    return kind;
}

static hde_status
add_line(hde_ctx *ctx, struct jsonl *self, const hde_msg *msg)
{
    unsigned at = kind_of(self, msg), file = self->n_files > 1 ? at : 0;
    const struct kind *kind = &self->kind[at];
    const ProtobufCMessage *body = msg->body;
    hde_text *lines = &self->lines[file];
    hde_status status;
    size_t start;

    if (self->fields.n) {
        if (!kind->projection)
            return HDE_OK;
        body = projection_of(ctx, kind->projection, body);
    }
    status = open_file(ctx, self, file);
    if (status != HDE_OK)
        return status;
    if (strcmp(self->by_type, "field") != 0) {
        hde_json_message(lines, body, HDE_JSON_FIELDS);
    } else {
        hde_text_printf(lines, "{\"type\":\"%s\",", kind->name);
        start = lines->len;
        hde_json_message(lines, body, HDE_JSON_FIELDS);
        memmove(lines->data + start, lines->data + start + 1, lines->len - start);
        lines->len--;
        if (lines->data[start] == '}') { /* no fields: no comma */
            lines->data[start - 1] = '}';
            lines->data[--lines->len] = '\0';
        }
    }
    hde_text_puts(lines, "\n");
    hde_count(self->written, 1);
    return HDE_OK;
}

/* ---- The operator -------------------------------------------------------------------------- */

/* With which of `fields` any of them has. */
static bool
know_kinds(hde_ctx *ctx, struct jsonl *self, bool *found)
{
    const hde_port *in = hde_inputs(ctx);

    for (unsigned i = 0; in->types[i]; i++) {
        const ProtobufCMessageDescriptor *type = in->types[i];

        if (self->n_kinds == MARK_FILES || strlen(type->name) >= MARK_NAME)
            return false;
        self->kind[self->n_kinds++] =
            (struct kind){type, type_label(type),
                          self->fields.n ? projection_new(type, &self->fields, found) : NULL};
    }
    self->n_files = is_split(self) && !is_stdout(self) ? self->n_kinds : 1;
    return true;
}

static hde_status
jsonl_open(hde_ctx *ctx, void *state)
{
    struct jsonl *self = state;
    bool *found = hde_scratch(ctx, (self->fields.n + 1) * sizeof *found);

    self->written = hde_counter_open(ctx, "lines", "lines written");
    for (unsigned i = 0; i < MARK_FILES; i++)
        self->file[i].fd = -1;
    memset(found, 0, (self->fields.n + 1) * sizeof *found);
    if (!know_kinds(ctx, self, found))
        return hde_fail(ctx, "jsonl.types", "types: more than %d, or a name of over %d letters",
                        MARK_FILES, MARK_NAME - 1);
    for (size_t i = 0; i < self->fields.n; i++)
        if (!found[i])
            return hde_fail(ctx, "jsonl.unknown-field",
                            "fields: no message that this sink takes has '%s'",
                            self->fields.item[i]);
    if (is_a_file(self)) {
        self->keeps_mark = hde_recovers(ctx);
        hde_text_printf(&self->mark_path, "%s.mark", self->path.path);
        if (!self->keeps_mark)
            unlink(self->mark_path.data);
        else if (open_mark(ctx, self) != HDE_OK)
            return HDE_FAIL;
    }
    if (self->takes_over)
        return look_at_files(ctx, self);
    return self->n_files > 1 ? HDE_OK : open_file(ctx, self, 0);
}

static hde_status
jsonl_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct jsonl *self = state;

    if (self->takes_over && open_mark(ctx, self) != HDE_OK)
        return HDE_FAIL;
    if (batch->tick != self->tick) {
        complete_tick(self);
        self->tick = batch->tick;
    }
    if (left(self) >= WRITE_AT) {
        hde_status status = commit(ctx, self);

        if (status != HDE_OK)
            return status;
    }
    for (; batch->done < batch->n; batch->done++) {
        hde_status status = add_line(ctx, self, batch->msg[batch->done]);

        if (status != HDE_OK)
            return status;
    }
    return HDE_OK;
}

static hde_status
jsonl_flush(hde_ctx *ctx, void *state, uint64_t tick)
{
    struct jsonl *self = state;

    complete_tick(self);
    if (self->complete < tick)
        self->complete = tick;
    return commit(ctx, self);
}

static hde_status
jsonl_mark(hde_ctx *ctx, void *state, uint64_t *tick)
{
    *tick = ((struct jsonl *)state)->mark.tick;
    return HDE_OK;
}

static void
jsonl_close(hde_ctx *ctx, void *state)
{
    struct jsonl *self = state;

    for (unsigned i = 0; i < self->n_files; i++) {
        if (self->file[i].fd > STDERR_FILENO)
            close(self->file[i].fd);
        hde_text_free(&self->file[i].text);
        hde_text_free(&self->lines[i]);
    }
    for (unsigned i = 0; i < self->n_kinds; i++)
        projection_free(self->kind[i].projection);
    hde_text_free(&self->mark_path);
}

static const hde_param params[] = {
    HDE_PARAM(struct jsonl, path, .fallback = "", .flags = HDE_PARAM_STORE,
              .help = "the file; left out or - is standard output"),
    HDE_PARAM(struct jsonl, by_type, .fallback = "field", .choices = "field|files|none",
              .help = "tell types by a field \"type\", by one file each (name.Type.jsonl), or not"),
    HDE_PARAM(struct jsonl, fields, .fallback = "",
              .help = "only these fields, as paths: [expiry, metrics.pcr.oi]; messages that have "
                      "none of them are left out"),
    HDE_PARAM(struct jsonl, types, .fallback = "",
              .help = "message types of other plugins that it takes too: my.PairSpread"),
    HDE_PARAM(struct jsonl, append, .fallback = "true",
              .help = "false: begin with an empty file, where no mark says that it goes on"),
    {0}};

static const hde_port inputs[] = {
    {"in",
     HDE_TYPES(&hde__enriched_chain__descriptor, &hde__raw_chain__descriptor,
               &hde__cumulative_oi__descriptor, &hde__velocity__descriptor,
               &hde__buildup__descriptor, &hde__zones__descriptor, &hde__sample__descriptor),
     .help = "chains and results"},
    {0}};

static const hde_operator jsonl = {
    .size = sizeof(hde_operator),
    .flags = HDE_BLOCKING | HDE_EXCLUSIVE | HDE_MORE_TYPES,
    .name = "storage/jsonl",
    .summary = "messages as JSON lines into a file or standard output",
    .help = "Fields have the names of the schemas, absent ones are left out, unknown entries of\n"
            "columns are null. Whole ticks are written when the input runs empty. A full disk is\n"
            "tried again and loses nothing. In a graph with checkpoints PATH.mark says how far\n"
            "the file is whole, and lines come once; not so on standard output.",
    .inputs = inputs,
    .params = params,
    .state_size = sizeof(struct jsonl),
    .open = jsonl_open,
    .batch = jsonl_batch,
    .close = jsonl_close,
    .flush = jsonl_flush,
    .mark = jsonl_mark,
};

HDE_PLUGIN(&jsonl);
