/* SPDX-License-Identifier: Apache-2.0
 * ingestion/dhan_chain - polls a Dhan v2 compatible service for option chains.
 *
 * A poll sends one request and keeps its answer; the next poll, whose time is that of receipt,
 * makes a message of it. Every way in which an answer can be wrong has an event id, a counter and
 * one of four outcomes: the chain is sent with a flag, the request is made again after a pause
 * that grows, all requests pause, or the expiry list is asked for again. Nothing ends the source.
 */
#include "dhan_json.h"
#include "dhan_plan.h"

#include <connectors/http.h>

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TOKEN_MAX 4096
#define TIMER_NEXT 1

enum counted {
    N_REQUESTS,
    N_CHAINS,
    N_LISTS,
    N_LIMITED,
    N_UNAUTHORIZED,
    N_REFUSED,
    N_HTTP_STATUS,
    N_NOT_JSON,
    N_SHAPE,
    N_TIMEOUT,
    N_CONNECTION,
    N_TOO_LARGE,
    N_BAD_VALUES,
    N_DUPLICATES,
    N_NO_SPOT,
    N_EMPTY,
    N_ZERO_LEGS,
    N_MISSING_LEGS,
    N_CROSSED,
    N_REPEATED,
    N_SPOT_JUMP,
    N_SILENT,
    N_TOKEN_READ,
    N_EXPIRIES_DROPPED,
    N_BAD_EXPIRY,
    N_SESSIONS,
    N_COUNTED
};

static const struct {
    const char *name, *help;
} counted_names[N_COUNTED] = {
    {"requests", "requests sent"},
    {"chains", "chains sent on"},
    {"lists", "expiry lists taken"},
    {"rate_limited", "answers that said: too many requests"},
    {"unauthorized", "answers that refused the token"},
    {"refused", "other errors that the service told"},
    {"http_status", "answers with a status of 4xx or 5xx"},
    {"not_json", "answers that were no JSON"},
    {"bad_shape", "answers that lacked what they must have"},
    {"timeouts", "requests without an answer in time"},
    {"connection_errors", "requests that met no or a broken connection"},
    {"too_large", "answers above the size limit"},
    {"bad_values", "values that were refused"},
    {"duplicate_strikes", "strikes or keys that came twice"},
    {"no_spot", "chains without a spot"},
    {"empty_chains", "chains without strikes"},
    {"zero_legs", "chains whose legs were all zero"},
    {"missing_legs", "chains with one-sided strikes"},
    {"crossed", "chains with a bid above its ask"},
    {"repeated", "chains equal to the one before"},
    {"spot_jumps", "spots that moved more than spot_jump"},
    {"silences", "times that no chain came for stale_after"},
    {"token_reads", "times that the token file was read"},
    {"expiries_dropped", "times that passed expiries were dropped"},
    {"bad_expiries", "expiry dates that could not be read"},
    {"sessions", "sessions that opened"},
};

struct security {
    char symbol[24], segment[16];
    int id;
    uint64_t sequence;
};

struct dhan_chain {
    const char *base_url, *client_id, *calendar, *source, *venue;
    hde_secret token;
    hde_path token_file;
    hde_list underlyings;
    hde_map securities;
    int64_t expiries;
    hde_duration interval, spacing, timeout, refresh, first_pause, max_pause, stale_after;
    hde_size max_answer;
    hde_ratio spot_jump;
    bool off_hours;

    struct http *http;
    struct calendar *cal;
    struct plan plan;
    struct security security[PLAN_UNDERLYINGS];
    struct snapshot snapshot;
    char url[600];
    char access[TOKEN_MAX + 32], client[128]; /* headers */
    struct timespec token_time;               /* of the file when it was read */
    off_t token_size;
    bool locked_out; /* the token was refused: wait for another */

    struct plan_job *pending; /* its answer waits for the next poll */
    enum http_result result;
    struct http_answer answer;
    int64_t heard_ns; /* last chain, or start of the watch */
    bool told_silence;
    hde_counter *counter[N_COUNTED];
};

static void say(hde_ctx *ctx, struct dhan_chain *self, enum counted what, hde_level level,
                const char *event, const char *fmt, ...) HDE_PRINTF(6);

/* One place for "counted and visible". */
static void
say(hde_ctx *ctx, struct dhan_chain *self, enum counted what, hde_level level, const char *event,
    const char *fmt, ...)
{
    char text[400];
    va_list args;

    hde_count(self->counter[what], 1);
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    hde_log(ctx, level, event, "%s", text);
}

static const char *
name_of(const struct dhan_chain *self, const struct plan_job *job, char *out, size_t size)
{
    char day[16] = "expiries";

    if (!job->is_list)
        when_print_day(job->expiry, day);
    snprintf(out, size, "%s %s", self->security[job->underlying].symbol, day);
    return out;
}

/* ---- Token ---------------------------------------------------------------------------------- */

static bool
set_token(struct dhan_chain *self, const char *token)
{
    size_t n = strcspn(token, "\r\n");

    while (n > 0 && token[n - 1] == ' ')
        n--;
    if (n == 0 || n > TOKEN_MAX)
        return false;
    snprintf(self->access, sizeof self->access, "access-token: %.*s", (int)n, token);
    return true;
}

/* Reads the token file when it is new. True when there is another token. */
static bool
read_token(hde_ctx *ctx, struct dhan_chain *self)
{
    char token[TOKEN_MAX + 2] = "", before[sizeof self->access];
    const char *path = self->token_file.path;
    struct stat st;
    FILE *file;

    if (!path || !*path || stat(path, &st) != 0 ||
        (st.st_mtim.tv_sec == self->token_time.tv_sec &&
         st.st_mtim.tv_nsec == self->token_time.tv_nsec && st.st_size == self->token_size))
        return false;
    file = fopen(path, "re");
    if (!file)
        return false;
    token[fread(token, 1, sizeof token - 1, file)] = '\0';
    fclose(file);
    self->token_time = st.st_mtim;
    self->token_size = st.st_size;
    strcpy(before, self->access);
    if (!set_token(self, token)) {
        hde_log(ctx, HDE_WARN, "dhan.token", "%s: no token on the first line", path);
        return false;
    }
    say(ctx, self, N_TOKEN_READ, HDE_INFO, "dhan.token", "%s was read", path);
    return strcmp(before, self->access) != 0;
}

/* ---- Opening -------------------------------------------------------------------------------- */

static bool
read_security(struct security *security, const char *symbol, const char *text)
{
    const char *colon = strchr(text, ':');
    char *end;
    long id;

    if (!colon || colon == text || (size_t)(colon - text) >= sizeof security->segment ||
        strlen(symbol) >= sizeof security->symbol || !*symbol)
        return false;
    id = strtol(colon + 1, &end, 10);
    snprintf(security->symbol, sizeof security->symbol, "%s", symbol);
    snprintf(security->segment, sizeof security->segment, "%.*s", (int)(colon - text), text);
    security->id = (int)id;
    return end > colon + 1 && !*end && id > 0 && id < INT32_MAX &&
           !strpbrk(security->segment, "\"\\");
}

static const char *
find_security(const struct dhan_chain *self, const char *symbol)
{
    static const char *const known[][2] = {
        {"NIFTY", "IDX_I:13"},       {"BANKNIFTY", "IDX_I:25"}, {"FINNIFTY", "IDX_I:27"},
        {"MIDCPNIFTY", "IDX_I:442"}, {"SENSEX", "IDX_I:51"},
    };

    for (size_t i = 0; i < self->securities.n; i++)
        if (strcmp(self->securities.key[i], symbol) == 0)
            return self->securities.value[i];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i][0], symbol) == 0)
            return known[i][1];
    return NULL;
}

static hde_status
open_plan(hde_ctx *ctx, struct dhan_chain *self)
{
    if (self->underlyings.n == 0 || self->underlyings.n > PLAN_UNDERLYINGS)
        return hde_fail(ctx, "dhan.underlyings", "1 to %d underlyings are polled, not %zu",
                        PLAN_UNDERLYINGS, self->underlyings.n);
    for (size_t i = 0; i < self->underlyings.n; i++) {
        const char *symbol = self->underlyings.item[i], *text = find_security(self, symbol);

        if (!text || !read_security(&self->security[i], symbol, text))
            return hde_fail(ctx, "dhan.underlyings",
                            "%s: say its SEGMENT:ID in securities, like NIFTY: \"IDX_I:13\"",
                            symbol);
    }
    self->plan = (struct plan){
        .calendar = self->cal,
        .interval_ns = self->interval.ns,
        .spacing_ns = self->spacing.ns,
        .refresh_ns = self->refresh.ns,
        .first_pause_ns = self->first_pause.ns,
        .max_pause_ns = self->max_pause.ns,
        .expiries = (size_t)self->expiries,
        .always = self->off_hours,
        .n = self->underlyings.n,
    };
    plan_start(&self->plan);
    return HDE_OK;
}

/* A stand-in on this machine takes any token, so none need be given. */
static bool
is_loopback(const char *url)
{
    return strncmp(url, "http://127.", 11) == 0 || strncmp(url, "http://localhost", 16) == 0 ||
           strncmp(url, "http://[::1]", 12) == 0;
}

static hde_status
dhan_open(hde_ctx *ctx, void *state)
{
    struct dhan_chain *self = state;
    size_t n = strlen(self->base_url);
    char error[400];

    for (int i = 0; i < N_COUNTED; i++)
        self->counter[i] = hde_counter_open(ctx, counted_names[i].name, counted_names[i].help);
    self->heard_ns = INT64_MIN;
    while (n > 0 && self->base_url[n - 1] == '/')
        n--;
    if (n > sizeof self->url - 64 || strncmp(self->base_url, "http", 4) != 0)
        return hde_fail(ctx, "dhan.base-url", "'%.80s' is not an http(s) address", self->base_url);
    if (!self->client_id || !*self->client_id || strlen(self->client_id) > 64 ||
        strpbrk(self->client_id, "\"\\\r\n"))
        return hde_fail(ctx, "dhan.client-id", "client_id must be the account's number");
    snprintf(self->client, sizeof self->client, "client-id: %s", self->client_id);
    read_token(ctx, self);
    if (!self->access[0] && !(self->token.text && set_token(self, self->token.text)) &&
        !(is_loopback(self->base_url) && set_token(self, "none")))
        return hde_fail(ctx, "dhan.token", "neither token nor a readable token_file");
    self->cal = calendar_load(self->calendar, error, sizeof error);
    if (!self->cal)
        return hde_fail(ctx, "dhan.calendar", "%s", error);
    self->http = http_new();
    return open_plan(ctx, self);
}

static void
dhan_close(hde_ctx *ctx, void *state)
{
    struct dhan_chain *self = state;

    http_free(self->http);
    calendar_free(self->cal);
    snapshot_free(&self->snapshot);
    self->http = NULL;
    self->cal = NULL;
}

/* ---- Sending -------------------------------------------------------------------------------- */

static void
send_request(hde_ctx *ctx, struct dhan_chain *self, struct plan_job *job)
{
    const struct security *security = &self->security[job->underlying];
    const char *headers[] = {self->access, self->client, "Content-Type: application/json",
                             "Accept: application/json", NULL};
    char body[256], day[16], expiry[40] = "";
    size_t base = strlen(self->base_url);

    while (base > 0 && self->base_url[base - 1] == '/')
        base--;
    snprintf(self->url, sizeof self->url, "%.*s/optionchain%s", (int)base, self->base_url,
             job->is_list ? "/expirylist" : "");
    if (!job->is_list) {
        when_print_day(job->expiry, day);
        snprintf(expiry, sizeof expiry, ",\"Expiry\":\"%s\"", day);
    }
    snprintf(body, sizeof body,
             "{\"UnderlyingScrip\":%d,\"UnderlyingSeg\":\"%s\"%s,\"dhanClientId\":\"%s\"}",
             security->id, security->segment, expiry, self->client_id);
    plan_sent(&self->plan, job, hde_now_ns(ctx));
    hde_count(self->counter[N_REQUESTS], 1);
    self->result = http_send(self->http,
                             &(struct http_request){
                                 .url = self->url,
                                 .headers = headers,
                                 .body = body,
                                 .body_size = strlen(body),
                                 .timeout_ms = self->timeout.ns / 1000000,
                                 .answer_max = (size_t)self->max_answer.bytes,
                             },
                             &self->answer);
    self->pending = job;
}

/* ---- Failures ------------------------------------------------------------------------------- */

static void
on_auth(hde_ctx *ctx, struct dhan_chain *self, struct plan_job *job, const struct dhan_said *said)
{
    int64_t now = hde_now_ns(ctx);

    say(ctx, self, N_UNAUTHORIZED, HDE_ERROR, "dhan.unauthorized", "%s %s: renew the token%s",
        said->code, said->text,
        self->token_file.path && *self->token_file.path ? " in token_file" : "");
    if (read_token(ctx, self)) { /* it was renewed in the meantime */
        job->due_ns = now;
        return;
    }
    self->locked_out = true;
    plan_limited(&self->plan, job, now, 0);
}

static void
on_refusal(hde_ctx *ctx, struct dhan_chain *self, struct plan_job *job, enum dhan_result result,
           const struct dhan_said *said)
{
    int64_t now = hde_now_ns(ctx), pause;
    char name[48];

    name_of(self, job, name, sizeof name);
    switch (result) {
    case DHAN_AUTH:
        on_auth(ctx, self, job, said);
        return;
    case DHAN_LIMITED:
        pause = self->answer.retry_after_ms > 0 ? self->answer.retry_after_ms * 1000000 : 0;
        plan_limited(&self->plan, job, now, pause);
        say(ctx, self, N_LIMITED, HDE_WARN, "dhan.rate-limited", "%s: %s %s", name, said->code,
            said->text);
        return;
    case DHAN_EXPIRY:
        plan_failed(&self->plan, job, now);
        plan_refresh(&self->plan, job->underlying, now);
        say(ctx, self, N_REFUSED, HDE_WARN, "dhan.expiry", "%s: %s %s", name, said->code,
            said->text);
        return;
    case DHAN_NOT_JSON:
        say(ctx, self, N_NOT_JSON, HDE_WARN, "dhan.not-json", "%s: %s (%s)", name, said->text,
            self->answer.content_type);
        break;
    case DHAN_SHAPE:
        say(ctx, self, N_SHAPE, HDE_WARN, "dhan.shape", "%s: %s", name, said->text);
        break;
    default:
        say(ctx, self, N_REFUSED, HDE_WARN, "dhan.refused", "%s: %s %s", name, said->code,
            said->text);
        break;
    }
    plan_failed(&self->plan, job, now);
}

/* No answer, or one that is not 2xx. */
static void
on_failure(hde_ctx *ctx, struct dhan_chain *self, struct plan_job *job)
{
    static const struct {
        enum counted counted;
        const char *event;
    } kinds[] = {
        [HTTP_NO_PEER] = {N_CONNECTION, "dhan.no-peer"},
        [HTTP_TIMEOUT] = {N_TIMEOUT, "dhan.timeout"},
        [HTTP_CUT] = {N_CONNECTION, "dhan.cut"},
        [HTTP_TOO_LARGE] = {N_TOO_LARGE, "dhan.too-large"},
        [HTTP_FAILED] = {N_CONNECTION, "dhan.connection"},
    };
    struct dhan_said said;
    enum dhan_result result;
    char name[48];

    name_of(self, job, name, sizeof name);
    if (self->result != HTTP_ANSWER) {
        say(ctx, self, kinds[self->result].counted, HDE_WARN, kinds[self->result].event, "%s: %s",
            name, self->answer.error);
        plan_failed(&self->plan, job, hde_now_ns(ctx));
        return;
    }
    result = dhan_parse_error(self->answer.body, self->answer.size, self->answer.status, &said);
    if (result != DHAN_REFUSED) {
        on_refusal(ctx, self, job, result, &said);
        return;
    }
    say(ctx, self, N_HTTP_STATUS, HDE_WARN, "dhan.http-status", "%s: %d %s %s", name,
        self->answer.status, said.code, said.text);
    plan_failed(&self->plan, job, hde_now_ns(ctx));
}

/* ---- Answers -------------------------------------------------------------------------------- */

static void
on_list(hde_ctx *ctx, struct dhan_chain *self, struct plan_job *job)
{
    int32_t days[DHAN_EXPIRIES_MAX];
    int64_t now = hde_now_ns(ctx);
    struct dhan_said said;
    enum dhan_result result;
    size_t n, bad;

    result = dhan_parse_list(self->answer.body, self->answer.size, days, &n, &bad, &said);
    if (result != DHAN_OK) {
        on_refusal(ctx, self, job, result, &said);
        return;
    }
    if (bad > 0)
        say(ctx, self, N_BAD_EXPIRY, HDE_WARN, "dhan.bad-expiry", "%s: %zu texts are no dates",
            self->security[job->underlying].symbol, bad);
    if (n > 0)
        n = plan_set_expiries(&self->plan, job->underlying, days, n, now);
    if (n == 0) { /* what is known stays until it passes */
        say(ctx, self, N_SHAPE, HDE_WARN, "dhan.no-expiries", "%s: no expiry to come",
            self->security[job->underlying].symbol);
        plan_failed(&self->plan, job, now);
        return;
    }
    hde_count(self->counter[N_LISTS], 1);
    plan_succeeded(&self->plan, job, now);
}

/* What is odd about a chain: counted, told once (the log folds repeats), sent on with its flag. */
static void
tell_flags(hde_ctx *ctx, struct dhan_chain *self, const struct plan_job *job,
           const struct dhan_said *said)
{
    static const struct {
        Hde__ChainFlag flag;
        enum counted counted;
        hde_level level;
        const char *event, *text;
    } odd[] = {
        {HDE__CHAIN_FLAG__CHAIN_FLAG_EMPTY, N_EMPTY, HDE_WARN, "dhan.empty-chain", "no strikes"},
        {HDE__CHAIN_FLAG__CHAIN_FLAG_NO_SPOT, N_NO_SPOT, HDE_WARN, "dhan.no-spot", "no spot"},
        {HDE__CHAIN_FLAG__CHAIN_FLAG_ZERO_LEGS, N_ZERO_LEGS, HDE_WARN, "dhan.zero-legs",
         "every leg is zero"},
        {HDE__CHAIN_FLAG__CHAIN_FLAG_MISSING_LEGS, N_MISSING_LEGS, HDE_DEBUG, "dhan.missing-legs",
         "strikes with one side"},
        {HDE__CHAIN_FLAG__CHAIN_FLAG_CROSSED, N_CROSSED, HDE_DEBUG, "dhan.crossed",
         "a bid above its ask"},
        {HDE__CHAIN_FLAG__CHAIN_FLAG_REPEATED, N_REPEATED, HDE_DEBUG, "dhan.repeated",
         "equal to the chain before"},
    };
    char name[48];

    name_of(self, job, name, sizeof name);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        if (self->snapshot.flags >> odd[i].flag & 1)
            say(ctx, self, odd[i].counted, odd[i].level, odd[i].event, "%s: %s", name, odd[i].text);
    if (self->snapshot.bad_values > 0) {
        say(ctx, self, N_BAD_VALUES, HDE_WARN, "dhan.bad-values", "%s: %u values refused", name,
            self->snapshot.bad_values);
        hde_count(self->counter[N_BAD_VALUES], self->snapshot.bad_values - 1);
    }
    if (self->snapshot.duplicates > 0 || said->duplicate_keys)
        say(ctx, self, N_DUPLICATES, HDE_WARN, "dhan.duplicate-strike",
            "%s: a strike came twice, the later one counts", name);
}

static void
watch_spot(hde_ctx *ctx, struct dhan_chain *self, const struct plan_job *job)
{
    struct plan_underlying *u = &self->plan.underlying[job->underlying];
    double spot = self->snapshot.spot;

    if (isnan(spot))
        return;
    if (self->spot_jump.value > 0 && fabs(spot / u->last_spot - 1) > self->spot_jump.value)
        say(ctx, self, N_SPOT_JUMP, HDE_WARN, "dhan.spot-jump", "%s: from %.2f to %.2f",
            self->security[job->underlying].symbol, u->last_spot, spot);
    u->last_spot = spot;
}

static void
emit(hde_ctx *ctx, struct dhan_chain *self, const struct plan_job *job)
{
    hde_msg *msg = hde_msg_new(ctx, &hde__raw_chain__descriptor);
    Hde__RawChain *chain = (Hde__RawChain *)msg->body;
    struct security *security = &self->security[job->underlying];
    char text[128];

    msg->event_ns = chain->event_ns = chain->receive_ns = hde_now_ns(ctx);
    chain->has_event_ns = chain->has_receive_ns = true; /* the body has no time of its own */
    snprintf(text, sizeof text, "%.24s:%s@%.60s", self->venue, security->symbol, self->source);
    chain->feed = hde_msg_text(msg, text);
    chain->venue = hde_msg_text(msg, self->venue);
    chain->underlying = hde_msg_text(msg, security->symbol);
    chain->source = hde_msg_text(msg, self->source);
    when_print_day(job->expiry, text);
    chain->expiry = hde_msg_text(msg, text);
    chain->has_expiry_ns = true;
    chain->expiry_ns = job->expiry_ns;
    chain->has_sequence = true;
    chain->sequence = ++security->sequence;
    chain->has_oi_unit = chain->has_volume_unit = true;
    chain->oi_unit = chain->volume_unit = HDE__QUANTITY_UNIT__QUANTITY_UNIT_UNITS;
    if (self->plan.has_session) {
        when_print_day(self->plan.session.day, text);
        chain->session = hde_msg_text(msg, text);
        chain->has_session_open_ns = chain->has_session_close_ns = true;
        chain->session_open_ns = self->plan.session.open_ns;
        chain->session_close_ns = self->plan.session.close_ns;
    }
    snapshot_fill(&self->snapshot, msg, chain);
    hde_emit(ctx, 0, msg);
    hde_count(self->counter[N_CHAINS], 1);
}

/* Flags that need the session and the chain before. */
static void
set_flags(struct dhan_chain *self, struct plan_job *job, const struct dhan_said *said, int64_t now)
{
    const uint32_t no_values =
        1u << HDE__CHAIN_FLAG__CHAIN_FLAG_ZERO_LEGS | 1u << HDE__CHAIN_FLAG__CHAIN_FLAG_EMPTY;
    uint64_t hash;

    snapshot_finish(&self->snapshot);
    if (said->duplicate_keys)
        snapshot_flag(&self->snapshot, HDE__CHAIN_FLAG__CHAIN_FLAG_BAD_VALUES);
    if (self->plan.has_session)
        snapshot_place(&self->snapshot, &self->plan.session, now);
    hash = snapshot_hash(&self->snapshot);
    if (hash == job->hash)
        snapshot_flag(&self->snapshot, HDE__CHAIN_FLAG__CHAIN_FLAG_REPEATED);
    if (!(self->snapshot.flags & no_values))
        job->hash = hash;
    self->snapshot.lot_size =
        calendar_lot(self->cal, self->security[job->underlying].symbol, job->expiry);
}

static void
on_chain(hde_ctx *ctx, struct dhan_chain *self, struct plan_job *job)
{
    int64_t now = hde_now_ns(ctx);
    struct dhan_said said;
    enum dhan_result result;

    snapshot_clear(&self->snapshot);
    result = dhan_parse_chain(self->answer.body, self->answer.size, &self->snapshot, &said);
    if (result != DHAN_OK) {
        on_refusal(ctx, self, job, result, &said);
        return;
    }
    set_flags(self, job, &said, now);
    tell_flags(ctx, self, job, &said);
    watch_spot(ctx, self, job);
    emit(ctx, self, job);
    plan_succeeded(&self->plan, job, now);
    self->heard_ns = now;
    self->told_silence = false;
}

/* ---- Polling -------------------------------------------------------------------------------- */

static void
on_answer(hde_ctx *ctx, struct dhan_chain *self)
{
    struct plan_job *job = self->pending;

    self->pending = NULL;
    if (self->result != HTTP_ANSWER || self->answer.status < 200 || self->answer.status > 299)
        on_failure(ctx, self, job);
    else if (job->is_list)
        on_list(ctx, self, job);
    else
        on_chain(ctx, self, job);
}

static void
watch_silence(hde_ctx *ctx, struct dhan_chain *self, int64_t now)
{
    if (self->heard_ns == INT64_MIN || !plan_is_open(&self->plan, now))
        self->heard_ns = now;
    if (self->told_silence || self->stale_after.ns == 0 ||
        now - self->heard_ns < self->stale_after.ns)
        return;
    self->told_silence = true;
    say(ctx, self, N_SILENT, HDE_ERROR, "dhan.silent", "no chain for %.0f s",
        (double)(now - self->heard_ns) / 1e9);
}

static void
tell_news(hde_ctx *ctx, struct dhan_chain *self, unsigned news)
{
    char day[16];

    if (news & PLAN_NEW_SESSION) {
        when_print_day(self->plan.session.day, day);
        self->locked_out = false;
        self->heard_ns = hde_now_ns(ctx);
        self->told_silence = false;
        say(ctx, self, N_SESSIONS, HDE_INFO, "dhan.session", "%s", day);
    }
    if (news & PLAN_DROPPED)
        say(ctx, self, N_EXPIRIES_DROPPED, HDE_INFO, "dhan.expired", "expiries have passed");
}

static hde_status
dhan_poll(hde_ctx *ctx, void *state)
{
    struct dhan_chain *self = state;
    int64_t now = hde_now_ns(ctx), wait;
    struct plan_job *job;
    unsigned news;

    if (self->pending) {
        on_answer(ctx, self);
        return HDE_OK;
    }
    if (read_token(ctx, self) && self->locked_out) {
        self->locked_out = false;
        plan_resume(&self->plan, now);
    }
    job = plan_next(&self->plan, now, &wait, &news);
    tell_news(ctx, self, news);
    watch_silence(ctx, self, now);
    if (!job) {
        if (self->locked_out && wait > WHEN_SECOND)
            wait = WHEN_SECOND; /* to see a new token soon */
        hde_timer_after(ctx, TIMER_NEXT, wait);
        return HDE_IDLE;
    }
    send_request(ctx, self, job);
    return HDE_OK;
}

static hde_status
dhan_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    return HDE_OK; /* poll() follows */
}

static const hde_port outputs[] = {
    {"chains", HDE_TYPES(&hde__raw_chain__descriptor), 0, "one an answer"},
    {0},
};

static const hde_param params[] = {
    HDE_PARAM(struct dhan_chain, base_url, .fallback = "https://api.dhan.co/v2",
              .help = "address of the service, up to and with the version"),
    HDE_PARAM(struct dhan_chain, client_id, .help = "the account's number"),
    HDE_PARAM(struct dhan_chain, token, .fallback = "",
              .help = "access token; token_file wins where it can be read"),
    HDE_PARAM(struct dhan_chain, token_file, .fallback = "",
              .help = "file with the access token, read again when it changes and after a 401"),
    HDE_PARAM(struct dhan_chain, underlyings, .fallback = "[NIFTY]", .help = "symbols to poll"),
    HDE_PARAM(struct dhan_chain, securities, .fallback = "",
              .help = "SYMBOL: SEGMENT:ID of what is not known: NIFTY: \"IDX_I:13\""),
    HDE_PARAM(struct dhan_chain, expiries, .fallback = "2", .min = 1, .max = PLAN_EXPIRIES,
              .help = "how many of the nearest expiries are polled"),
    HDE_PARAM(struct dhan_chain, interval, .fallback = "3s", .min = 0.01, .max = 3600,
              .help = "between two requests for the same chain; the service allows one in 3 s"),
    HDE_PARAM(struct dhan_chain, spacing, .fallback = "200ms", .min = 0, .max = 60,
              .help = "between any two requests; the service allows 5 in 1 s"),
    HDE_PARAM(struct dhan_chain, timeout, .fallback = "10s", .min = 0.01, .max = 300,
              .help = "for a whole answer"),
    HDE_PARAM(struct dhan_chain, max_answer, .fallback = "8MiB", .min = 1024, .max = 268435456,
              .help = "larger answers are not read to their end"),
    HDE_PARAM(struct dhan_chain, refresh, .fallback = "1h", .min = 1, .max = 86400,
              .help = "between two expiry lists; each session begins with one"),
    HDE_PARAM(struct dhan_chain, first_pause, .fallback = "1s", .min = 0.001, .max = 3600,
              .help = "after a failure; doubled with each one in a row"),
    HDE_PARAM(struct dhan_chain, max_pause, .fallback = "60s", .min = 0.001, .max = 3600,
              .help = "longest pause after failures"),
    HDE_PARAM(struct dhan_chain, stale_after, .fallback = "60s", .min = 0, .max = 86400,
              .help = "silence within a session that is an error; 0s: never"),
    HDE_PARAM(struct dhan_chain, spot_jump, .fallback = "10%", .min = 0, .max = 10,
              .help = "move of the spot between two answers that is told; 0: never"),
    HDE_PARAM(struct dhan_chain, calendar, .fallback = "nse",
              .help = "shipped calendar (nse, always) or the path of a file"),
    HDE_PARAM(struct dhan_chain, off_hours, .fallback = "false",
              .help = "go on polling outside of sessions"),
    HDE_PARAM(struct dhan_chain, venue, .fallback = "NSE", .help = "first part of the feed's name"),
    HDE_PARAM(struct dhan_chain, source, .fallback = "dhan",
              .help = "last part of the feed's name, venue:underlying@source"),
    {0},
};

static const hde_operator dhan_chain = {
    .size = sizeof(hde_operator),
    .flags = HDE_BLOCKING | HDE_LIVE_ONLY | HDE_PROCESSING_TIMERS,
    .name = "ingestion/dhan_chain",
    .summary = "Polls option chains from the Dhan v2 API",
    .help =
        "Expiry lists are asked for when a session opens and every `refresh`; what has expired\n"
        "is dropped. A failed request waits a pause that doubles; a rate limit or a refused\n"
        "token pauses all requests. Odd chains are sent on with flags.",
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct dhan_chain),
    .open = dhan_open,
    .close = dhan_close,
    .poll = dhan_poll,
    .timer = dhan_timer,
};

HDE_PLUGIN(&dhan_chain);
