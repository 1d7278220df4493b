/* SPDX-License-Identifier: Apache-2.0
 * registry_test - plugins are inspected, loaded and refused. */
#include "check.h"

#include "plugin/elf.h"
#include "plugin/registry.h"

#include <elf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VARIANTS HDE_BINARY_DIR "/tests/variants/"

static char folder[] = "/tmp/hde-registry-XXXXXX";

static const char *
in_folder(const char *name)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static uint8_t *
read_all(const char *path, size_t *size)
{
    FILE *in = fopen(path, "rb");
    uint8_t *bytes;

    assert_non_null(in);
    fseek(in, 0, SEEK_END);
    *size = (size_t)ftell(in);
    rewind(in);
    bytes = malloc(*size);
    assert_int_equal(fread(bytes, 1, *size, in), *size);
    fclose(in);
    return bytes;
}

static const char *
write_all(const char *name, const void *bytes, size_t size)
{
    const char *path = in_folder(name);
    FILE *out = fopen(path, "wb");

    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    fclose(out);
    return path;
}

/* The code and the text with which a file is refused. */
static void
refused(const char *path, const char *code, const char *text)
{
    struct registry *registry = registry_new_at("");
    struct err err = {0};

    assert_false(registry_open(registry, path, &err));
    if (strcmp(err.code, code) || !strstr(err.text, text))
        fail_msg("%s: wanted %s '%s', got %s '%s'", path, code, text, err.code, err.text);
    assert_non_null(strstr(err.text, strrchr(path, '/') + 1));
    assert_int_equal(registry_count(registry), 0);
    registry_free(registry);
}

static void
a_good_plugin_is_found_by_name_with_its_build_id(void **state)
{
    struct registry *registry = registry_new_at("");
    const struct registry_operator *found;
    struct err err = {0};

    assert_true(registry_open(registry, VARIANTS "good.so", &err));
    found = registry_find(registry, "variant/pass");
    assert_non_null(found);
    assert_string_equal(found->op->summary, "passes samples on");
    assert_int_equal(strlen(found->build_id), 40);
    assert_non_null(strstr(found->path, "/good.so"));
    assert_null(registry_find(registry, "variant/pas"));
    assert_null(registry_find(registry, "variant/passe"));
    registry_free(registry);
}

static void
each_wrong_plugin_is_refused_with_its_code(void **state)
{
    static const struct {
        const char *file, *code, *text;
    } rows[] = {
        {"no-such-file.so", "HDE-P001", "No such file"},
        {"wrong_abi.so", "HDE-P007", "has plugin ABI 99, this runtime has 2"},
        {"wrong_magic.so", "HDE-P006", "is not a plugin table"},
        {"no_table.so", "HDE-P006", "is not a plugin table"},
        {"wrong_size.so", "HDE-P008", "impossible sizes (table 4000"},
        {"small_operator.so", "HDE-P008", "operator 16 bytes"},
        {"no_symbol.so", "HDE-P005", "exports no symbol hde_plugin"},
        {"undefined_symbol.so", "HDE-P011", "hde_there_is_no_such_function"},
        {"own_schemas.so", "HDE-P009", "hde__sample__of_mine"},
        {"executable_stack.so", "HDE-P010", "-z noexecstack"},
        {"listed_twice.so", "HDE-P012", "'variant/pass' is in its list twice"},
        {"newer_used.so", "HDE-P014", "update hde"},
        {"bad_operator.so", "HDE-P012", "'NoFolder' is no operator name"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[PATH_MAX];

        snprintf(path, sizeof path, VARIANTS "%s", rows[i].file);
        refused(path, rows[i].code, rows[i].text);
    }
}

static void
an_older_shorter_operator_is_padded_with_zeros(void **state)
{
    struct registry *registry = registry_new_at("");
    struct err err = {0};
    const hde_operator *op;

    assert_true(registry_open(registry, VARIANTS "older.so", &err));
    op = registry_find(registry, "variant/pass")->op;
    assert_int_equal(op->size, sizeof *op);
    assert_non_null(op->batch);
    assert_null(op->poll); /* is behind the end of the old struct */
    registry_free(registry);
}

static void
a_newer_longer_operator_loads_if_it_uses_nothing_new(void **state)
{
    struct registry *registry = registry_new_at("");
    struct err err = {0};

    assert_true(registry_open(registry, VARIANTS "newer.so", &err));
    assert_int_equal(registry_find(registry, "variant/pass")->op->size, sizeof(hde_operator));
    registry_free(registry);
}

static void
files_that_are_no_shared_objects_are_refused(void **state)
{
    uint8_t *bytes;
    size_t size;

    refused(write_all("text.so", "hello\n", 6), "HDE-P002", "is not a shared object");
    refused(write_all("empty.so", "", 0), "HDE-P002", "is not a shared object");
    bytes = read_all(VARIANTS "good.so", &size);
    ((Elf64_Ehdr *)(void *)bytes)->e_machine = EM_S390;
    refused(write_all("s390.so", bytes, size), "HDE-P003", "is for another machine");
    bytes[EI_CLASS] = ELFCLASS32;
    refused(write_all("short.so", bytes, size), "HDE-P003", "another kind of machine");
    free(bytes);
    mkdir(in_folder("folder.so"), 0700);
    refused(in_folder("folder.so"), "HDE-P001", "not a regular file");
    assert_int_equal(rmdir(in_folder("folder.so")), 0);
}

static void
a_file_that_is_cut_or_damaged_anywhere_never_crashes_the_inspection(void **state)
{
    struct elf_plugin plugin;
    uint64_t seed = 88172645463325252u;
    size_t size, refused_cuts = 0, cuts = 0;
    uint8_t *bytes = read_all(VARIANTS "good.so", &size), *copy = malloc(size);

    for (size_t cut = 0; cut < size; cut += 97, cuts++) {
        struct err err = {0};

        if (!elf_inspect(write_all("cut.so", bytes, cut), &plugin, &err)) {
            refused_cuts++;
            assert_true(err.code[0]);
        }
    }
    assert_true(refused_cuts > 0); /* what is behind the segments is not needed to load it */
    for (int i = 0; i < 2000; i++) {
        struct err err = {0};

        memcpy(copy, bytes, size);
        for (int j = 0; j < 8; j++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            copy[j < 4 ? seed % 1024 : seed % size] ^= (uint8_t)(seed >> 32);
        }
        assert_true(elf_inspect(write_all("bad.so", copy, size), &plugin, &err) || err.code[0]);
    }
    free(copy);
    free(bytes);
}

static void
copy_of(const char *variant, const char *name)
{
    size_t size;
    char path[PATH_MAX];
    uint8_t *bytes;

    snprintf(path, sizeof path, VARIANTS "%s", variant);
    bytes = read_all(path, &size);
    write_all(name, bytes, size);
    free(bytes);
}

static void
a_folder_is_scanned_by_name_and_problems_do_not_hide_the_rest(void **state)
{
    const struct registry_problem *problems;
    struct registry *registry;
    char path[PATH_MAX];

    unlink(in_folder("cut.so")), unlink(in_folder("bad.so")), unlink(in_folder("s390.so"));
    unlink(in_folder("short.so")), unlink(in_folder("empty.so")), unlink(in_folder("text.so"));
    copy_of("wrong_abi.so", "a.so");
    copy_of("good.so", "b.so");
    copy_of("good.so", "c.so");
    write_all("notes.txt", "no plugin", 9);
    snprintf(path, sizeof path, "%s:/no/such/folder:%s", folder, folder);
    registry = registry_new_at(path);
    assert_int_equal(registry_count(registry), 1);
    assert_non_null(strstr(registry_at(registry, 0)->path, "/b.so"));
    assert_int_equal(registry_problems(registry, &problems), 3);
    assert_string_equal(problems[0].err.code, "HDE-P007");
    assert_string_equal(problems[1].err.code, "HDE-P013");
    assert_non_null(strstr(problems[1].err.text, "/b.so"));
    assert_string_equal(problems[2].err.code, "HDE-P015");
    registry_free(registry);
}

static void
a_file_that_is_opened_by_hand_wins(void **state)
{
    struct registry *registry = registry_new_at(folder);
    struct err err = {0};

    assert_true(registry_open(registry, VARIANTS "good.so", &err));
    assert_int_equal(registry_count(registry), 1);
    assert_non_null(strstr(registry_at(registry, 0)->path, "/variants/good.so"));
    registry_free(registry);
    registry_free(NULL);
}

static int
setup(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int
fini(void **state)
{
    static const char *const names[] = {"a.so", "b.so", "c.so", "notes.txt"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_folder(names[i]));
    return rmdir(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_plugin_is_found_by_name_with_its_build_id),
        cmocka_unit_test(each_wrong_plugin_is_refused_with_its_code),
        cmocka_unit_test(an_older_shorter_operator_is_padded_with_zeros),
        cmocka_unit_test(a_newer_longer_operator_loads_if_it_uses_nothing_new),
        cmocka_unit_test(files_that_are_no_shared_objects_are_refused),
        cmocka_unit_test(a_file_that_is_cut_or_damaged_anywhere_never_crashes_the_inspection),
        cmocka_unit_test(a_folder_is_scanned_by_name_and_problems_do_not_hide_the_rest),
        cmocka_unit_test(a_file_that_is_opened_by_hand_wins),
    };

    return cmocka_run_group_tests(tests, setup, fini);
}
