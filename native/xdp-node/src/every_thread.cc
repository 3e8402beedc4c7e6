// A Node process has many threads: V8's, libuv's, workers. Each is sent a signal whose handler does what is to
// be done.
//
// The signal is the one the C library keeps for the same purpose (glibc: setuid() and friends): it is the
// only one that no thread of Node has blocked; the thread that waits for SIGUSR1 blocks all others. Its
// former handler is put back before the call returns.
#include "every_thread.h"

#include <dirent.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <set>
#include <string>

#include "error.h"

namespace xdp {

namespace {

constexpr int kLibcSignal = 33;
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
std::mutex broadcast_lock;
std::atomic<ThreadAction> current_action{nullptr};
std::atomic<int> answer{0};
std::atomic<pid_t> answered{0};

pid_t ThisThread() { return static_cast<pid_t>(syscall(SYS_gettid)); }

bool SetAction(int signal, const KernelAction* action, KernelAction* old) {
  return syscall(SYS_rt_sigaction, signal, action, old, sizeof(uint64_t)) == 0;
}

void OnSignal(int) {
  int err = errno;
  answer.store(current_action.load()());
  answered.store(ThisThread());
  errno = err;
}

// The threads of this process. Opened before the action, which may be what forbids opening it.
class Threads {
 public:
  Threads() : directory_(opendir("/proc/self/task")) {}
  ~Threads() {
    if (directory_ != nullptr) closedir(directory_);
  }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  // Empty when there is no such list.
  std::set<pid_t> Now() const {
    std::set<pid_t> threads;
    if (directory_ == nullptr) return threads;
    rewinddir(directory_);
    while (const dirent* entry = readdir(directory_)) {
      pid_t thread = static_cast<pid_t>(std::atol(entry->d_name));
      if (thread > 0) threads.insert(thread);
    }
    return threads;
  }

 private:
  DIR* directory_;
};

// 0 when the thread has done it or is gone; its errno; or ETIMEDOUT.
int Signal(pid_t thread) {
  answered.store(0);
  if (syscall(SYS_tgkill, getpid(), thread, kLibcSignal) != 0) return errno == ESRCH ? 0 : errno;
  for (int step = 0; step < kWaitSteps; step++) {
    if (answered.load() == thread) return answer.load();
    if (syscall(SYS_tgkill, getpid(), thread, 0) != 0 && errno == ESRCH) return 0;
    usleep(kWaitStepUs);
  }
  return ETIMEDOUT;
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

}  // namespace

size_t InEveryThread(Napi::Env env, const char* operation, const char* syscall_name, ThreadAction action) {
  std::lock_guard<std::mutex> lock(broadcast_lock);
  KernelAction ours = {};
  KernelAction former = {};
  ours.handler = OnSignal;
  ours.flags = SA_RESTART;
  if (!BorrowRestorer(&ours)) Fail(env, operation, "rt_sigaction", ENOSYS);
  // Without a list of the threads the others would keep what they have, and nobody would know.
  Threads threads;
  if (threads.Now().empty()) Fail(env, operation, "opendir", ENOENT, "/proc/self/task");
  int err = action();
  if (err != 0) Fail(env, operation, syscall_name, err);
  current_action.store(action);
  if (!SetAction(kLibcSignal, &ours, &former)) Fail(env, operation, "rt_sigaction", errno);
  std::set<pid_t> done = {ThisThread()};
  // Rounds, until one finds nobody new: a thread may start another before its own turn.
  for (bool again = true; again;) {
    again = false;
    const std::set<pid_t> now = threads.Now();
    if (now.empty()) Fail(env, operation, "readdir", EIO, "/proc/self/task");
    for (pid_t thread : now) {
      if (!done.insert(thread).second) continue;
      again = true;
      err = Signal(thread);
      // With a signal still on its way the C library's handler must not be the one to meet it: ours stays.
      if (err == ETIMEDOUT) Fail(env, operation, "tgkill", err, "thread " + std::to_string(thread));
      if (err == 0) continue;
      SetAction(kLibcSignal, &former, nullptr);
      Fail(env, operation, syscall_name, err, "thread " + std::to_string(thread));
    }
  }
  SetAction(kLibcSignal, &former, nullptr);
  return done.size() - 1;
}

}  // namespace xdp
