/* SPDX-License-Identifier: Apache-2.0
 * fake - a registry of made-up operators, so that the graph language is tested without plugins. */
#ifndef TESTS_GRAPH_FAKE_H
#define TESTS_GRAPH_FAKE_H

#include "plugin/registry.h"

/* State of test/params: one parameter of every type. */
struct fake_params {
    bool flag;
    int64_t count;
    double factor;
    const char *mode, *label, *needed;
    hde_duration window;
    hde_size buffer;
    hde_ratio share;
    hde_path file;
    hde_secret token;
    hde_list symbols;
    hde_map headers;
    double maybe;
};

const hde_operator *fake_operator(const char *name);

#endif
