/* SPDX-License-Identifier: Apache-2.0
 * variant - plugins that are wrong in one way each: VARIANT says in which. */
#include <hde/operator.h>
#include <hde/schemas/runtime.pb-c.h>

#include <stdlib.h>

static hde_status
batch(hde_ctx *ctx, void *state, hde_batch *in)
{
    for (; in->done < in->n; in->done++)
        hde_emit(ctx, 0, hde_take(in, in->done));
    return HDE_OK;
}

static const hde_port inputs[] = {{"in", HDE_TYPES(&hde__sample__descriptor), 0, "any"}, {0}};
static const hde_port outputs[] = {{"out", HDE_TYPES(&hde__sample__descriptor), 0, "same"}, {0}};

#ifdef VARIANT_bad_operator
#define NAME "NoFolder"
#else
#define NAME "variant/pass"
#endif
#define OPERATOR                                                                                   \
    .name = NAME, .summary = "passes samples on", .inputs = inputs, .outputs = outputs,            \
    .batch = batch

#if defined VARIANT_older /* ends before poll(): what lies behind it is not the runtime's to read  \
                           */
static hde_status
poll(hde_ctx *ctx, void *state)
{
    return HDE_END;
}

static const struct {
    hde_operator op;
} shape = {{.size = offsetof(hde_operator, poll), OPERATOR, .poll = poll}};
#elif defined VARIANT_newer || defined VARIANT_newer_used
static const struct {
    hde_operator op;
    const char *more;
} shape = {{.size = sizeof(hde_operator) + sizeof(char *), OPERATOR},
#ifdef VARIANT_newer_used
           "used"
#else
           NULL
#endif
};
#else
static const struct {
    hde_operator op;
} shape = {{.size = sizeof(hde_operator), OPERATOR}};
#endif

#if defined VARIANT_wrong_abi || defined VARIANT_wrong_magic || defined VARIANT_wrong_size ||      \
    defined VARIANT_small_operator
/* The test would not survive this: the runtime must not let it run. */
static void __attribute__((constructor)) must_not_run(void)
{
    abort();
}
#endif

#if defined VARIANT_undefined_symbol
void hde_there_is_no_such_function(void);
void (*variant_use)(void) = hde_there_is_no_such_function;
#elif defined VARIANT_own_schemas
__attribute__((visibility("default"))) int hde__sample__of_mine;
#endif

#if defined VARIANT_no_symbol || defined VARIANT_no_table
__attribute__((visibility("default"))) const hde_operator *const variant_operator = &shape.op;
#endif
#if defined VARIANT_no_table
__attribute__((visibility("default"))) void hde_plugin(void);
void
hde_plugin(void)
{
}
#elif defined VARIANT_no_symbol
#elif defined VARIANT_wrong_abi || defined VARIANT_wrong_magic || defined VARIANT_wrong_size ||    \
    defined VARIANT_small_operator
#ifdef VARIANT_wrong_magic
#define MAGIC 0x12345678u
#else
#define MAGIC HDE_PLUGIN_MAGIC
#endif
#ifdef VARIANT_wrong_abi
#define ABI 99u
#else
#define ABI HDE_ABI
#endif
#ifdef VARIANT_wrong_size
#define TABLE 4000u
#else
#define TABLE sizeof(hde_plugin_table)
#endif
#ifdef VARIANT_small_operator
#define SIZE 16u
#else
#define SIZE sizeof(hde_operator)
#endif
__attribute__((visibility("default"))) const hde_plugin_table hde_plugin = {
    MAGIC, ABI, TABLE, SIZE, (const hde_operator *const[]){&shape.op, NULL}};
#elif defined VARIANT_listed_twice
HDE_PLUGIN(&shape.op, &shape.op);
#else
HDE_PLUGIN(&shape.op);
#endif
