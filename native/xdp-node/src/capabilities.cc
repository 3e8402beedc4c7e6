// Capabilities belong to threads, and a Node process has many: V8's, libuv's, workers. To drop them for the
// process, each thread has to drop its own, so each is sent a signal whose handler does that.
//
// The signal is the one the C library keeps for the same purpose (glibc: setuid() and friends): it is the
// only one that no thread of Node has blocked; the thread that waits for SIGUSR1 blocks all others. Its
// former handler is put back before the call returns.
#include <dirent.h>
#include <linux/capability.h>
#include <napi.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "addon.h"
#include "error.h"

namespace xdp {

namespace {

constexpr int kLibcSignal = 33;
constexpr int kCapabilityMax = 63;
constexpr int kWaitSteps = 10000;
constexpr useconds_t kWaitStepUs = 200;

// rt_sigaction as the kernel takes it; the C library's wrapper refuses its own signals.
struct KernelAction {
  void (*handler)(int);
  unsigned long flags;
#if defined(__x86_64__) || defined(__aarch64__)
  void (*restorer)();
#endif
  uint64_t mask;
};

// The only state of the addon that threads share: a signal handler has no other way to know. Written under
// the lock, and only while no thread has the signal pending.
std::mutex drop_lock;
std::atomic<uint64_t> keep_mask{0};

bool SetAction(int signal, const KernelAction* action, KernelAction* old) {
  return syscall(SYS_rt_sigaction, signal, action, old, sizeof(uint64_t)) == 0;
}

struct Sets {
  uint64_t effective, permitted, inheritable;

  bool Within(uint64_t keep) const { return ((effective | permitted | inheritable) & ~keep) == 0; }
};

bool ReadSets(pid_t thread, Sets* sets) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, thread};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  sets->effective = data[0].effective | static_cast<uint64_t>(data[1].effective) << 32;
  sets->permitted = data[0].permitted | static_cast<uint64_t>(data[1].permitted) << 32;
  sets->inheritable = data[0].inheritable | static_cast<uint64_t>(data[1].inheritable) << 32;
  return true;
}

// Drops what is not in the mask from the calling thread. Async-signal-safe: system calls only.
bool DropHere(uint64_t keep) {
  // Bounding first: dropping from it takes CAP_SETPCAP, which may go next. Without it the set stays.
  for (int bit = 0; bit <= kCapabilityMax; bit++) {
    if ((keep >> bit & 1) == 0 && prctl(PR_CAPBSET_DROP, bit, 0, 0, 0) != 0) break;
  }
  for (int bit = 0; bit <= kCapabilityMax; bit++) {
    if ((keep >> bit & 1) == 0) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, bit, 0, 0);
  }
  Sets sets;
  if (!ReadSets(0, &sets)) return false;
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  for (int half = 0; half < 2; half++) {
    data[half].effective = static_cast<uint32_t>((sets.effective & keep) >> (32 * half));
    data[half].permitted = static_cast<uint32_t>((sets.permitted & keep) >> (32 * half));
    data[half].inheritable = static_cast<uint32_t>((sets.inheritable & keep) >> (32 * half));
  }
  return syscall(SYS_capset, &header, data) == 0;
}

void OnSignal(int) {
  int err = errno;
  DropHere(keep_mask.load());
  errno = err;
}

std::vector<pid_t> Threads() {
  std::vector<pid_t> threads;
  DIR* directory = opendir("/proc/self/task");
  if (directory == nullptr) return threads;
  while (const dirent* entry = readdir(directory)) {
    pid_t thread = static_cast<pid_t>(std::atol(entry->d_name));
    if (thread > 0) threads.push_back(thread);
  }
  closedir(directory);
  return threads;
}

// Whether the thread has dropped, or is gone, in time.
bool Signalled(pid_t thread, uint64_t keep) {
  if (syscall(SYS_tgkill, getpid(), thread, kLibcSignal) != 0) return errno == ESRCH;
  for (int step = 0; step < kWaitSteps; step++) {
    Sets sets;
    if (!ReadSets(thread, &sets) || sets.Within(keep)) return true;
    usleep(kWaitStepUs);
  }
  return false;
}

// Rounds, until one finds nobody left: a thread may start another before its own turn. 0, or the thread that
// does not answer.
pid_t SignalAll(uint64_t keep, size_t* reached) {
  for (bool again = true; again;) {
    again = false;
    for (pid_t thread : Threads()) {
      Sets sets;
      if (!ReadSets(thread, &sets) || sets.Within(keep)) continue;
      if (!Signalled(thread, keep)) return thread;
      ++*reached;
      again = true;
    }
  }
  return 0;
}

// A signal frame returns through a stub of the C library; any installed handler has its address.
bool BorrowRestorer(KernelAction* action) {
#if defined(__x86_64__)
  constexpr unsigned long kSaRestorer = 0x04000000;
  for (int signal = kLibcSignal; signal > 0; signal--) {
    KernelAction other = {};
    if (!SetAction(signal, nullptr, &other) || other.restorer == nullptr) continue;
    action->restorer = other.restorer;
    action->flags |= kSaRestorer;
    return true;
  }
  return false;
#else
  (void)action;
  return true;
#endif
}

// dropCapabilities([capability numbers to keep]): {threads}: how many others had something to drop.
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

  std::lock_guard<std::mutex> lock(drop_lock);
  KernelAction ours = {};
  KernelAction former = {};
  ours.handler = OnSignal;
  ours.flags = SA_RESTART;
  if (!BorrowRestorer(&ours)) Fail(env, "capabilities", "rt_sigaction", ENOSYS);
  keep_mask.store(keep);
  // Without a list of the threads the others would keep what they have, and nobody would know.
  if (Threads().empty()) Fail(env, "capabilities", "opendir", ENOENT, "/proc/self/task");
  if (!DropHere(keep)) Fail(env, "capabilities", "capset", errno);
  if (!SetAction(kLibcSignal, &ours, &former)) Fail(env, "capabilities", "rt_sigaction", errno);
  size_t reached = 0;
  pid_t silent = SignalAll(keep, &reached);
  // With a signal still on its way the C library's handler must not be the one to meet it.
  if (silent != 0) Fail(env, "capabilities", "tgkill", ETIMEDOUT, "thread " + std::to_string(silent));
  SetAction(kLibcSignal, &former, nullptr);
  Napi::Object result = Napi::Object::New(env);
  result.Set("threads", static_cast<double>(reached));
  return result;
}

}  // namespace

void InitCapabilities(Napi::Env env, Napi::Object exports) {
  exports.Set("dropCapabilities", Napi::Function::New(env, DropCapabilities, "dropCapabilities"));
}

}  // namespace xdp
