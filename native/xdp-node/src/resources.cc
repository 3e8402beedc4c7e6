// Limits of what this process may take, for a process that is about to do something that may go wrong.
#include <napi.h>
#include <sys/resource.h>

#include <cerrno>

#include "addon.h"
#include "error.h"

namespace xdp {

// limitResources(dataBytes, cpuSeconds): for good; and no core dump.
static void LimitResources(const Napi::CallbackInfo& info) {
  rlim_t bytes = static_cast<rlim_t>(IntegerArgument(info, 0, "dataBytes", 1, INT64_MAX));
  rlim_t seconds = static_cast<rlim_t>(IntegerArgument(info, 1, "cpuSeconds", 1, INT32_MAX));
  // Beyond the soft limit SIGXCPU tells which one it was; beyond the hard one nothing would.
  const struct rlimit data = {bytes, bytes}, cpu = {seconds, seconds + 1}, core = {0, 0};
  if (setrlimit(RLIMIT_CORE, &core) != 0 || setrlimit(RLIMIT_CPU, &cpu) != 0 || setrlimit(RLIMIT_DATA, &data) != 0) {
    Fail(info.Env(), "resources", "setrlimit", errno);
  }
}

void InitResources(Napi::Env env, Napi::Object exports) {
  exports.Set("limitResources", Napi::Function::New(env, LimitResources, "limitResources"));
}

}  // namespace xdp
