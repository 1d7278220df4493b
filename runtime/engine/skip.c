/* SPDX-License-Identifier: Apache-2.0
 * skip - the file where messages go that a node has refused or given up: one JSON line each, with
 * the message as JSON, its packed bytes and the reason. */
#include "engine/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct skip_file {
    char *path;
    int fd;               /* -1: not open yet */
    pthread_mutex_t lock; /* any worker may skip */
};

struct skip_file *
skip_new(const char *path)
{
    struct skip_file *file = xcalloc(1, sizeof *file);

    file->path = xstrdup(path ? path : "skipped.jsonl");
    file->fd = -1;
    pthread_mutex_init(&file->lock, NULL);
    return file;
}

void
skip_free(struct skip_file *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    pthread_mutex_destroy(&file->lock);
    free(file->path);
    free(file);
}

static void
put_base64(hde_text *text, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);
        char out[4] = {digits[group >> 18], digits[group >> 12 & 63],
                       left > 1 ? digits[group >> 6 & 63] : '=',
                       left > 2 ? digits[group & 63] : '='};

        hde_text_put(text, out, 4);
    }
}

static void
put_bytes(hde_text *text, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = xmalloc(size);

    protobuf_c_message_pack(message, bytes);
    put_base64(text, bytes, size);
    free(bytes);
}

static void
put_line(hde_text *text, const struct node *node, const char *port, uint64_t tick,
         const hde_msg *msg)
{
    const hde_ctx *ctx = &node->ctx;
    const char *reason = ctx->said->text;
    size_t event = strlen(ctx->said->event);

    /* said is "event: text" */
    if (event && !strncmp(reason, ctx->said->event, event) && reason[event] == ':')
        reason += event + 2;
    hde_text_puts(text, "{\"time\":");
    hde_json_time(text, ctx->now_ns);
    hde_text_puts(text, ",\"graph\":");
    hde_json_string(text, ctx->graph);
    hde_text_puts(text, ",\"node\":");
    hde_json_string(text, ctx->node);
    hde_text_puts(text, ",\"port\":");
    hde_json_string(text, port);
    hde_text_printf(text, ",\"tick\":%llu,\"event\":", (unsigned long long)tick);
    hde_json_string(text, ctx->said->event);
    hde_text_puts(text, ",\"reason\":");
    hde_json_string(text, reason);
    if (msg) {
        hde_text_puts(text, ",\"event_time\":");
        hde_json_time(text, msg->event_ns);
        hde_text_puts(text, ",\"type\":");
        hde_json_string(text, msg->body->descriptor->name);
        hde_text_puts(text, ",\"message\":");
        hde_json_message(text, msg->body, HDE_JSON_PROTO);
        hde_text_puts(text, ",\"bytes\":\"");
        put_bytes(text, msg->body);
        hde_text_puts(text, "\"");
    }
    hde_text_puts(text, "}\n");
}

static bool
write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

/* msg NULL: the operator has taken it, only the reason is kept. */
void
skip_message(struct node *node, const char *port, uint64_t tick, const hde_msg *msg)
{
    struct skip_file *file = node->engine->skip;
    hde_text text = {0};
    bool is_written;

    put_line(&text, node, port, tick, msg);
    pthread_mutex_lock(&file->lock);
    if (file->fd < 0)
        file->fd = open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    is_written = file->fd >= 0 && write_all(file->fd, text.data, text.len);
    if (!is_written)
        hde_log(&node->ctx, HDE_ERROR, "engine.skip-file",
                "a skipped message cannot be kept in '%s': %s", file->path, strerror(errno));
    pthread_mutex_unlock(&file->lock);
    hde_text_free(&text);
}
