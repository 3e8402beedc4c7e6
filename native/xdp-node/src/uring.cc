// A process without io_uring: whether there could be one, and starting anew where there cannot. libuv makes a ring for
// its event loop when it starts, before any code of ours runs, and cannot do without what it has begun to use.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <napi.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <vector>

#include "addon.h"
#include "error.h"
#include "seccomp_rules.h"

namespace xdp {

namespace {

// uringErrno(): what the kernel says to a call that is made wrongly on purpose. EFAULT: rings can be made.
Napi::Value UringErrno(const Napi::CallbackInfo& info) {
  const long fd = syscall(SYS_io_uring_setup, 0, nullptr);
  const int error = fd < 0 ? errno : 0;
  if (fd >= 0) close(static_cast<int>(fd));
  return Napi::Number::New(info.Env(), error);
}

// In every thread, and in what the process becomes. 0 or errno.
int RefuseUring() {
  // Numbers of another architecture mean other calls: no ring is made by those either.
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
#if defined(__x86_64__)
      // x32, which numbers the same call with a bit more.
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~kX32),
#endif
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {sizeof code / sizeof *code, code};
  const auto install = [&program] {
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
  };
  long result = install();
  if (result < 0 && errno == EACCES) {
    // Without CAP_SYS_ADMIN. What the program's file grants stays, for it is no more than what is held.
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
    result = install();
  }
  if (result < 0) return errno;
  return result == 0 ? 0 : ESRCH;
}

// restartWithoutUring(path, argv, descriptors to keep): this process becomes another one, with its id, environment and
// folder. Returns only by throwing.
void RestartWithoutUring(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsString() || !info[1].IsArray() || !info[2].IsArray())
    FailArgument(env, "a path, arguments and descriptors are needed");
  const std::string path = info[0].As<Napi::String>();
  Napi::Array words = info[1].As<Napi::Array>();
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < words.Length(); i++) texts.push_back(words.Get(i).ToString().Utf8Value());
  std::vector<char*> argv;
  for (std::string& text : texts) argv.push_back(text.data());
  argv.push_back(nullptr);
  Napi::Array kept = info[2].As<Napi::Array>();
  std::vector<int> descriptors;
  for (uint32_t i = 0; i < kept.Length(); i++) descriptors.push_back(kept.Get(i).ToNumber().Int32Value());

  if (const int error = RefuseUring(); error != 0) Fail(env, "restart", "seccomp", error);
  // Node marks what it was given to be closed at an exec.
  for (const int fd : descriptors) fcntl(fd, F_SETFD, 0);
  execve(path.c_str(), argv.data(), environ);
  const int error = errno;
  for (const int fd : descriptors) fcntl(fd, F_SETFD, FD_CLOEXEC);
  Fail(env, "restart", "execve", error, path);
}

}  // namespace

void InitUring(Napi::Env env, Napi::Object exports) {
  exports.Set("uringErrno", Napi::Function::New(env, UringErrno, "uringErrno"));
  exports.Set("restartWithoutUring", Napi::Function::New(env, RestartWithoutUring, "restartWithoutUring"));
}

}  // namespace xdp
