/* SPDX-License-Identifier: Apache-2.0
 * settings - values of the language itself, with the same care as parameters of operators. */
#include "base/nearest.h"
#include "graph/load.h"
#include "graph/value.h"

#include <ctype.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

void
refuse_unsupported(struct loader *loader, struct place place, const char *fmt, ...)
{
    char text[200];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    diags_add(loader->diags, SEVERITY_ERROR, G_UNSUPPORTED, place,
              "%s is not supported by this version", text);
    diags_hint(loader->diags, "remove it");
}

static void
refuse_key(struct loader *loader, const struct yaml *key, const struct known_key *keys,
           const char *what)
{
    struct nearest near = {.word = key->text};
    hde_text list = {0};

    for (; keys->name; keys++) {
        if (keys->unsupported)
            continue;
        nearest_try(&near, keys->name);
        hde_text_printf(&list, "%s%s", list.len ? ", " : "", keys->name);
    }
    diags_add(loader->diags, SEVERITY_ERROR, G_UNKNOWN_KEY, key->place, "%s has no key '%.80s'",
              what, key->text);
    diags_nearest(loader->diags, &near);
    diags_hint(loader->diags, "keys: %s", list.data);
    hde_text_free(&list);
}

void
check_keys(struct loader *loader, const struct yaml *map, const struct known_key *keys,
           const char *what)
{
    for (size_t i = 0; map && map->kind == KIND_MAP && i < map->n; i++) {
        const struct known_key *known = keys;

        while (known->name && strcmp(known->name, map->key[i]->text) != 0)
            known++;
        if (!known->name)
            refuse_key(loader, map->key[i], keys, what);
        else if (known->unsupported)
            refuse_unsupported(loader, map->key[i]->place, "'%s'", known->name);
    }
}

/* Names become parts of edges, metrics labels and files. */
bool
check_name(struct loader *loader, const struct yaml *key, const char *what)
{
    const char *s = key->text;
    size_t len = strlen(s), ok = 0;
    struct place place;

    if (isalpha((unsigned char)*s) || *s == '_')
        while (isalnum((unsigned char)s[ok]) || s[ok] == '_' || s[ok] == '-')
            ok++;
    if (len && len <= NAME_MAX_LEN && ok == len && s[len - 1] != '-' && strcmp(s, "vars") != 0)
        return true;
    place = len <= NAME_MAX_LEN && ok && ok < len ? yaml_place(key, ok, loader->diags) : key->place;
    if (len > NAME_MAX_LEN)
        diags_add(loader->diags, SEVERITY_ERROR, G_NAME, place,
                  "the name of %s is longer than %d characters", what, NAME_MAX_LEN);
    else
        diags_add(loader->diags, SEVERITY_ERROR, G_NAME, place, "'%s' cannot be the name of %s", s,
                  what);
    diags_hint(loader->diags, strcmp(s, "vars") == 0
                                  ? "'vars' has a meaning of its own"
                                  : "a name is a letter, then letters, digits, '_' and '-'");
    return false;
}

static bool
refuse_kind(struct loader *loader, const struct yaml *node, const char *key, const char *needs)
{
    diags_add(loader->diags, SEVERITY_ERROR, G_KIND, node->place, "'%s' needs %s, not %s", key,
              needs, show(&loader->resolver, node));
    return false;
}

/* A scalar, resolved: false when it is none; *text NULL when there is nothing to read. */
static bool
scalar(struct loader *loader, struct scope *scope, const struct yaml **node, const char *key,
       const char *needs, const char **text)
{
    *text = NULL;
    if (!*node)
        return true;
    *node = resolve(&loader->resolver, scope, *node);
    if ((*node)->kind == KIND_UNKNOWN)
        return true;
    if ((*node)->kind != KIND_TEXT)
        return refuse_kind(loader, *node, key, needs);
    *text = (*node)->text;
    return true;
}

static const struct yaml *
want_kind(struct loader *loader, struct scope *scope, const struct yaml *node, const char *key,
          enum yaml_kind kind)
{
    if (!node)
        return NULL;
    if (node->kind == KIND_TEXT) /* ${vars.x} may be a mapping as a whole; items are lazy */
        node = resolve(&loader->resolver, scope, node);
    if (node->kind == kind)
        return node;
    if (node->kind != KIND_NULL && node->kind != KIND_UNKNOWN)
        refuse_kind(loader, node, key, kind == KIND_MAP ? "a mapping" : "a list");
    return NULL;
}

const struct yaml *
want_map(struct loader *loader, struct scope *scope, const struct yaml *node, const char *key)
{
    return want_kind(loader, scope, node, key, KIND_MAP);
}

const struct yaml *
want_list(struct loader *loader, struct scope *scope, const struct yaml *node, const char *key)
{
    return want_kind(loader, scope, node, key, KIND_LIST);
}

bool
want_text(struct loader *loader, struct scope *scope, const struct yaml *node, const char *key,
          const char **out)
{
    const char *text;

    if (!scalar(loader, scope, &node, key, "a text", &text))
        return false;
    if (text && !*text)
        return refuse_kind(loader, node, key, "a text");
    if (text)
        *out = text;
    return true;
}

bool
want_bool(struct loader *loader, struct scope *scope, const struct yaml *node, const char *key,
          bool *out)
{
    const char *text;
    bool meant;

    if (!scalar(loader, scope, &node, key, "true or false", &text))
        return false;
    if (!text || value_bool(text, out) == VALUE_OK)
        return true;
    if (!value_is_bool_word(text, &meant))
        return refuse_kind(loader, node, key, "true or false");
    diags_add(loader->diags, SEVERITY_ERROR, G_BOOL_WORD, node->place,
              "'%s' needs true or false, not %s", key, show(&loader->resolver, node));
    diags_hint(loader->diags, "write %s", meant ? "true" : "false");
    return false;
}

bool
want_int(struct loader *loader, struct scope *scope, const struct yaml *node, const char *key,
         int64_t min, int64_t max, int64_t *out)
{
    const char *text;
    int64_t value = 0;
    enum value_fault fault;

    if (!scalar(loader, scope, &node, key, "a whole number", &text))
        return false;
    if (!text)
        return true;
    fault = value_int(text, &value);
    if (fault == VALUE_FORM || fault == VALUE_UNIT)
        return refuse_kind(loader, node, key, "a whole number");
    if (fault == VALUE_OK && value >= min && value <= max) {
        *out = value;
        return true;
    }
    diags_add(loader->diags, SEVERITY_ERROR, G_NUMBER, node->place, "'%s': %s is out of range", key,
              show(&loader->resolver, node));
    diags_hint(loader->diags, "it may be %lld to %lld", (long long)min, (long long)max);
    return false;
}

bool
want_word(struct loader *loader, struct scope *scope, const struct yaml *node, const char *key,
          const struct word *words, int *out)
{
    struct nearest near = {0};
    hde_text list = {0};
    const char *text;

    if (!scalar(loader, scope, &node, key, "a word", &text))
        return false;
    if (!text)
        return true;
    near.word = text;
    for (const struct word *word = words; word->name; word++) {
        if (strcmp(word->name, text) == 0) {
            hde_text_free(&list);
            if (word->value == UNSUPPORTED)
                refuse_unsupported(loader, node->place, "'%s: %s'", key, text);
            else
                *out = word->value;
            return word->value != UNSUPPORTED;
        }
        if (word->value == UNSUPPORTED)
            continue;
        nearest_try(&near, word->name);
        hde_text_printf(&list, "%s%s", list.len ? ", " : "", word->name);
    }
    diags_add(loader->diags, SEVERITY_ERROR, G_WORD, node->place, "'%s' cannot be %s", key,
              show(&loader->resolver, node));
    diags_nearest(loader->diags, &near);
    diags_hint(loader->diags, "words: %s", list.data);
    hde_text_free(&list);
    return false;
}

static void
want_duration(struct loader *loader, struct scope *scope, const struct yaml *node, const char *key,
              int64_t min, int64_t max, int64_t *out)
{
    const char *text;
    int64_t value = 0;
    enum value_fault fault;

    if (!scalar(loader, scope, &node, key, "a duration", &text) || !text)
        return;
    fault = value_duration(text, &value);
    if (fault == VALUE_OK && value >= min && value <= max) {
        *out = value;
        return;
    }
    if (fault == VALUE_FORM)
        refuse_kind(loader, node, key, "a duration");
    else
        diags_add(loader->diags, SEVERITY_ERROR, G_NUMBER, node->place,
                  fault == VALUE_UNIT ? "'%s': %s has no unit of durations"
                                      : "'%s': %s is out of range",
                  key, show(&loader->resolver, node));
    diags_hint(loader->diags, "write 250ms, 5s or 1h30m; at least 1ms, at most %lldh",
               (long long)(max / (INT64_C(3600000) * 1000000)));
}

static const struct word actions[] = {{"stop", ON_ERROR_STOP},
                                      {"retry", ON_ERROR_RETRY},
                                      {"skip", ON_ERROR_SKIP},
                                      {"restart", ON_ERROR_RESTART},
                                      {0}};

static void
error_mapping(struct loader *loader, struct scope *scope, const struct yaml *map,
              struct error_policy *out)
{
    static const struct known_key keys[] = {{"do", false},      {"attempts", false},
                                            {"backoff", false}, {"max_backoff", false},
                                            {"limit", false},   {"within", false},
                                            {"then", false},    {0}};
    static const struct word endings[] = {{"stop", ON_ERROR_STOP}, {"skip", ON_ERROR_SKIP}, {0}};
    const int64_t ms = 1000000, day = INT64_C(86400000) * ms;
    const struct yaml *action = yaml_find(map, "do"), *max = yaml_find(map, "max_backoff");
    int then = (int)out->then, word = (int)out->action;

    check_keys(loader, map, keys, "on_error");
    if (!action)
        diags_add(loader->diags, SEVERITY_ERROR, G_MISSING_KEY, map->place,
                  "on_error needs 'do': stop, retry, skip or restart");
    want_word(loader, scope, action, "do", actions, &word);
    want_word(loader, scope, yaml_find(map, "then"), "then", endings, &then);
    out->action = (enum on_error)word;
    out->then = (enum on_error)then;
    want_int(loader, scope, yaml_find(map, "attempts"), "attempts", 0, 1000000, &out->attempts);
    want_int(loader, scope, yaml_find(map, "limit"), "limit", 0, 1000, &out->limit);
    want_duration(loader, scope, yaml_find(map, "within"), "within", ms, day, &out->within_ns);
    want_duration(loader, scope, yaml_find(map, "backoff"), "backoff", ms, day, &out->backoff_ns);
    want_duration(loader, scope, max, "max_backoff", ms, day, &out->max_backoff_ns);
    if (out->max_backoff_ns < out->backoff_ns) {
        if (max)
            diags_add(loader->diags, SEVERITY_ERROR, G_NUMBER, max->place,
                      "'max_backoff' is smaller than 'backoff'");
        out->max_backoff_ns = out->backoff_ns;
    }
}

void
want_on_error(struct loader *loader, struct scope *scope, const struct yaml *node,
              struct error_policy *out)
{
    int word = (int)out->action;

    if (!node)
        return;
    if (node->kind == KIND_TEXT)
        node = resolve(&loader->resolver, scope, node);
    if (node->kind == KIND_MAP)
        error_mapping(loader, scope, node, out);
    else if (want_word(loader, scope, node, "on_error", actions, &word))
        out->action = (enum on_error)word;
}

static void
want_size(struct loader *loader, struct scope *scope, const struct yaml *node, const char *key,
          int64_t min, int64_t max, int64_t *out)
{
    const char *text;
    int64_t value = 0;
    enum value_fault fault;

    if (!scalar(loader, scope, &node, key, "a size", &text) || !text)
        return;
    fault = value_size(text, &value);
    if (fault == VALUE_OK && value >= min && value <= max) {
        *out = value;
        return;
    }
    if (fault == VALUE_FORM)
        refuse_kind(loader, node, key, "a size");
    else
        diags_add(loader->diags, SEVERITY_ERROR, G_NUMBER, node->place,
                  fault == VALUE_UNIT ? "'%s': %s has no unit of sizes"
                                      : "'%s': %s is out of range",
                  key, show(&loader->resolver, node));
    diags_hint(loader->diags, "write 64KiB, 16MiB or 2GiB");
}

void
want_delivery(struct loader *loader, struct scope *scope, const struct yaml *node,
              enum delivery *out)
{
    static const struct word levels[] = {{"at_most_once", DELIVERY_AT_MOST_ONCE},
                                         {"at_least_once", DELIVERY_AT_LEAST_ONCE},
                                         {"effectively_once", DELIVERY_EFFECTIVELY_ONCE},
                                         {0}};
    int level = (int)*out;

    if (want_word(loader, scope, node, "delivery", levels, &level))
        *out = (enum delivery)level;
}

void
want_dlq(struct loader *loader, struct scope *scope, const struct yaml *node,
         struct dlq_policy *out)
{
    static const struct known_key keys[] = {
        {"path", false}, {"max_size", false}, {"max_age", false}, {0}};
    const int64_t kib = 1024, ms = 1000000, day = INT64_C(86400000) * ms;

    *out = (struct dlq_policy){.max_bytes = 256 * kib * kib};
    if (!node)
        return;
    node = resolve(&loader->resolver, scope, node);
    if (node->kind == KIND_MAP) {
        check_keys(loader, node, keys, "dlq");
        want_text(loader, scope, yaml_find(node, "path"), "path", &out->folder);
        want_size(loader, scope, yaml_find(node, "max_size"), "max_size", 4 * kib,
                  kib * kib * kib * kib, &out->max_bytes);
        want_duration(loader, scope, yaml_find(node, "max_age"), "max_age", ms, 3650 * day,
                      &out->max_age_ns);
    } else {
        want_text(loader, scope, node, "dlq", &out->folder);
    }
    if (out->folder)
        out->folder = yaml_path(loader->arena, node, out->folder);
}

void
want_isolate(struct loader *loader, struct scope *scope, const struct yaml *node,
             struct isolate_policy *out)
{
    static const struct known_key keys[] = {
        {"memory", false}, {"timeout", false}, {"network", false}, {0}};
    static const struct word words[] = {{"process", 1}, {0}};
    const int64_t ms = 1000000, mib = 1024 * 1024;
    int word = 0;

    if (!node)
        return;
    *out = (struct isolate_policy){true, 512 * mib, 5000 * ms, false};
    if (node->kind == KIND_TEXT)
        node = resolve(&loader->resolver, scope, node);
    if (node->kind != KIND_MAP) {
        want_word(loader, scope, node, "isolate", words, &word);
        return;
    }
    check_keys(loader, node, keys, "isolate");
    want_size(loader, scope, yaml_find(node, "memory"), "memory", 8 * mib, mib * mib,
              &out->memory_bytes);
    want_duration(loader, scope, yaml_find(node, "timeout"), "timeout", 10 * ms,
                  INT64_C(86400000) * ms, &out->timeout_ns);
    want_bool(loader, scope, yaml_find(node, "network"), "network", &out->network);
}

void
want_record(struct loader *loader, struct scope *scope, const struct yaml *node,
            struct graph *graph)
{
    static const struct known_key keys[] = {{"to", false}, {"hashes", false}, {"log", false}, {0}};
    const int64_t ms = 1000000, day = INT64_C(86400000) * ms;
    const char *folder = NULL;

    if (!node)
        return;
    if (node->kind == KIND_TEXT)
        node = resolve(&loader->resolver, scope, node);
    if (node->kind == KIND_MAP) {
        check_keys(loader, node, keys, "record");
        want_duration(loader, scope, yaml_find(node, "hashes"), "hashes", 10 * ms, day,
                      &graph->hashes_ns);
        if (!yaml_find(node, "to"))
            diags_add(loader->diags, SEVERITY_ERROR, G_MISSING_KEY, node->place,
                      "record needs 'to': the folder of the log");
        want_text(loader, scope, yaml_find(node, "to"), "to", &folder);
    } else {
        want_text(loader, scope, node, "record", &folder);
    }
    if (folder)
        graph->record = yaml_path(loader->arena, node, folder);
}

void
want_checkpoint(struct loader *loader, struct scope *scope, const struct yaml *node,
                struct checkpoint_policy *out)
{
    static const struct known_key keys[] = {{"every", false}, {"timeout", false},
                                            {"keep", false},  {"store", false},
                                            {"hashes", false}, {"log", false},
                                            {0}};
    const int64_t ms = 1000000, day = INT64_C(86400000) * ms;
    const struct yaml *map = want_map(loader, scope, node, "checkpoint");

    if (!map)
        return;
    check_keys(loader, map, keys, "checkpoint");
    *out = (struct checkpoint_policy){"checkpoint", 10000 * ms, 60000 * ms, 3};
    want_duration(loader, scope, yaml_find(map, "every"), "every", 10 * ms, day, &out->every_ns);
    want_duration(loader, scope, yaml_find(map, "timeout"), "timeout", ms, day, &out->timeout_ns);
    want_int(loader, scope, yaml_find(map, "keep"), "keep", 1, 1000, &out->keep);
    want_text(loader, scope, yaml_find(map, "store"), "store", &out->store);
    out->store = yaml_path(loader->arena, node, out->store);
    want_bool(loader, scope, yaml_find(map, "hashes"), "hashes", &out->hashes);
}

/* ---- The ingress log ---------------------------------------------------------------------- */

static const int64_t kib = 1024, second = 1000000000, log_max_bytes = INT64_C(10) << 30;

static void
log_settings(struct loader *loader, struct scope *scope, const struct yaml *map,
             struct log_policy *out)
{
    static const struct known_key keys[] = {{"segment", false}, {"max_size", false},
                                            {"max_age", false}, {"sync", false},
                                            {"sync_size", false}, {0}};

    check_keys(loader, map, keys, "log");
    want_size(loader, scope, yaml_find(map, "segment"), "segment", 4 * kib, kib * kib * kib,
              &out->segment_bytes);
    want_size(loader, scope, yaml_find(map, "max_size"), "max_size", 4 * kib,
              kib * kib * kib * kib * kib, &out->max_bytes);
    want_duration(loader, scope, yaml_find(map, "max_age"), "max_age", second / 1000,
                  3650 * 86400 * second, &out->max_age_ns);
    want_duration(loader, scope, yaml_find(map, "sync"), "sync", second / 1000, 3600 * second,
                  &out->sync_ns);
    want_size(loader, scope, yaml_find(map, "sync_size"), "sync_size", 4 * kib, 32 * kib * kib,
              &out->sync_bytes);
}

/* One setting of the one log, given in both blocks. */
static int64_t
agreed(struct loader *loader, const char *key, const struct yaml *record, int64_t of_record,
       const struct yaml *checkpoint, int64_t of_checkpoint)
{
    const struct yaml *here = yaml_find(record, key), *there = yaml_find(checkpoint, key);

    if (!of_record || !of_checkpoint || of_record == of_checkpoint)
        return of_record ? of_record : of_checkpoint;
    diags_add(loader->diags, SEVERITY_ERROR, G_LOG_CLASH, here->place,
              "'%s' of the log is %s here and %s under checkpoint:, %s:%u:%u", key,
              show(&loader->resolver, here), show(&loader->resolver, there),
              there->place.file ? there->place.file : "", there->place.line, there->place.column);
    diags_hint(loader->diags, "there is one log: say it in one of the two places");
    return of_record;
}

/* log: of a block, NULL: it has none. */
static const struct yaml *
log_of(struct loader *loader, struct scope *scope, const struct yaml *block,
       struct log_policy *out)
{
    const struct yaml *map;

    if (block && block->kind == KIND_TEXT)
        block = resolve(&loader->resolver, scope, block);
    if (!block || block->kind != KIND_MAP)
        return NULL;
    map = want_map(loader, scope, yaml_find(block, "log"), "log");
    if (map)
        log_settings(loader, scope, map, out);
    return map;
}

void
want_log(struct loader *loader, struct scope *scope, const struct yaml *record,
         const struct yaml *checkpoint, struct graph *graph)
{
    static const struct {
        const char *key;
        size_t at;
    } settings[] = {{"segment", offsetof(struct log_policy, segment_bytes)},
                    {"max_size", offsetof(struct log_policy, max_bytes)},
                    {"max_age", offsetof(struct log_policy, max_age_ns)},
                    {"sync", offsetof(struct log_policy, sync_ns)},
                    {"sync_size", offsetof(struct log_policy, sync_bytes)}};
    struct log_policy of_record = {0}, of_checkpoint = {0};
    const struct yaml *here = log_of(loader, scope, record, &of_record);
    const struct yaml *there = log_of(loader, scope, checkpoint, &of_checkpoint);

    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const size_t at = settings[i].at;

        *(int64_t *)((char *)&graph->log + at) =
            agreed(loader, settings[i].key, here, *(int64_t *)((char *)&of_record + at), there,
                   *(int64_t *)((char *)&of_checkpoint + at));
    }
    if (graph->checkpoint.store && !graph->log.max_bytes && !graph->log.max_age_ns)
        graph->log.max_bytes = log_max_bytes;
}

void
want_journal(struct loader *loader, struct scope *scope, const struct yaml *node,
             struct edge_settings *out)
{
    static const struct known_key keys[] = {{"folder", false}, {"limit", false}, {0}};
    const struct yaml *map = want_map(loader, scope, node, "journal"), *limit;
    const char *text = NULL;

    if (!map)
        return;
    check_keys(loader, map, keys, "journal");
    if (want_text(loader, scope, yaml_find(map, "folder"), "folder", &text) && text)
        out->journal = yaml_path(loader->arena, yaml_find(map, "folder"), text);
    limit = yaml_find(map, "limit");
    text = NULL;
    if (!want_text(loader, scope, limit, "limit", &text) || !text)
        return;
    if (value_size(text, &out->journal_bytes) != VALUE_OK || out->journal_bytes < 1 << 20) {
        diags_add(loader->diags, SEVERITY_ERROR, G_NUMBER, limit->place,
                  "'limit': '%.40s' is no size of a journal", text);
        diags_hint(loader->diags, "write 1MiB or more: 512MiB, 10GiB");
    }
}

enum { CAPACITY_MESSAGES_MAX = 1 << 20 };
static const int64_t capacity_bytes_min = 4 << 10, capacity_bytes_max = INT64_C(16) << 30;

static void
capacity_text(struct loader *loader, const struct yaml *node, bool bytes_wanted, bool either,
              struct edge_settings *out)
{
    bool has_unit = strpbrk(node->text, "BKMGTkb") != NULL;
    bool bytes = either ? has_unit : bytes_wanted;
    int64_t value = 0;
    enum value_fault fault = bytes ? value_size(node->text, &value) : value_int(node->text, &value);

    if (fault == VALUE_OK && bytes && value >= capacity_bytes_min && value <= capacity_bytes_max) {
        out->capacity_bytes = value;
    } else if (fault == VALUE_OK && !bytes && value >= 1 && value <= CAPACITY_MESSAGES_MAX) {
        out->capacity_messages = value;
    } else {
        diags_add(loader->diags, SEVERITY_ERROR, fault == VALUE_FORM ? G_KIND : G_NUMBER,
                  node->place,
                  fault == VALUE_FORM   ? "'capacity' needs a number of messages or a size, not %s"
                  : fault == VALUE_UNIT ? "'capacity': %s is no unit of sizes"
                                        : "'capacity': %s is out of range",
                  show(&loader->resolver, node));
        diags_hint(loader->diags, "write 1 to %d for messages, 4KiB to 16GiB for bytes",
                   CAPACITY_MESSAGES_MAX);
    }
}

/* 1024, 64MiB, or {messages: 1024, bytes: 64MiB} */
void
want_capacity(struct loader *loader, struct scope *scope, const struct yaml *node,
              struct edge_settings *out)
{
    static const struct known_key keys[] = {{"messages", false}, {"bytes", false}, {0}};

    if (!node)
        return;
    node = resolve(&loader->resolver, scope, node);
    if (node->kind == KIND_MAP) {
        check_keys(loader, node, keys, "capacity");
        for (size_t i = 0; i < node->n; i++) {
            if (node->item[i]->kind == KIND_TEXT)
                capacity_text(loader, node->item[i], strcmp(node->key[i]->text, "bytes") == 0,
                              false, out);
            else if (node->item[i]->kind != KIND_UNKNOWN)
                refuse_kind(loader, node->item[i], node->key[i]->text, "a number");
        }
    } else if (node->kind == KIND_TEXT) {
        capacity_text(loader, node, false, true, out);
    } else if (node->kind != KIND_UNKNOWN) {
        refuse_kind(loader, node, "capacity", "a number of messages or a size");
    }
}
