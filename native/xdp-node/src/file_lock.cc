// The kernel's lock of a file, flock(2): it ends with its holder, however that ends, and knows no PID namespaces.
#include <napi.h>
#include <sys/file.h>

#include <cerrno>

#include "addon.h"
#include "error.h"

namespace xdp {

// lockFile(fd): takes the exclusive lock without waiting. Answers errno, 0 when it was taken.
static Napi::Value LockFile(const Napi::CallbackInfo& info) {
  int fd = static_cast<int>(IntegerArgument(info, 0, "fd", 0, INT32_MAX));
  int result;
  do {
    result = flock(fd, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  return Napi::Number::New(info.Env(), result == 0 ? 0 : errno);
}

void InitFileLock(Napi::Env env, Napi::Object exports) {
  exports.Set("lockFile", Napi::Function::New(env, LockFile, "lockFile"));
}

}  // namespace xdp
