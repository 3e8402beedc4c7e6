// SPDX-License-Identifier: Apache-2.0
/*
 * LD_PRELOAD: fails chosen calls of the C library with a chosen errno, below a folder or on internet sockets. What to
 * fail is in a file that is mapped and changed by the test while the process runs; see faults.ts for its words.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The order of CALLS in faults.ts. */
enum call {
    NONE, OPEN, READ, WRITE, FSYNC, RENAME, UNLINK, MKDIR, RMDIR, STAT, CLOSE, LIST, LINK, STATFS,
    SOCKET, CONNECT, RECEIVE, SEND, CLOSE_SOCKET, ACCEPT,
};

struct control {
    _Atomic int32_t call;
    _Atomic int32_t error; /* 0: half of the bytes, for calls that count them */
    _Atomic int32_t skip;
    _Atomic int32_t times;
    _Atomic int32_t hits;
    _Atomic int32_t seen; /* bit per call */
};

static struct control *control;
static const char *prefix;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("SPARSEWIRE_FAULTS");
    prefix = getenv("SPARSEWIRE_FAULTS_BELOW");
    if (!path || !prefix)
        return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (map != MAP_FAILED)
        control = map;
}

static int strike(enum call call)
{
    control->seen |= 1 << call;
    if (control->call != (int32_t)call || control->times <= 0)
        return 0;
    if (control->skip > 0) {
        control->skip--;
        return 0;
    }
    control->times--;
    control->hits++;
    errno = control->error;
    return 1;
}

static int strikes_path(enum call call, const char *path)
{
    return control && path && strncmp(path, prefix, strlen(prefix)) == 0 && strike(call);
}

static int is_internet(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (syscall(SYS_getsockname, fd, &address, &length) != 0)
        return 0;
    return address.ss_family == AF_INET || address.ss_family == AF_INET6;
}

/* A descriptor of a file below the folder, or of an internet socket: each has its own calls. */
static int strikes_fd(enum call of_file, enum call of_socket, int fd)
{
    if (!control || fd < 3)
        return 0;
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int before = errno;
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    errno = before;
    if (length <= 0)
        return 0;
    path[length] = 0;
    if (strncmp(path, "socket:", 7) == 0)
        return of_socket != NONE && is_internet(fd) && strike(of_socket);
    return of_file != NONE && strncmp(path, prefix, strlen(prefix)) == 0 && strike(of_file);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define PASS(name, ...)                              \
    ({                                               \
        static __typeof__(&name) real_##name;        \
        if (!real_##name)                            \
            real_##name = REAL(name);                \
        real_##name(__VA_ARGS__);                    \
    })

#define OPENS(name)                                                  \
    int name(const char *path, int flags, ...)                       \
    {                                                                \
        va_list more;                                                \
        va_start(more, flags);                                       \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more);                                                \
        return strikes_path(OPEN, path) ? -1 : PASS(name, path, flags, mode); \
    }
OPENS(open)
OPENS(open64)

/* Transfers fail, or stop half-way. */
#define MOVES(name, file, sock, parameters, arguments, half)         \
    ssize_t name parameters                                          \
    {                                                                \
        if (strikes_fd(file, sock, fd)) {                            \
            if (errno != 0)                                          \
                return -1;                                           \
            half;                                                    \
        }                                                            \
        return PASS(name, arguments);                                \
    }
#define LIST_ARGUMENTS(...) __VA_ARGS__
#define HALF (size = size > 1 ? size / 2 : size)
#define FEWER (count = count > 1 ? count - 1 : count)
MOVES(read, READ, RECEIVE, (int fd, void *at, size_t size), LIST_ARGUMENTS(fd, at, size), HALF)
MOVES(write, WRITE, SEND, (int fd, const void *at, size_t size), LIST_ARGUMENTS(fd, at, size), HALF)
MOVES(pread64, READ, NONE, (int fd, void *at, size_t size, off64_t offset), LIST_ARGUMENTS(fd, at, size, offset), HALF)
MOVES(pwrite64, WRITE, NONE, (int fd, const void *at, size_t size, off64_t offset), LIST_ARGUMENTS(fd, at, size, offset), HALF)
MOVES(readv, READ, RECEIVE, (int fd, const struct iovec *at, int count), LIST_ARGUMENTS(fd, at, count), FEWER)
MOVES(writev, WRITE, SEND, (int fd, const struct iovec *at, int count), LIST_ARGUMENTS(fd, at, count), FEWER)
MOVES(recv, NONE, RECEIVE, (int fd, void *at, size_t size, int flags), LIST_ARGUMENTS(fd, at, size, flags), HALF)
MOVES(send, NONE, SEND, (int fd, const void *at, size_t size, int flags), LIST_ARGUMENTS(fd, at, size, flags), HALF)
MOVES(recvmsg, NONE, RECEIVE, (int fd, struct msghdr *at, int flags), LIST_ARGUMENTS(fd, at, flags), )
MOVES(sendmsg, NONE, SEND, (int fd, const struct msghdr *at, int flags), LIST_ARGUMENTS(fd, at, flags), )

#define FAILS_FD(name, file, sock, parameters, arguments) \
    int name parameters { return strikes_fd(file, sock, fd) ? -1 : PASS(name, arguments); }
FAILS_FD(fsync, FSYNC, NONE, (int fd), fd)
FAILS_FD(fdatasync, FSYNC, NONE, (int fd), fd)
FAILS_FD(connect, NONE, CONNECT, (int fd, const struct sockaddr *to, socklen_t size), LIST_ARGUMENTS(fd, to, size))
FAILS_FD(accept4, NONE, ACCEPT, (int fd, struct sockaddr *from, socklen_t *size, int flags), LIST_ARGUMENTS(fd, from, size, flags))
FAILS_FD(accept, NONE, ACCEPT, (int fd, struct sockaddr *from, socklen_t *size), LIST_ARGUMENTS(fd, from, size))

#define FAILS_PATH(name, call, parameters, arguments) \
    int name parameters { return strikes_path(call, path) ? -1 : PASS(name, arguments); }
FAILS_PATH(rename, RENAME, (const char *path, const char *to), LIST_ARGUMENTS(path, to))
FAILS_PATH(unlink, UNLINK, (const char *path), path)
FAILS_PATH(link, LINK, (const char *path, const char *to), LIST_ARGUMENTS(path, to))
FAILS_PATH(mkdir, MKDIR, (const char *path, mode_t mode), LIST_ARGUMENTS(path, mode))
FAILS_PATH(rmdir, RMDIR, (const char *path), path)

FAILS_PATH(statfs64, STATFS, (const char *path, struct statfs64 *at), LIST_ARGUMENTS(path, at))

int scandir64(const char *path, struct dirent64 ***list, int (*filter)(const struct dirent64 *),
              int (*compare)(const struct dirent64 **, const struct dirent64 **))
{
    return strikes_path(LIST, path) ? -1 : PASS(scandir64, path, list, filter, compare);
}

int socket(int family, int type, int protocol)
{
    if (control && (family == AF_INET || family == AF_INET6) && strike(SOCKET))
        return -1;
    return PASS(socket, family, type, protocol);
}

/* The descriptor is gone whatever close(2) says. */
static int closes(int fd)
{
    if (!strikes_fd(CLOSE, CLOSE_SOCKET, fd))
        return (int)PASS(syscall, SYS_close, fd, 0, 0, 0, 0, 0);
    int error = errno;
    PASS(syscall, SYS_close, fd, 0, 0, 0, 0, 0);
    errno = error;
    return error == 0 ? 0 : -1;
}

int close(int fd)
{
    return closes(fd);
}

/* libuv closes and asks for metadata by number. */
long syscall(long number, ...)
{
    va_list more;
    va_start(more, number);
    long a = va_arg(more, long), b = va_arg(more, long), c = va_arg(more, long);
    long d = va_arg(more, long), e = va_arg(more, long), f = va_arg(more, long);
    va_end(more);
    if (control && number == SYS_close)
        return closes((int)a);
    if (control && number == SYS_statx) {
        const char *path = (const char *)b;
        if (path && path[0] ? strikes_path(STAT, path) : strikes_fd(STAT, NONE, (int)a))
            return -1;
    }
    return PASS(syscall, number, a, b, c, d, e, f);
}
