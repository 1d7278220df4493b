/* SPDX-License-Identifier: Apache-2.0
 * Bad graphs: every one with the codes and places that have to be found, and no others.
 *
 * A '@' in a text marks the place of a finding and is taken out. Codes are in the order of places
 * (files by name); "CODE!" has no place in a text. "=== name" begins another file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bad_graphs.h"
#include "fake.h"
#include "graph/codes.h"
#include "graph/graph.h"

struct expected {
    char file[40];
    unsigned line, column;
};

static char folder[] = "/tmp/hde-graph-XXXXXX";

/* Writes the files of a row without their marks, and lists the marks. */
static size_t
write_files(const char *text, struct expected *marks)
{
    size_t n = 0;
    struct expected at = {"main.yaml", 1, 1};
    char path[100];
    FILE *out;

    snprintf(path, sizeof path, "%s/%s", folder, at.file);
    out = fopen(path, "w");
    while (*text) {
        if (at.column == 1 && strncmp(text, "=== ", 4) == 0) {
            size_t len = strcspn(text, "\n");

            fclose(out);
            at = (struct expected){.line = 1, .column = 1};
            snprintf(at.file, sizeof at.file, "%.*s", (int)len - 4, text + 4);
            snprintf(path, sizeof path, "%s/%s", folder, at.file);
            out = fopen(path, "w");
            text += len + 1;
            continue;
        }
        if (*text == '@') {
            marks[n++] = at;
        } else {
            fputc(*text, out);
            if (*text == '\n')
                at = (struct expected){.line = at.line + 1, .column = 1, .file = ""};
            else if (((unsigned char)*text & 0xC0) != 0x80)
                at.column++;
            if (*text == '\n')
                snprintf(at.file, sizeof at.file, "%s", strrchr(path, '/') + 1);
        }
        text++;
    }
    fclose(out);
    return n;
}

static int
by_file(const void *a, const void *b)
{
    const struct expected *x = a, *y = b;
    int order = strcmp(x->file, y->file);

    if (order)
        return order;
    return x->line != y->line ? (x->line < y->line ? -1 : 1)
                              : (x->column < y->column ? -1 : x->column > y->column);
}

static void
print_found(const struct diags *diags)
{
    hde_text text = {0};

    diags_print(diags, &text, false);
    printf("%s", text.data ? text.data : "nothing found\n");
    hde_text_free(&text);
}

/* True if the findings are those of the row. */
static bool
check_row(const struct bad_graph *row)
{
    struct expected marks[64] = {0};
    size_t n = write_files(row->text, marks), i = 0, m = 0;
    struct graph_options options = {
        .for_run = row->for_run, .sets = &row->set, .n_sets = row->set != NULL};
    struct diags diags = {0};
    struct graph *graph;
    char path[100], code[12];
    bool ok = true;

    qsort(marks, n, sizeof *marks, by_file);
    snprintf(path, sizeof path, "%s/%s", folder, row->file ? row->file : "main.yaml");
    graph = graph_load(path, &options, NULL, &diags);
    for (const char *codes = row->codes; *codes; i++) {
        size_t len = strcspn(codes, " ");
        bool placed = codes[len - 1] != '!';
        const struct diag *diag = &diags.list[i];

        snprintf(code, sizeof code, "HDE-%.*s", (int)(placed ? len : len - 1), codes);
        codes += len + (codes[len] == ' ');
        if (i >= diags.n || strcmp(diag->code, code) != 0) {
            ok = false;
            continue;
        }
        if (!placed)
            continue;
        ok = ok && m < n && diag->place.file && diag->place.line == marks[m].line &&
             diag->place.column == marks[m].column &&
             strcmp(strrchr(diag->place.file, '/') + 1, marks[m].file) == 0 && diag->source;
        m++;
    }
    ok = ok && i == diags.n && m == n && (graph == NULL) == (diags.errors > 0);
    if (ok && row->says) {
        hde_text text = {0};

        diags_print(&diags, &text, false);
        ok = strstr(text.data, row->says) != NULL;
        hde_text_free(&text);
    }
    if (!ok) {
        printf("row '%s' expects %s%s%s\n", row->name, row->codes, row->says ? " and says " : "",
               row->says ? row->says : "");
        for (m = 0; m < n; m++)
            printf("  mark %s:%u:%u\n", marks[m].file, marks[m].line, marks[m].column);
        print_found(&diags);
    }
    graph_free(graph);
    diags_fini(&diags);
    return ok;
}

static void
test_every_bad_graph_gives_its_codes_and_places(void **unused)
{
    size_t failed = 0;

    for (size_t i = 0; i < n_bad_graphs; i++)
        failed += !check_row(&bad_graphs[i]);
    printf("%zu rows, %zu failed\n", n_bad_graphs, failed);
    assert_int_equal(failed, 0);
}

/* What is too large to stand in a table: head, then a line n times, then tail. */
static const struct {
    const char *code, *head, *line, *tail;
    size_t n;
    unsigned at_line, at_column;
    bool numbered; /* the lines are nodes with numbers */
} large[] = {
    {"HDE-G002", "hde: 1\n", "# sixty-four characters of a comment that says nothing at all ..\n",
     "graph: t\n", (4 << 20) / 64, 0, 0},
    {"HDE-G012", "hde: 1\ngraph: t\nvars: {x: \"",
     "sixty-four characters of a text that says "
     "nothing at all, ever ...",
     "\"}\nnodes: {a: {op: test/params, params: {needed: x}}}\n", (1 << 20) / 64, 3, 11},
    {"HDE-G012",
     "hde: 1\ngraph: t\nvars:\n  a: \"12345678901234567890123456789012\"\n"
     "  b: \"${vars.a}${vars.a}${vars.a}${vars.a}${vars.a}${vars.a}${vars.a}${vars.a}\"\n"
     "  c: \"${vars.b}${vars.b}${vars.b}${vars.b}${vars.b}${vars.b}${vars.b}${vars.b}\"\n"
     "  d: \"${vars.c}${vars.c}${vars.c}${vars.c}${vars.c}${vars.c}${vars.c}${vars.c}\"\n"
     "  e: \"${vars.d}${vars.d}${vars.d}${vars.d}${vars.d}${vars.d}${vars.d}${vars.d}\"\n"
     "  f: \"${vars.e}${vars.e}${vars.e}${vars.e}${vars.e}${vars.e}${vars.e}${vars.e}\"\n",
     "  # laughs\n",
     "  g: \"${vars.f}${vars.f}${vars.f}\"\n"
     "nodes: {a: {op: test/params, params: {needed: x}}}\n",
     1, 11, 6},
    {"HDE-G061", "hde: 1\ngraph: t\nnodes: {", "", "}\n", 10001, 3, 248899, true},
};

static void
test_what_is_too_large_is_refused(void **unused)
{
    char path[100];

    snprintf(path, sizeof path, "%s/large.yaml", folder);
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        FILE *out = fopen(path, "w");
        struct diags diags = {0};
        const struct diag *diag = NULL;

        fputs(large[i].head, out);
        for (size_t j = 0; j < large[i].n; j++)
            if (large[i].numbered)
                fprintf(out, "n%zu: {op: test/alone}, ", j);
            else
                fputs(large[i].line, out);
        fputs(large[i].tail, out);
        fclose(out);
        assert_null(graph_load(path, NULL, NULL, &diags));
        for (size_t j = 0; j < diags.n && !diag; j++)
            if (strcmp(diags.list[j].code, "HDE-G078") != 0)
                diag = &diags.list[j];
        if (!diag || strcmp(diag->code, large[i].code) != 0 ||
            diag->place.line != large[i].at_line || diag->place.column != large[i].at_column) {
            print_found(&diags);
            fail_msg("row %zu expects %s at %u:%u", i, large[i].code, large[i].at_line,
                     large[i].at_column);
        }
        diags_fini(&diags);
    }
}

static void
test_every_code_has_an_explanation_and_a_bad_graph(void **unused)
{
    size_t missing = 0;

    for (size_t i = 0; i < codes_count(); i++) {
        const struct code *code = codes_at(i);
        bool found = false;

        assert_ptr_equal(codes_find(code->code), code);
        assert_true(strlen(code->title) > 5 && strlen(code->text) > 5);
        for (size_t j = 0; j < n_bad_graphs && !found; j++)
            found = strstr(bad_graphs[j].codes, code->code + 4) != NULL;
        for (size_t j = 0; j < sizeof large / sizeof *large && !found; j++)
            found = strcmp(large[j].code, code->code) == 0;
        if (strcmp(code->code, "HDE-G375") == 0) /* of an option: hosts_test.c */
            found = true;
        if (!found)
            printf("%s has no bad graph\n", code->code);
        missing += !found;
    }
    assert_int_equal(missing, 0);
}

static void
test_every_code_in_the_sources_is_explained(void **unused)
{
    FILE *file = fopen(HDE_SOURCE_DIR "/runtime/graph/codes.h", "r");
    char line[200];
    size_t n = 0;

    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        char *code = strstr(line, "\"HDE-G");

        if (strncmp(line, "#define G_", 10) != 0 || !code)
            continue;
        code[strcspn(code + 1, "\"") + 1] = '\0';
        assert_non_null(codes_find(code + 1));
        n++;
    }
    fclose(file);
    assert_int_equal(n, codes_count());
}

static void
test_codes_are_found_in_short_forms(void **unused)
{
    assert_string_equal(codes_find("HDE-G077")->code, "HDE-G077");
    assert_string_equal(codes_find("hde-g77")->code, "HDE-G077");
    assert_string_equal(codes_find("g077")->code, "HDE-G077");
    assert_null(codes_find("HDE-P001"));
    assert_null(codes_find("G999"));
    assert_null(codes_find("G07x"));
    assert_null(codes_find(""));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_bad_graph_gives_its_codes_and_places),
        cmocka_unit_test(test_what_is_too_large_is_refused),
        cmocka_unit_test(test_every_code_has_an_explanation_and_a_bad_graph),
        cmocka_unit_test(test_every_code_in_the_sources_is_explained),
        cmocka_unit_test(test_codes_are_found_in_short_forms),
    };
    int failed;
    char command[100];

    unsetenv("HDE_TEST_UNSET");
    setenv("HDE_TEST_WORD", "word", 1);
    if (!mkdtemp(folder))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0 || failed;
}
