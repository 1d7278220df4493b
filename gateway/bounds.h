/* SPDX-License-Identifier: Apache-2.0
 * bounds - a bound on everything that a client may send or ask for. */
#ifndef GATEWAY_BOUNDS_H
#define GATEWAY_BOUNDS_H

enum {
    LIMIT_TARGET = 8 * 1024,   /* bytes of a request target: 414 beyond */
    LIMIT_HEADERS = 32 * 1024, /* bytes of request line and header fields: 431 beyond */
    LIMIT_FIELDS = 100,        /* header fields: 431 beyond */
    LIMIT_MEMORY = 72 * 1024,  /* of a connection: a little more than what we answer ourselves */
    LIMIT_SEGMENTS = 16,       /* of a path */
    LIMIT_PARAMETERS = 100,    /* of a query: 400 beyond */
    LIMIT_STRIKES = 500,       /* strikes in one list, and strikes on each side of "atm±N" */
    LIMIT_POINTS = 10000,      /* points of one answer */
    LIMIT_POINTS_DEFAULT = 1000,
    LIMIT_RANGE_DAYS = 366, /* between from and to */
    LIMIT_FAULTS = 16,      /* entries of errors[] in one problem */
    LIMIT_PAGES = 1024,     /* finished answers kept for the next who asks */
    LIMIT_FEEDS = 256,      /* feeds shown at once */
    LIMIT_EXPIRIES = 64,    /* expiries of one feed */
    LIMIT_FEED_NAME = 96,   /* bytes of venue:underlying@source, with the NUL */
};

#endif
