/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE

#include "interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <groupnorm.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uintptr_t library_first, library_end;
static _Thread_local bool armed;
static _Thread_local int failing_call;
static _Thread_local struct interposed seen;
static atomic_int live;

static int find_library(struct dl_phdr_info *info, size_t size, void *inside)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const uintptr_t first = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        const uintptr_t end = first + info->dlpi_phdr[i].p_memsz;
        const uintptr_t address = (uintptr_t)inside;
        if (info->dlpi_phdr[i].p_type == PT_LOAD && address >= first && address < end) {
            library_first = first;
            library_end = end;
            return 1;
        }
    }
    return 0;
}

bool interpose_start(void)
{
    /* The function's address inside the library, not the address of a stub in this program. */
    void *inside = dlsym(RTLD_NEXT, "gn_version");
    /* Volatile, because the compiler would inline a direct call, which would then miss valgrind's
     * replacement of malloc. */
    void *(*volatile allocate_one)(size_t) = malloc;

    if (!inside || dl_iterate_phdr(find_library, inside) != 1)
        return false;
    interpose_arm(0);
    free(allocate_one(1));
    return interpose_disarm().by_all == 1;
}

void interpose_arm(int failing)
{
    seen = (struct interposed){0};
    failing_call = failing;
    armed = true;
}

struct interposed interpose_disarm(void)
{
    armed = false;
    return seen;
}

int interpose_live(void)
{
    return atomic_load(&live);
}

/* A sanitizer defines these functions itself, and a second definition is an error. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

#ifndef SANITIZED

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);
void *memalign(size_t alignment, size_t size);

/* The blocks that the library has allocated and not freed. */
enum { MOST_LIVE = 4096 };
static _Atomic(void *) held[MOST_LIVE];

static void hold(void *block)
{
    for (int i = 0; block && i < MOST_LIVE; i++) {
        void *empty = NULL;
        if (atomic_compare_exchange_strong(&held[i], &empty, block)) {
            atomic_fetch_add(&live, 1);
            return;
        }
    }
}

static void release(void *block)
{
    for (int i = 0; block && atomic_load(&live) > 0 && i < MOST_LIVE; i++) {
        void *expected = block;
        if (atomic_compare_exchange_strong(&held[i], &expected, NULL)) {
            atomic_fetch_sub(&live, 1);
            return;
        }
    }
}

/* Counts an allocation, whose return address is `caller`. Returns whether it must fail. */
static bool fails(const void *caller, bool *by_library)
{
    const uintptr_t address = (uintptr_t)caller;

    *by_library = address >= library_first && address < library_end;
    if (!armed)
        return false;
    seen.by_all++;
    if (!*by_library || ++seen.by_library != failing_call)
        return false;
    seen.failed++;
    return true;
}

static void *allocate(const void *caller, size_t alignment, size_t size)
{
    bool by_library;

    if (fails(caller, &by_library)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = alignment ? __libc_memalign(alignment, size) : __libc_malloc(size);
    if (by_library)
        hold(block);
    return block;
}

void *malloc(size_t size)
{
    return allocate(__builtin_return_address(0), 0, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return allocate(__builtin_return_address(0), alignment, size);
}

void *memalign(size_t alignment, size_t size)
{
    return allocate(__builtin_return_address(0), alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    void *allocated = allocate(__builtin_return_address(0), alignment, size);

    if (!allocated)
        return ENOMEM;
    *block = allocated;
    return 0;
}

void *calloc(size_t count, size_t size)
{
    bool by_library;

    if (fails(__builtin_return_address(0), &by_library)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = __libc_calloc(count, size);
    if (by_library)
        hold(block);
    return block;
}

void *realloc(void *old, size_t size)
{
    bool by_library;

    if (fails(__builtin_return_address(0), &by_library)) {
        errno = ENOMEM;
        return NULL;
    }
    release(old);
    void *block = __libc_realloc(old, size);
    if (by_library)
        hold(block);
    return block;
}

void free(void *block)
{
    release(block);
    __libc_free(block);
}

#endif /* SANITIZED */
