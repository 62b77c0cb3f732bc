/* Loaded before libc (LD_PRELOAD): fails the Nth write, sync or rename under given folders, on purpose.
 *
 *   IO_FAULT_UNDER  the folders, with ':' between them; calls on other files pass
 *   IO_FAULT_LOG    a file that gets a line "N CALL PATH" per call that counts
 *   IO_FAULT        "N=eio" the Nth fails; "N=enospc" it and all later ones fail; "N=short" it writes a part
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int counted;

static int Counts(const char* path) {
  const char* folders = getenv("IO_FAULT_UNDER");
  while (folders != NULL && *folders != '\0') {
    const size_t length = strcspn(folders, ":");
    if (length > 0 && strncmp(path, folders, length) == 0 && path[length] == '/') return 1;
    folders += length;
    if (*folders == ':') ++folders;
  }
  return 0;
}

enum Fault { kNone, kFails, kShort };

static enum Fault Pass(const char* call, const char* path) {
  if (!Counts(path)) return kNone;
  pthread_mutex_lock(&mutex);
  const int number = ++counted;
  const char* log = getenv("IO_FAULT_LOG");
  if (log != NULL) {
    char line[PATH_MAX + 64];
    const int size = snprintf(line, sizeof line, "%d %s %s\n", number, call, path);
    const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || syscall(SYS_write, fd, line, (size_t)size) != size) abort();
    syscall(SYS_close, fd);
  }
  pthread_mutex_unlock(&mutex);
  const char* fault = getenv("IO_FAULT");
  if (fault == NULL) return kNone;
  const int at = atoi(fault);
  const char* kind = strchr(fault, '=');
  if (at <= 0 || kind == NULL) abort();
  if (strcmp(kind, "=enospc") == 0 && number >= at) {
    errno = ENOSPC;
    return kFails;
  }
  if (number != at) return kNone;
  if (strcmp(kind, "=short") == 0) return kShort;
  errno = EIO;
  return kFails;
}

static enum Fault PassFd(const char* call, int fd) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return kNone;
  path[length] = '\0';
  return Pass(call, path);
}

static size_t Part(enum Fault fault, size_t size) { return fault == kShort && size > 1 ? size / 2 : size; }

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void* bytes, size_t size) {
  const enum Fault fault = PassFd("write", fd);
  return fault == kFails ? -1 : NEXT(write)(fd, bytes, Part(fault, size));
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  const enum Fault fault = PassFd("pwrite", fd);
  return fault == kFails ? -1 : NEXT(pwrite)(fd, bytes, Part(fault, size), at);
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) {
  const enum Fault fault = PassFd("pwrite", fd);
  return fault == kFails ? -1 : NEXT(pwrite64)(fd, bytes, Part(fault, size), at);
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  const enum Fault fault = PassFd("writev", fd);
  return fault == kFails ? -1 : NEXT(writev)(fd, parts, fault == kShort ? 1 : count);
}

int fsync(int fd) { return PassFd("fsync", fd) == kFails ? -1 : NEXT(fsync)(fd); }
int fdatasync(int fd) { return PassFd("fdatasync", fd) == kFails ? -1 : NEXT(fdatasync)(fd); }
int ftruncate(int fd, off_t size) { return PassFd("ftruncate", fd) == kFails ? -1 : NEXT(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { return PassFd("ftruncate", fd) == kFails ? -1 : NEXT(ftruncate64)(fd, size); }

int rename(const char* from, const char* to) { return Pass("rename", to) == kFails ? -1 : NEXT(rename)(from, to); }

int renameat(int from_folder, const char* from, int to_folder, const char* to) {
  const enum Fault fault = to[0] == '/' ? Pass("rename", to) : PassFd("rename", to_folder);
  return fault == kFails ? -1 : NEXT(renameat)(from_folder, from, to_folder, to);
}
