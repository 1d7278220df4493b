/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/elf.h"

#include "base/arena.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if UINTPTR_MAX == UINT64_MAX
typedef Elf64_Ehdr Ehdr;
typedef Elf64_Phdr Phdr;
typedef Elf64_Dyn Dyn;
typedef Elf64_Sym Sym;
enum { CLASS = ELFCLASS64, BLOOM_WORD = 8 };
#define ST_TYPE ELF64_ST_TYPE
#define ST_BIND ELF64_ST_BIND
#else
typedef Elf32_Ehdr Ehdr;
typedef Elf32_Phdr Phdr;
typedef Elf32_Dyn Dyn;
typedef Elf32_Sym Sym;
enum { CLASS = ELFCLASS32, BLOOM_WORD = 4 };
#define ST_TYPE ELF32_ST_TYPE
#define ST_BIND ELF32_ST_BIND
#endif

#if defined __x86_64__
enum { MACHINE = EM_X86_64 };
#elif defined __aarch64__
enum { MACHINE = EM_AARCH64 };
#elif defined __riscv
enum { MACHINE = EM_RISCV };
#elif defined __i386__
enum { MACHINE = EM_386 };
#elif defined __arm__
enum { MACHINE = EM_ARM };
#else
#error "say which ELF machine this is"
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { BYTE_ORDER_HERE = ELFDATA2LSB };
#else
enum { BYTE_ORDER_HERE = ELFDATA2MSB };
#endif

static const size_t file_max = (size_t)1 << 30;

struct file {
    const char *path;
    uint8_t *bytes;
    size_t size;
    Phdr *segments; /* copies: nothing in the file need be aligned */
    size_t n_segments;
    struct {
        size_t symbols, strings, strings_size, gnu_hash, sysv_hash; /* file offsets, 0: none */
    } dynamic;
};

/* ---- Bytes -------------------------------------------------------------------------------- */

static bool
file_read(struct file *file, struct err *err)
{
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    bool ok;

    if (fd < 0 || fstat(fd, &stat)) {
        err_set(err, "HDE-P001", "%s: cannot be read: %s", file->path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    ok = S_ISREG(stat.st_mode) && (size_t)stat.st_size <= file_max;
    if (!ok)
        err_set(err, "HDE-P001", "%s: is not a regular file of at most 1 GiB", file->path);
    file->bytes = ok ? xmalloc((size_t)stat.st_size) : NULL;
    while (ok && file->size < (size_t)stat.st_size) {
        ssize_t n = read(fd, file->bytes + file->size, (size_t)stat.st_size - file->size);

        if (n < 0)
            ok = err_set(err, "HDE-P001", "%s: cannot be read: %s", file->path, strerror(errno));
        if (n <= 0)
            break;
        file->size += (size_t)n;
    }
    close(fd);
    return ok;
}

/* Copies size bytes from an offset; false where the file does not have them. */
static bool
peek(const struct file *file, size_t offset, void *to, size_t size)
{
    if (offset > file->size || size > file->size - offset)
        return false;
    memcpy(to, file->bytes + offset, size);
    return true;
}

static bool
damaged(const struct file *file, const char *what, struct err *err)
{
    return err_set(err, "HDE-P004", "%s: is damaged or cut short (%s): build or copy it again",
                   file->path, what);
}

/* File offset of an address that the loader would map from the file; 0 if there is none. */
static size_t
offset_of(const struct file *file, uint64_t address, size_t size)
{
    for (size_t i = 0; i < file->n_segments; i++) {
        const Phdr *segment = &file->segments[i];
        uint64_t at = address - segment->p_vaddr;

        if (segment->p_type == PT_LOAD && address >= segment->p_vaddr && at < segment->p_filesz &&
            size <= segment->p_filesz - at)
            return (size_t)(segment->p_offset + at);
    }
    return 0;
}

/* ---- Headers ------------------------------------------------------------------------------ */

static bool
read_headers(struct file *file, struct err *err)
{
    Ehdr header;

    if (file->size < EI_NIDENT || memcmp(file->bytes, ELFMAG, SELFMAG))
        return err_set(err, "HDE-P002",
                       "%s: is not a shared object (ELF): only plugin files belong on the plugin "
                       "path",
                       file->path);
    if (file->bytes[EI_CLASS] != CLASS || file->bytes[EI_DATA] != BYTE_ORDER_HERE)
        return err_set(err, "HDE-P003",
                       "%s: is for another kind of machine (word size or byte order): build it "
                       "on this one",
                       file->path);
    if (!peek(file, 0, &header, sizeof header))
        return damaged(file, "header", err);
    if (header.e_machine != MACHINE)
        return err_set(err, "HDE-P003",
                       "%s: is for another machine (ELF machine %u, this is %u): build it on this "
                       "one",
                       file->path, header.e_machine, MACHINE);
    if (header.e_type != ET_DYN)
        return err_set(err, "HDE-P002",
                       "%s: is an ELF file but no shared object: link it with -shared", file->path);
    if (header.e_phentsize != sizeof(Phdr) || !header.e_phnum)
        return damaged(file, "program headers", err);
    file->n_segments = header.e_phnum;
    file->segments = xcalloc(file->n_segments, sizeof(Phdr));
    if (header.e_phoff > file->size ||
        !peek(file, (size_t)header.e_phoff, file->segments, file->n_segments * sizeof(Phdr)))
        return damaged(file, "program headers", err);
    for (size_t i = 0; i < file->n_segments; i++) {
        const Phdr *segment = &file->segments[i];

        if (segment->p_type == PT_LOAD &&
            (segment->p_offset > file->size || segment->p_filesz > file->size - segment->p_offset))
            return damaged(file, "segments", err);
        if (segment->p_type == PT_GNU_STACK && segment->p_flags & PF_X)
            return err_set(err, "HDE-P010",
                           "%s: asks for an executable stack: link it with -z noexecstack",
                           file->path);
    }
    return true;
}

static bool
read_dynamic(struct file *file, struct err *err)
{
    const Phdr *dynamic = NULL;
    Dyn entry;

    for (size_t i = 0; i < file->n_segments; i++) {
        if (file->segments[i].p_type == PT_DYNAMIC)
            dynamic = &file->segments[i];
    }
    if (!dynamic)
        return err_set(err, "HDE-P002", "%s: is an ELF file but no shared object", file->path);
    for (uint64_t at = 0; at + sizeof entry <= dynamic->p_filesz; at += sizeof entry) {
        if (dynamic->p_offset > file->size ||
            !peek(file, (size_t)(dynamic->p_offset + at), &entry, sizeof entry))
            return damaged(file, "dynamic section", err);
        if (entry.d_tag == DT_NULL)
            break;
        switch (entry.d_tag) {
        case DT_SYMTAB:
            file->dynamic.symbols = offset_of(file, entry.d_un.d_ptr, sizeof(Sym));
            break;
        case DT_STRTAB:
            file->dynamic.strings = offset_of(file, entry.d_un.d_ptr, 1);
            break;
        case DT_STRSZ:
            file->dynamic.strings_size = (size_t)entry.d_un.d_val;
            break;
        case DT_GNU_HASH:
            file->dynamic.gnu_hash = offset_of(file, entry.d_un.d_ptr, 16);
            break;
        case DT_HASH:
            file->dynamic.sysv_hash = offset_of(file, entry.d_un.d_ptr, 8);
            break;
        }
    }
    if (!file->dynamic.symbols || !file->dynamic.strings || !file->dynamic.strings_size ||
        file->dynamic.strings_size > file->size - file->dynamic.strings)
        return damaged(file, "symbol tables", err);
    return true;
}

/* The loader needs no count of dynamic symbols, so none is stored: the hash tables imply it. */
static size_t
count_symbols(const struct file *file)
{
    uint32_t head[4] /* buckets, first symbol, bloom words, shift */, symbol, last = 0, hash;
    size_t at = file->dynamic.gnu_hash;

    if (file->dynamic.sysv_hash && peek(file, file->dynamic.sysv_hash + 4, &symbol, 4))
        return symbol;
    if (!at || !peek(file, at, head, sizeof head))
        return 0;
    at += sizeof head + (size_t)head[2] * BLOOM_WORD;
    for (uint32_t i = 0; i < head[0]; i++) {
        if (!peek(file, at + 4 * (size_t)i, &symbol, 4))
            return 0;
        if (symbol > last)
            last = symbol;
    }
    if (last < head[1])
        return head[1]; /* no exported symbol at all */
    at += 4 * (size_t)head[0];
    do { /* the end of the last bucket's chain has its lowest bit set */
        if (!peek(file, at + 4 * ((size_t)last - head[1]), &hash, 4))
            return 0;
        last++;
    } while (!(hash & 1));
    return last;
}

static const char *
name_of(const struct file *file, const Sym *symbol)
{
    const char *strings = (const char *)file->bytes + file->dynamic.strings;
    size_t room = file->dynamic.strings_size;

    if (symbol->st_name >= room || !memchr(strings + symbol->st_name, 0, room - symbol->st_name))
        return "";
    return strings + symbol->st_name;
}

/* ---- What is in it ------------------------------------------------------------------------ */

static bool
read_table(const struct file *file, const Sym *symbol, struct elf_plugin *out, struct err *err)
{
    enum { NEEDED = offsetof(hde_plugin_table, operators) + sizeof(void *) };
    size_t at = offset_of(file, symbol->st_value, 16);
    uint32_t words[4];

    if (ST_TYPE(symbol->st_info) != STT_OBJECT || symbol->st_size < sizeof words || !at ||
        !peek(file, at, words, sizeof words) || words[0] != HDE_PLUGIN_MAGIC)
        return err_set(err, "HDE-P006",
                       "%s: its symbol hde_plugin is not a plugin table: end the file with "
                       "HDE_PLUGIN(&your_operator);",
                       file->path);
    out->magic = words[0], out->abi = words[1], out->size = words[2], out->operator_size = words[3];
    if (out->abi != HDE_ABI)
        return err_set(err, "HDE-P007",
                       "%s: has plugin ABI %u, this runtime has %u: build the plugin again with "
                       "the headers of this version",
                       file->path, out->abi, HDE_ABI);
    if (out->size < NEEDED || out->size > symbol->st_size ||
        out->operator_size < offsetof(hde_operator, open))
        return err_set(err, "HDE-P008",
                       "%s: its plugin table has impossible sizes (table %u, operator %u bytes): "
                       "build the plugin again with the headers of this version",
                       file->path, out->size, out->operator_size);
    return true;
}

static bool
read_symbols(const struct file *file, struct elf_plugin *out, struct err *err)
{
    static const char schemas[] = "hde__";
    size_t n = count_symbols(file);
    bool found = false;

    for (size_t i = 1; i < n; i++) {
        const char *name;
        Sym symbol;

        if (!peek(file, file->dynamic.symbols + i * sizeof symbol, &symbol, sizeof symbol))
            return damaged(file, "symbols", err);
        name = name_of(file, &symbol);
        if (symbol.st_shndx == SHN_UNDEF || ST_BIND(symbol.st_info) == STB_LOCAL)
            continue;
        if (!strncmp(name, schemas, sizeof schemas - 1))
            return err_set(err, "HDE-P009",
                           "%s: brings its own copy of the schemas (symbol %s): link it with "
                           "libhde_schemas.so and do not compile the generated files into it",
                           file->path, name);
        if (!strcmp(name, "hde_plugin")) {
            found = true;
            if (!read_table(file, &symbol, out, err))
                return false;
        }
    }
    if (!found)
        return err_set(err, "HDE-P005",
                       "%s: exports no symbol hde_plugin: end the file with "
                       "HDE_PLUGIN(&your_operator); or move it off the plugin path",
                       file->path);
    return true;
}

static void
read_build_id(const struct file *file, struct elf_plugin *out)
{
    uint32_t head[3]; /* size of name, size of content, type */

    for (size_t i = 0; i < file->n_segments; i++) {
        const Phdr *segment = &file->segments[i];
        uint64_t at = 0, room = segment->p_type == PT_NOTE ? segment->p_filesz : 0;

        if (segment->p_offset > file->size || room > file->size - segment->p_offset)
            continue;
        while (at + sizeof head <= room) {
            const uint8_t *note = file->bytes + segment->p_offset + at;
            uint64_t content;

            memcpy(head, note, sizeof head);
            content = sizeof head + ((uint64_t)head[0] + 3) / 4 * 4;
            if (head[2] == NT_GNU_BUILD_ID && head[0] == 4 && content + head[1] <= room - at &&
                !memcmp(note + sizeof head, "GNU", 4)) {
                for (size_t j = 0; j < head[1] && j < 32; j++)
                    snprintf(out->build_id + 2 * j, 3, "%02x", note[content + j]);
                return;
            }
            at += content + ((uint64_t)head[1] + 3) / 4 * 4;
        }
    }
}

bool
elf_inspect(const char *path, struct elf_plugin *out, struct err *err)
{
    struct file file = {.path = path};
    bool ok;

    memset(out, 0, sizeof *out);
    ok = file_read(&file, err) && read_headers(&file, err) && read_dynamic(&file, err) &&
         read_symbols(&file, out, err);
    if (ok)
        read_build_id(&file, out);
    free(file.segments);
    free(file.bytes);
    return ok;
}
