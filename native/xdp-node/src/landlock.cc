// Landlock: from the call on, the process reaches only the files and ports it was told. The kernel's own
// header is older than what newer kernels offer (Debian 12: ABI 2), so the constants are written out here.
// Source: linux/landlock.h, Documentation/userspace-api/landlock.rst.
#include <fcntl.h>
#include <napi.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>

#include "addon.h"
#include "error.h"
#include "every_thread.h"

namespace xdp {

namespace {

struct RulesetAttr {
  uint64_t handled_fs;
  uint64_t handled_net;
  uint64_t scoped;
};

struct PathAttr {
  uint64_t allowed;
  int32_t parent_fd;
} __attribute__((packed));

constexpr uint32_t kCreateVersion = 1;
constexpr int kRulePath = 1;
constexpr uint32_t kRestrictAllThreads = 1u << 3;

constexpr uint64_t kExecute = 1 << 0;
constexpr uint64_t kWriteFile = 1 << 1;
constexpr uint64_t kReadFile = 1 << 2;
constexpr uint64_t kReadDir = 1 << 3;
constexpr uint64_t kRemoveDir = 1 << 4;
constexpr uint64_t kRemoveFile = 1 << 5;
constexpr uint64_t kMakeDir = 1 << 7;
constexpr uint64_t kMakeReg = 1 << 8;
constexpr uint64_t kRefer = 1 << 13;
constexpr uint64_t kTruncate = 1 << 14;
constexpr uint64_t kIoctlDevice = 1 << 15;
constexpr uint64_t kOfFiles = kExecute | kWriteFile | kReadFile | kTruncate | kIoctlDevice;

constexpr uint64_t kBindTcp = 1 << 0;
constexpr uint64_t kConnectTcp = 1 << 1;
constexpr uint64_t kScopeAbstractSocket = 1 << 0;

// Bits 0 to 12 came with ABI 1; each right after with the ABI given.
constexpr uint64_t kFsBase = (1 << 13) - 1;
constexpr int kAbiRefer = 2;
constexpr int kAbiTruncate = 3;
constexpr int kAbiNet = 4;
constexpr int kAbiIoctl = 5;
constexpr int kAbiScope = 6;
constexpr int kAbiAllThreads = 8;

std::atomic<int> ruleset{-1};

int Abi() {
  long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, kCreateVersion);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

uint64_t FsRights(int abi) {
  return kFsBase | (abi >= kAbiRefer ? kRefer : 0) | (abi >= kAbiTruncate ? kTruncate : 0) |
         (abi >= kAbiIoctl ? kIoctlDevice : 0);
}

// Async-signal-safe: system calls only.
int RestrictHere() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  return syscall(SYS_landlock_restrict_self, ruleset.load(), 0) == 0 ? 0 : errno;
}

// Whether the path is there to be allowed. One that is not gets no rule: what appears later stays out of reach.
bool Allow(Napi::Env env, int fd, const std::string& path, uint64_t rights) {
  int parent = open(path.c_str(), O_PATH | O_CLOEXEC);
  if (parent < 0) return false;
  struct stat about;
  if (fstat(parent, &about) == 0 && !S_ISDIR(about.st_mode)) rights &= kOfFiles;
  PathAttr rule = {rights, parent};
  long result = syscall(SYS_landlock_add_rule, fd, kRulePath, &rule, 0);
  int err = errno;
  close(parent);
  if (result != 0) Fail(env, "landlock", "landlock_add_rule", err, path);
  return true;
}

void AllowAll(Napi::Env env, int fd, Napi::Value paths, uint64_t rights, Napi::Array missing) {
  if (!paths.IsArray()) FailArgument(env, "paths must be an array");
  Napi::Array list = paths.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    std::string path = list.Get(i).ToString().Utf8Value();
    if (!Allow(env, fd, path, rights)) missing.Set(missing.Length(), path);
  }
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// restrictFiles({read: [path], write: [path], unlink: [path], tcpBind, tcpConnect, abstractSockets}):
// {abi, missing}. Whether TCP and abstract sockets stay free are booleans. ABI 0: nothing was done.
Napi::Value RestrictFiles(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsObject()) FailArgument(env, "rules must be an object");
  Napi::Object rules = info[0].As<Napi::Object>();
  const int abi = Abi();
  Napi::Array missing = Napi::Array::New(env);
  Napi::Object result = Napi::Object::New(env);
  result.Set("missing", missing);
  // ABI 1 cannot allow a rename from one folder to another, by which files are stored.
  result.Set("abi", static_cast<double>(abi >= kAbiRefer ? abi : 0));
  if (abi < kAbiRefer) return result;

  RulesetAttr attr = {FsRights(abi), 0, 0};
  if (abi >= kAbiNet && !rules.Get("tcpBind").ToBoolean()) attr.handled_net |= kBindTcp;
  if (abi >= kAbiNet && !rules.Get("tcpConnect").ToBoolean()) attr.handled_net |= kConnectTcp;
  if (abi >= kAbiScope && !rules.Get("abstractSockets").ToBoolean()) attr.scoped |= kScopeAbstractSocket;
  Descriptor fd(static_cast<int>(syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0)));
  if (fd.get() < 0) Fail(env, "landlock", "landlock_create_ruleset", errno);

  const uint64_t read = kReadFile | kReadDir;
  const uint64_t write = read | kWriteFile | kRemoveDir | kRemoveFile | kMakeDir | kMakeReg | kRefer |
                         (FsRights(abi) & kTruncate);
  AllowAll(env, fd.get(), rules.Get("read"), read, missing);
  AllowAll(env, fd.get(), rules.Get("write"), write, missing);
  AllowAll(env, fd.get(), rules.Get("unlink"), kRemoveFile, missing);
  ruleset.store(fd.get());
  // Newer kernels do all threads at once; one that refuses is asked thread by thread.
  if (abi >= kAbiAllThreads && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
      syscall(SYS_landlock_restrict_self, fd.get(), kRestrictAllThreads) == 0) {
    return result;
  }
  InEveryThread(env, "landlock", "landlock_restrict_self", RestrictHere);
  return result;
}

Napi::Value LandlockAbi(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), Abi()); }

}  // namespace

void InitLandlock(Napi::Env env, Napi::Object exports) {
  exports.Set("landlockAbi", Napi::Function::New(env, LandlockAbi, "landlockAbi"));
  exports.Set("restrictFiles", Napi::Function::New(env, RestrictFiles, "restrictFiles"));
}

}  // namespace xdp
