// Preloaded into a program with glibc: counts what it asks of the allocator, and tells it at its end on standard error.
#include <stdatomic.h>
#include <stdio.h>
#include <stddef.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static atomic_ulong calls, bytes;

static void count(size_t size) {
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&bytes, size, memory_order_relaxed);
}

void *malloc(size_t size) {
    count(size);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count(number * size);
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
    count(size);
    return __libc_realloc(old, size);
}

__attribute__((destructor)) static void tell(void) {
    fprintf(stderr, "allocations %lu %lu\n", atomic_load(&calls), atomic_load(&bytes));
}
