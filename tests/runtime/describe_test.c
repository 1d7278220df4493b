/* SPDX-License-Identifier: Apache-2.0
 * describe_test - the reference is printed from the tables. */
#include "check.h"

#include "plugin/describe.h"

#include <hde/schemas/runtime.pb-c.h>
#include <math.h>
#include <string.h>

struct state {
    int64_t n;
    double x;
    const char *mode;
    hde_duration every;
    hde_secret token;
    bool on;
};

static const hde_param params[] = {
    HDE_PARAM(struct state, n, .unit = "strikes", .min = 1, .max = 10, .help = "how many"),
    HDE_PARAM(struct state, x, .fallback = "", .unit = "points", .help = "least distance"),
    HDE_PARAM(struct state, mode, .fallback = "mid", .choices = "mid|last", .flags = HDE_PARAM_LIVE,
              .help = "price | of what"),
    HDE_PARAM(struct state, every, .fallback = "5s", .min = 0.5, .max = 60, .help = "period"),
    HDE_PARAM(struct state, token, .fallback = "hidden", .help = "of the service"),
    HDE_PARAM(struct state, on, .fallback = "true", .help = "whether"),
    {0},
};
static const hde_operator op = {
    .size = sizeof op,
    .flags = HDE_BLOCKING | HDE_LIVE_ONLY,
    .name = "test/described",
    .summary = "shows every kind of thing",
    .help = "First line.\n\nSecond paragraph.",
    .inputs =
        (const hde_port[]){{"in", HDE_TYPES(&hde__sample__descriptor, &hde__state__descriptor),
                            HDE_PORT_OPTIONAL, "what comes"},
                           {0}},
    .outputs =
        (const hde_port[]){{"out", HDE_TYPES(&hde__sample__descriptor), 0, "what goes"}, {0}},
    .params = params,
    .state_type = &hde__state__descriptor,
    .state_schema = 2,
};
static const struct registry_operator described = {&op, "/lib/test.so", "abc123"};
static hde_text out;

static void
text_shows_ports_parameters_flags_state_and_use(void **state)
{
    hde_text_clear(&out);
    describe_text(&described, &out);
    assert_string_equal(
        out.data,
        "test/described (operator)\n"
        "  shows every kind of thing\n"
        "\n"
        "  First line.\n"
        "\n"
        "  Second paragraph.\n"
        "\n"
        "Inputs\n"
        "  in                hde.Sample or hde.State (optional)\n"
        "                    what comes\n"
        "\n"
        "Outputs\n"
        "  out               hde.Sample\n"
        "                    what goes\n"
        "\n"
        "Parameters\n"
        "  n                 int, required; 1 to 10 strikes\n"
        "                    how many\n"
        "  x                 real, none; points\n"
        "                    least distance\n"
        "  mode              text, default mid; mid, last; may change while it runs\n"
        "                    price | of what\n"
        "  every             duration, default 5s; 0.5s to 60s\n"
        "                    period\n"
        "  token             secret, default ***\n"
        "                    of the service\n"
        "  on                bool, default true\n"
        "                    whether\n"
        "\n"
        "Flags\n"
        "  blocking          waits for the world: every instance has a thread of its own\n"
        "  live-only         talks to a live service: refused by replay\n"
        "\n"
        "State\n"
        "  hde.State, schema 2\n"
        "\n"
        "In a graph\n"
        "  described: {op: test/described, params: {n: ...}}\n"
        "\n"
        "Plugin\n"
        "  /lib/test.so\n"
        "  build abc123\n");
}

static void
markdown_keeps_bars_out_of_tables(void **state)
{
    hde_text_clear(&out);
    describe_markdown(&described, &out);
    assert_non_null(
        strstr(out.data, "### `test/described`\n\nshows every kind of thing. _blocking_"));
    assert_non_null(
        strstr(out.data, "| in | `in` | hde.Sample or hde.State | Optional. what comes |"));
    assert_non_null(
        strstr(out.data, "| `mode` | text | mid | mid, last | price \\| of what (live) |\n"));
    assert_null(strstr(out.data, "hidden"));
}

static void
json_has_every_field(void **state)
{
    hde_text_clear(&out);
    describe_json(&described, &out);
    assert_string_equal(
        out.data,
        "{\"name\":\"test/described\",\"kind\":\"operator\",\"summary\":\"shows every kind of "
        "thing\",\"help\":\"First line.\\n\\nSecond "
        "paragraph.\",\"flags\":[\"blocking\",\"live-only\"],"
        "\"inputs\":[{\"name\":\"in\",\"types\":[\"hde.Sample\",\"hde.State\"],\"optional\":true,"
        "\"help\":\"what comes\"}],\"outputs\":[{\"name\":\"out\",\"types\":[\"hde.Sample\"],"
        "\"optional\":false,\"help\":\"what goes\"}],\"params\":["
        "{\"name\":\"n\",\"type\":\"int\",\"required\":true,\"unit\":\"strikes\",\"min\":1,\"max\":"
        "10,"
        "\"live\":false,\"help\":\"how many\"},"
        "{\"name\":\"x\",\"type\":\"real\",\"required\":false,\"default\":\"\",\"unit\":\"points\","
        "\"live\":false,\"help\":\"least distance\"},"
        "{\"name\":\"mode\",\"type\":\"text\",\"required\":false,\"default\":\"mid\","
        "\"choices\":[\"mid\",\"last\"],\"live\":true,\"help\":\"price | of what\"},"
        "{\"name\":\"every\",\"type\":\"duration\",\"required\":false,\"default\":\"5s\",\"min\":0."
        "5,"
        "\"max\":60,\"live\":false,\"help\":\"period\"},"
        "{\"name\":\"token\",\"type\":\"secret\",\"required\":false,\"live\":false,"
        "\"help\":\"of the service\"},"
        "{\"name\":\"on\",\"type\":\"bool\",\"required\":false,\"default\":\"true\",\"live\":false,"
        "\"help\":\"whether\"}],\"state\":{\"type\":\"hde.State\",\"schema\":2},"
        "\"path\":\"/lib/test.so\",\"build_id\":\"abc123\"}");
}

static void
lists_are_grouped_by_folder(void **state)
{
    struct registry *registry = registry_new_at(HDE_BINARY_DIR "/tests/plugins");

    hde_text_clear(&out);
    describe_list(registry, &out);
    assert_non_null(strstr(out.data, "test/\n"));
    assert_non_null(strstr(out.data, "  sum                     sum of samples so far\n"));
    hde_text_clear(&out);
    describe_list_markdown(registry, &out);
    assert_non_null(strstr(out.data, "\n## test\n\n### `test/"));
    registry_free(registry);
    registry = registry_new_at("");
    hde_text_clear(&out);
    describe_list_json(registry, &out);
    assert_string_equal(out.data, "[]\n");
    registry_free(registry);
}

static int
fini(void **state)
{
    hde_text_free(&out);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_shows_ports_parameters_flags_state_and_use),
        cmocka_unit_test(markdown_keeps_bars_out_of_tables),
        cmocka_unit_test(json_has_every_field),
        cmocka_unit_test(lists_are_grouped_by_folder),
    };

    return cmocka_run_group_tests(tests, NULL, fini);
}
