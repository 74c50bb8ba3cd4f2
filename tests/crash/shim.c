/* A disk that fails on demand: LD_PRELOAD of one process, steered from outside through a page.
 *
 * HOUSECARL_FAULTS is a file of one struct page, HOUSECARL_SCOPE a folder. Every call that writes,
 * syncs, names or cuts something below that folder is counted; the calls from `first` to `last` get
 * `error`, and each call waits `delay` microseconds before it. With `reads` reading counts too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

struct page {
    long count, failed, first, last, error, delay, reads;
};

static volatile struct page *page;
static const char *scope;

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("HOUSECARL_FAULTS");
    int (*plain)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    scope = getenv("HOUSECARL_SCOPE");
    if (!file || !scope)
        return;
    int fd = plain(file, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *there = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (there != MAP_FAILED)
        page = there;
}

static int below(const char *path) {
    return strncmp(path, scope, strlen(scope)) == 0;
}

/* 1 when the call shall fail; errno is set then. */
static int strike(void) {
    long n = __sync_add_and_fetch(&page->count, 1);
    if (page->delay)
        usleep(page->delay);
    if (page->first == 0 || n < page->first || n > page->last)
        return 0;
    __sync_add_and_fetch(&page->failed, 1);
    errno = (int)page->error;
    return 1;
}

static int path_fails(const char *path) {
    return page && below(path) && strike();
}

static int fd_fails(int fd) {
    char link[48], path[4096];
    if (!page)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return below(path) && strike();
}

#define FAIL(type, name, args, given, test)                 \
    type name args {                                        \
        static type(*real) args;                            \
        if (!real)                                          \
            real = (type(*) args)dlsym(RTLD_NEXT, #name);   \
        return (test) ? -1 : real given;                    \
    }

FAIL(int, fsync, (int fd), (fd), fd_fails(fd))
FAIL(int, fdatasync, (int fd), (fd), fd_fails(fd))
FAIL(int, syncfs, (int fd), (fd), fd_fails(fd))
FAIL(int, ftruncate, (int fd, off_t length), (fd, length), fd_fails(fd))
FAIL(int, ftruncate64, (int fd, off_t length), (fd, length), fd_fails(fd))
FAIL(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size), fd_fails(fd))
FAIL(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at), fd_fails(fd))
FAIL(ssize_t, pwrite64, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at), fd_fails(fd))
FAIL(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size), page && page->reads && fd_fails(fd))
FAIL(ssize_t, pread, (int fd, void *data, size_t size, off_t at), (fd, data, size, at), page && page->reads && fd_fails(fd))
FAIL(ssize_t, pread64, (int fd, void *data, size_t size, off_t at), (fd, data, size, at), page && page->reads && fd_fails(fd))
FAIL(int, rename, (const char *here, const char *there), (here, there), path_fails(there))
FAIL(int, unlink, (const char *path), (path), path_fails(path))
FAIL(int, mkdir, (const char *path, mode_t mode), (path, mode), path_fails(path))

#define OPEN(name)                                                   \
    int name(const char *path, int flags, ...) {                     \
        static int (*real)(const char *, int, ...);                  \
        va_list rest;                                                \
        va_start(rest, flags);                                       \
        mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                \
        if (!real)                                                   \
            real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name); \
        if ((flags & O_CREAT || (page && page->reads)) && path_fails(path)) \
            return -1;                                               \
        return real(path, flags, mode);                              \
    }

OPEN(open)
OPEN(open64)
