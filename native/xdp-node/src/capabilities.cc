// Giving up capabilities, in every thread.
#include <linux/capability.h>
#include <napi.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "addon.h"
#include "error.h"
#include "every_thread.h"

namespace xdp {

namespace {

constexpr int kCapabilityMax = 63;

// For the action, which can take no argument; written before it is sent out.
std::atomic<uint64_t> keep_mask{0};

uint32_t Half(uint64_t set, int half) { return static_cast<uint32_t>(set >> (32 * half)); }

// Drops what is not in the mask from the calling thread. Async-signal-safe: system calls only.
int DropHere() {
  const uint64_t keep = keep_mask.load();
  // Bounding first: dropping from it takes CAP_SETPCAP, which may go next. Without it the set stays.
  for (int bit = 0; bit <= kCapabilityMax; bit++) {
    if ((keep >> bit & 1) == 0 && prctl(PR_CAPBSET_DROP, bit, 0, 0, 0) != 0) break;
  }
  for (int bit = 0; bit <= kCapabilityMax; bit++) {
    if ((keep >> bit & 1) == 0) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, bit, 0, 0);
  }
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return errno;
  bool has_more = false;
  for (int half = 0; half < 2; half++) {
    const uint32_t all = data[half].effective | data[half].permitted | data[half].inheritable;
    has_more = has_more || (all & ~Half(keep, half)) != 0;
    data[half].effective &= Half(keep, half);
    data[half].permitted &= Half(keep, half);
    data[half].inheritable &= Half(keep, half);
  }
  // A service that has never had any may not be allowed to call capset() either.
  if (!has_more) return 0;
  return syscall(SYS_capset, &header, data) == 0 ? 0 : errno;
}

// dropCapabilities([capability numbers to keep]): {threads}: how many others there were.
Napi::Value DropCapabilities(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsArray()) FailArgument(env, "keep must be an array");
  Napi::Array numbers = info[0].As<Napi::Array>();
  uint64_t keep = 0;
  for (uint32_t i = 0; i < numbers.Length(); i++) {
    double bit = numbers.Get(i).ToNumber().DoubleValue();
    if (!(bit >= 0 && bit <= kCapabilityMax)) FailArgument(env, "no such capability");
    keep |= uint64_t{1} << static_cast<int>(bit);
  }
  keep_mask.store(keep);
  Napi::Object result = Napi::Object::New(env);
  size_t threads = InEveryThread(env, "capabilities", "capset", DropHere);
  result.Set("threads", static_cast<double>(threads));
  return result;
}

}  // namespace

void InitCapabilities(Napi::Env env, Napi::Object exports) {
  exports.Set("dropCapabilities", Napi::Function::New(env, DropCapabilities, "dropCapabilities"));
}

}  // namespace xdp
