/* SPDX-License-Identifier: Apache-2.0
 * log - one logfmt or JSON line an event, on stderr or into a sink. Any thread.
 *
 * The first line of a (node, event) pair is written at once. Repeats within 10 s are counted and
 * come out as "seen N more times in 10 s" with the text of the last one: with the next line of the
 * pair after that time, or by log_tick(). Levels are the caller's affair (ctx->log_level), except
 * for lines without a node. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The numbers of hde_level. */
enum level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* graph and node may be NULL: the line is the process's own. */
void log_line(enum level level, const char *graph, const char *node, const char *event,
              const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void log_linev(enum level level, const char *graph, const char *node, const char *event,
               const char *fmt, va_list args) __attribute__((format(printf, 5, 0)));

/* Writes folded counts whose 10 s are over; the control thread calls it now and then. */
void log_tick(void);
/* Writes all folded counts: before the process ends. */
void log_flush(void);

void log_set_format(enum log_format format);
void log_set_level(enum level level); /* of lines without a node; LEVEL_INFO at first */
const char *log_level_name(enum level level);
bool log_level_parse(const char *name, enum level *level);

/* Every line, without its line break; NULL: stderr again. No calls into log from a sink. */
typedef void log_sink(void *arg, const char *line, size_t len);
void log_set_sink(log_sink *sink, void *arg);
/* Tests: where the time comes from (ns since 1970 UTC); NULL: the clock. */
void log_set_clock(int64_t (*now_ns)(void));

/* A text that must never be seen: log lines and log_redact() write *** for it. Texts of less than
 * four bytes are not kept. Lives until the process ends. */
void log_hide(const char *secret);
void log_redact(char *text); /* in place */

#endif
