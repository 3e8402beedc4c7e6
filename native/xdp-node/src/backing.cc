// Gives a range of lent memory better pages than it came with.
#include <fcntl.h>
#include <napi.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/memfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <vector>

#include "addon.h"
#include "error.h"
#include "kernel.h"
#include "memory.h"

namespace xdp {

constexpr size_t kHugePage = size_t{2} << 20;

// Faults every page in, so that what is measured afterwards is what the kernel will pin.
static void Populate(const Range& range) {
  if (madvise(range.start, range.size, MADV_POPULATE_WRITE) == 0) return;
  for (size_t at = 0; at < range.size; at += PageSize()) {
    const_cast<volatile uint8_t*>(range.start)[at] = 0;
  }
}

// A memfd of the range's size, or -1 with errno.
static int NewMemfd(size_t size, unsigned flags) {
  int fd = static_cast<int>(syscall(SYS_memfd_create, "xdp-node-frames", MFD_CLOEXEC | flags));
  if (fd < 0) return -1;
  if (ftruncate(fd, static_cast<off_t>(size)) != 0) {
    int err = errno;
    close(fd);
    errno = err;
    return -1;
  }
  return fd;
}

// Maps over the range; fd < 0 is anonymous memory. False with errno when there are no such pages.
static bool MapOver(const Range& range, int fd, bool hugetlb) {
  int flags = MAP_FIXED | (fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS);
  if (hugetlb && fd < 0) flags |= MAP_HUGETLB;
  return mmap(range.start, range.size, PROT_READ | PROT_WRITE, flags, fd, 0) != MAP_FAILED;
}

// Huge pages of the pool are reserved by mmap: it fails here, not later by a fault that nobody can catch.
static bool BackByPool(const Range& range, bool memfd, int* fd) {
  bool aligned = reinterpret_cast<uintptr_t>(range.start) % kHugePage == 0 && range.size % kHugePage == 0;
  if (!aligned) return false;
  if (memfd && (*fd = NewMemfd(range.size, MFD_HUGETLB)) < 0) return false;
  if (MapOver(range, *fd, true)) return true;
  if (*fd >= 0) close(*fd);
  *fd = -1;
  // A failed MAP_FIXED may already have taken away what was there.
  RestorePlain(range);
  return false;
}

// backMemory(bytes, offset, size, hugePages, memfd): {pool, memfd}: whether the huge page pool gave the
// pages, and the descriptor (-1 without memfd).
static Napi::Value BackMemory(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  constexpr int64_t kMost = int64_t{1} << 40;
  Range range = CheckedRange(env, info[0], IntegerArgument(info, 1, "offset", 0, kMost),
                             IntegerArgument(info, 2, "size", 1, kMost), PageSize(), "range");
  if (range.size % PageSize() != 0) FailArgument(env, "the size must be a multiple of the page size");
  bool huge = info[3].ToBoolean();
  bool memfd = info[4].ToBoolean();
  int fd = -1;
  bool pool = huge && BackByPool(range, memfd, &fd);
  if (!pool) {
    if (memfd && (fd = NewMemfd(range.size, 0)) < 0) Fail(env, "back", "memfd_create", errno);
    if (!MapOver(range, fd, false)) {
      int err = errno;
      if (fd >= 0) close(fd);
      RestorePlain(range);
      Fail(env, "back", "mmap", err);
    }
    if (huge) madvise(range.start, range.size, MADV_HUGEPAGE);
  }
  Populate(range);
  // Pages of a memfd are huge by themselves only where the host's settings say so; this asks for these pages alone
  // (Linux 6.1). Where it cannot be done they stay small: slower, not wrong.
  if (huge && memfd && !pool) madvise(range.start, range.size, MADV_COLLAPSE);
  Napi::Object result = Napi::Object::New(env);
  result.Set("pool", Napi::Boolean::New(env, pool));
  result.Set("memfd", fd);
  return result;
}

// Opens the file without CAP_SYS_ADMIN, whoever we are: with it the descriptor would tell physical addresses for ever.
static int OpenPagemap() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct now[2] = {}, less[2] = {};
  bool known = syscall(SYS_capget, &header, now) == 0;
  memcpy(less, now, sizeof(now));
  less[CAP_SYS_ADMIN / 32].effective &= ~(1u << (CAP_SYS_ADMIN % 32));
  bool lowered = known && syscall(SYS_capset, &header, less) == 0;
  int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), err = errno;
  if (lowered) syscall(SYS_capset, &header, now);
  errno = err;
  return fd;
}

// The process's page map, open from the first time it is asked for: once a process gives up core dumps its /proc/self is
// root's, and one that is not root could not open it any more. -1 with errno.
static int Pagemap() {
  static std::mutex lock;
  static int fd = -1;
  std::lock_guard<std::mutex> held(lock);
  if (fd < 0) fd = OpenPagemap();
  return fd;
}

// mapPrivately(bytes, offset, size, fd, fdOffset): maps the file's pages over the range, copied on write: what the
// file's other mappings store is seen here until this one stores into the same page; that store is seen nowhere else.
static void MapPrivately(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  constexpr int64_t kMost = int64_t{1} << 40;
  Range range = CheckedRange(env, info[0], IntegerArgument(info, 1, "offset", 0, kMost),
                             IntegerArgument(info, 2, "size", 1, kMost), PageSize(), "range");
  int fd = static_cast<int>(IntegerArgument(info, 3, "fd", 0, INT32_MAX));
  off_t at = static_cast<off_t>(IntegerArgument(info, 4, "fdOffset", 0, kMost));
  if (range.size % PageSize() != 0) FailArgument(env, "the size must be a multiple of the page size");
  // A page beyond the end of the file would be a bus error when it is touched.
  off_t end = lseek(fd, 0, SEEK_END);
  if (end < 0) Fail(env, "map", "lseek", errno);
  if (at > end || static_cast<off_t>(range.size) > end - at) FailArgument(env, "the range leaves the file");
  Pagemap();  // where it cannot be opened, privateBytes() will say so
  int flags = MAP_FIXED | MAP_PRIVATE;
  if (mmap(range.start, range.size, PROT_READ | PROT_WRITE, flags, fd, at) != MAP_FAILED) return;
  int err = errno;
  RestorePlain(range);
  Fail(env, "map", "mmap", err);
}

// Pages of the range that are this process's own: stored into since they were mapped. -1 with errno.
static int64_t PrivatePages(const Range& range) {
  constexpr uint64_t kPresent = uint64_t{1} << 63, kSwapped = uint64_t{1} << 62, kOfFile = uint64_t{1} << 61;
  int fd = Pagemap();
  if (fd < 0) return -1;
  std::vector<uint64_t> entries(8192);
  size_t page = reinterpret_cast<uintptr_t>(range.start) / PageSize(), left = range.size / PageSize();
  int64_t found = 0;
  while (left > 0) {
    size_t wanted = std::min(left, entries.size()) * sizeof(uint64_t);
    ssize_t got = pread(fd, entries.data(), wanted, static_cast<off_t>(page * sizeof(uint64_t)));
    if (got <= 0) break;
    size_t n = static_cast<size_t>(got) / sizeof(uint64_t);
    for (size_t i = 0; i < n; i++) found += (entries[i] & (kPresent | kSwapped)) != 0 && !(entries[i] & kOfFile);
    page += n;
    left -= n;
  }
  return left == 0 ? found : -1;
}

// privateBytes(bytes, offset, size, drop): bytes of the range that were stored into since it was mapped; drop: they are
// forgotten, so that the range shows the file again (of anonymous memory: zeros).
static Napi::Value PrivateBytes(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  constexpr int64_t kMost = int64_t{1} << 40;
  Range range = CheckedRange(env, info[0], IntegerArgument(info, 1, "offset", 0, kMost),
                             IntegerArgument(info, 2, "size", 1, kMost), PageSize(), "range");
  int64_t pages = PrivatePages(range);
  if (pages < 0) Fail(env, "map", "pread", errno);
  if (pages > 0 && info[3].ToBoolean() && madvise(range.start, range.size, MADV_DONTNEED) != 0) {
    Fail(env, "map", "madvise", errno);
  }
  return Napi::Number::New(env, static_cast<double>(pages) * static_cast<double>(PageSize()));
}

void InitBacking(Napi::Env env, Napi::Object exports) {
  exports.Set("backMemory", Napi::Function::New(env, BackMemory, "backMemory"));
  exports.Set("mapPrivately", Napi::Function::New(env, MapPrivately, "mapPrivately"));
  exports.Set("privateBytes", Napi::Function::New(env, PrivateBytes, "privateBytes"));
}

}  // namespace xdp
