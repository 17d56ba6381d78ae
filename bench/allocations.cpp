// SPDX-License-Identifier: MIT
#include "allocations.h"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

static std::atomic<int64_t> calls;

int64_t bench::allocations()
{
    return calls.load(std::memory_order_relaxed);
}

#if !defined(__GLIBC__) || defined(SANITIZED)

bool bench::allocations_counted()
{
    return false;
}

#else

bool bench::allocations_counted()
{
    return true;
}

static void count()
{
    calls.fetch_add(1, std::memory_order_relaxed);
}

extern "C" {

// glibc's own functions, under the names that it has for replacements such as these.
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t number, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) noexcept
{
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) noexcept
{
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) noexcept
{
    count();
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) noexcept
{
    count();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) noexcept
{
    count();
    void *allocated = __libc_memalign(alignment, size);
    if (!allocated)
        return ENOMEM;
    *block = allocated;
    return 0;
}
}

#endif
