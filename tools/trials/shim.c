/* Loaded before the C library (LD_PRELOAD): calls that write below chosen folders are counted, and one of them, or all
 * from one on, fail as on a full or broken disk; calls that reach for the network are noted.
 *
 * Calls inside of the C library are not seen, so that buffered files (fopen, fwrite, fclose) are looked at by themselves.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FOLDERS = 4, FILES = 4096 };

static char folders[FOLDERS][PATH_MAX];
static int folder_count, error_number, stays, note = -1;
static long wanted;
static atomic_long seen;
static atomic_int armed;
static char dirty[FILES]; /* whether something was written to a descriptor since it was opened */

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void say(int file, const char *word, const char *call, const char *path) {
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%s %s %s\n", word, call, path);
    if (file >= 0) syscall(SYS_write, file, line, length < (int)sizeof line ? length : (int)sizeof line - 1);
}

/* Begin to count. folders: split by ':'; number: of the call that fails, from 0, -1 for none; error: its errno;
 * lasts: 1 when from then on whatever takes space fails; log: a descriptor for a line of every call, or -1. */
void shim_arm(const char *under, long number, int error, int lasts, int log) {
    char copy[FOLDERS * PATH_MAX], *rest = copy, *part;
    snprintf(copy, sizeof copy, "%s", under);
    folder_count = 0;
    while ((part = strsep(&rest, ":")) && folder_count < FOLDERS) snprintf(folders[folder_count++], PATH_MAX, "%s", part);
    wanted = number, error_number = error, stays = lasts, note = log;
    atomic_store(&seen, 0);
    atomic_store(&armed, 1);
}

static int below(const char *path) {
    for (int i = 0; i < folder_count; i++) {
        size_t length = strlen(folders[i]);
        if (!strncmp(path, folders[i], length) && (path[length] == '/' || !path[length])) return 1;
    }
    return 0;
}

/* 0: the call goes on; 1: it fails, errno is set; 2: the first to fail where the disk stays full. */
static int fails(const char *call, const char *path, int takes_space) {
    if (!below(path)) return 0;
    long number = atomic_fetch_add(&seen, 1);
    say(note, number == wanted ? "FAILED" : "call", call, path);
    if (wanted < 0 || number < wanted || (number > wanted && !(stays && takes_space))) return 0;
    errno = error_number;
    return number == wanted && stays ? 2 : 1;
}

static int of_path(const char *call, int folder, const char *path, int takes_space) {
    char whole[2 * PATH_MAX + 2] = "", place[64];
    if (!atomic_load(&armed) || !path) return 0;
    if (path[0] == '/') return fails(call, path, takes_space);
    if (folder == AT_FDCWD) snprintf(place, sizeof place, "/proc/self/cwd");
    else snprintf(place, sizeof place, "/proc/self/fd/%d", folder);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, place, whole, PATH_MAX);
    if (length < 0) return 0;
    snprintf(whole + length, sizeof whole - length, "/%s", path);
    return fails(call, whole, takes_space);
}

static int of_file(const char *call, int file, int takes_space) {
    char place[64], path[PATH_MAX];
    if (!atomic_load(&armed) || file < 0) return 0;
    int before = errno;
    snprintf(place, sizeof place, "/proc/self/fd/%d", file);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, place, path, sizeof path - 1);
    errno = before;
    if (length <= 0 || path[0] != '/') return 0;
    path[length] = 0;
    return fails(call, path, takes_space);
}

static void wrote(int file) { if (file >= 0 && file < FILES) dirty[file] = 1; }

#define OF_FILE(type, name, parameters, arguments, file) \
    type name parameters { REAL(name); if (of_file(#name, file, 1)) return -1; wrote(file); return real arguments; }

/* What a full disk takes half of. */
ssize_t write(int file, const void *data, size_t count) {
    REAL(write);
    int failing = of_file("write", file, 1);
    if (failing == 2 && count > 1) return real(file, data, count / 2);
    if (failing) return -1;
    wrote(file);
    return real(file, data, count);
}
OF_FILE(ssize_t, pwrite, (int file, const void *data, size_t count, off_t at), (file, data, count, at), file)
OF_FILE(ssize_t, pwrite64, (int file, const void *data, size_t count, off64_t at), (file, data, count, at), file)
OF_FILE(ssize_t, writev, (int file, const struct iovec *data, int count), (file, data, count), file)
OF_FILE(ssize_t, pwritev, (int file, const struct iovec *data, int count, off_t at), (file, data, count, at), file)
OF_FILE(ssize_t, pwritev64, (int file, const struct iovec *data, int count, off64_t at), (file, data, count, at), file)
OF_FILE(ssize_t, sendfile, (int file, int from, off_t *at, size_t count), (file, from, at, count), file)
OF_FILE(ssize_t, sendfile64, (int file, int from, off64_t *at, size_t count), (file, from, at, count), file)
OF_FILE(ssize_t, copy_file_range, (int from, off64_t *a, int file, off64_t *b, size_t count, unsigned flags), (from, a, file, b, count, flags), file)
OF_FILE(int, ftruncate, (int file, off_t size), (file, size), file)
OF_FILE(int, ftruncate64, (int file, off64_t size), (file, size), file)
OF_FILE(int, fallocate, (int file, int mode, off_t at, off_t size), (file, mode, at, size), file)
OF_FILE(int, fallocate64, (int file, int mode, off64_t at, off64_t size), (file, mode, at, size), file)

/* These two return the number of the error. */
int posix_fallocate(int file, off_t at, off_t size) { REAL(posix_fallocate); return of_file("posix_fallocate", file, 1) ? errno : real(file, at, size); }
int posix_fallocate64(int file, off64_t at, off64_t size) { REAL(posix_fallocate64); return of_file("posix_fallocate", file, 1) ? errno : real(file, at, size); }

int fsync(int file) { REAL(fsync); return of_file("fsync", file, 0) ? -1 : real(file); }
int fdatasync(int file) { REAL(fdatasync); return of_file("fdatasync", file, 0) ? -1 : real(file); }

int close(int file) {
    REAL(close);
    int failing = file >= 0 && file < FILES && dirty[file] && of_file("close", file, 0), number = errno;
    if (file >= 0 && file < FILES) dirty[file] = 0;
    int result = real(file);
    if (failing) errno = number;
    return failing ? -1 : result;
}

#define CREATES(flags) ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE)
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list more; va_start(more, flags); mode_t mode = CREATES(flags) ? va_arg(more, mode_t) : 0; va_end(more); \
        return CREATES(flags) && of_path("open", AT_FDCWD, path, 1) ? -1 : real(path, flags, mode); }
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        REAL(name); \
        va_list more; va_start(more, flags); mode_t mode = CREATES(flags) ? va_arg(more, mode_t) : 0; va_end(more); \
        return CREATES(flags) && of_path("open", folder, path, 1) ? -1 : real(folder, path, flags, mode); }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name) \
    FILE *name(const char *path, const char *mode) { \
        REAL(name); \
        return strpbrk(mode, "wa") && of_path("fopen", AT_FDCWD, path, 1) ? NULL : real(path, mode); }
FOPEN(fopen)
FOPEN(fopen64)
size_t fwrite(const void *data, size_t size, size_t count, FILE *file) {
    REAL(fwrite);
    if (atomic_load(&armed) && of_file("fwrite", fileno(file), 1)) return 0;
    return real(data, size, count, file);
}
int fclose(FILE *file) {
    REAL(fclose);
    int number = fileno(file), flags = fcntl(number, F_GETFL);
    int failing = flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && of_file("fclose", number, 1), why = errno;
    int result = real(file);
    if (failing) errno = why;
    return failing ? EOF : result;
}

int mkdir(const char *path, mode_t mode) { REAL(mkdir); return of_path("mkdir", AT_FDCWD, path, 1) ? -1 : real(path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) { REAL(mkdirat); return of_path("mkdir", folder, path, 1) ? -1 : real(folder, path, mode); }
int rename(const char *from, const char *to) { REAL(rename); return of_path("rename", AT_FDCWD, to, 0) ? -1 : real(from, to); }
int renameat(int a, const char *from, int b, const char *to) { REAL(renameat); return of_path("rename", b, to, 0) ? -1 : real(a, from, b, to); }
int link(const char *from, const char *to) { REAL(link); return of_path("link", AT_FDCWD, to, 1) ? -1 : real(from, to); }
int symlink(const char *from, const char *to) { REAL(symlink); return of_path("symlink", AT_FDCWD, to, 1) ? -1 : real(from, to); }

/* The network: a line for every attempt, in the file that SHIM_NETWORK names. */
static void reached(const char *call, const char *where) {
    const char *path = getenv("SHIM_NETWORK");
    int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    say(file, "network", call, where);
    if (file >= 0) syscall(SYS_close, file);
}
int connect(int file, const struct sockaddr *address, socklen_t size) {
    REAL(connect);
    if (address && address->sa_family != AF_UNIX && address->sa_family != AF_NETLINK) reached("connect", "");
    return real(file, address, size);
}
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    REAL(getaddrinfo);
    reached("getaddrinfo", node ? node : "");
    return real(node, service, hints, found);
}
