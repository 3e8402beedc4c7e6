// What a thread may ask or set about itself.
#include <napi.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "addon.h"
#include "error.h"

namespace xdp {

// threadCpuNs(): CPU time of the calling thread in nanoseconds, a BigInt.
static Napi::Value ThreadCpuNs(const Napi::CallbackInfo& info) {
  struct timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  uint64_t ns = static_cast<uint64_t>(used.tv_sec) * 1000000000u + static_cast<uint64_t>(used.tv_nsec);
  return Napi::BigInt::New(info.Env(), ns);
}

// threadId(): the kernel's id of the calling thread.
static Napi::Value ThreadId(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(syscall(SYS_gettid)));
}

// cpuNsOfThread(id): CPU time of another thread of this process in nanoseconds; -1 when it is gone. The clock's id is
// made of the thread's as CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED says (clock_getcpuclockid(3), linux/posix-timers.h).
static Napi::Value CpuNsOfThread(const Napi::CallbackInfo& info) {
  int64_t id = IntegerArgument(info, 0, "id", 1, INT32_MAX);
  clockid_t clock = static_cast<clockid_t>((~static_cast<unsigned>(id) << 3) | 6);
  struct timespec used;
  if (clock_gettime(clock, &used) != 0) return Napi::Number::New(info.Env(), -1);
  return Napi::Number::New(info.Env(), static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec));
}

// setThreadAffinity(cpu): binds the calling thread to one CPU.
static void SetThreadAffinity(const Napi::CallbackInfo& info) {
  int64_t cpu = IntegerArgument(info, 0, "cpu", 0, CPU_SETSIZE - 1);
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) Fail(info.Env(), "affinity", "sched_setaffinity", errno);
}

// setThreadName(name): the name that top and /proc show; the kernel keeps 15 bytes of it.
static void SetThreadName(const Napi::CallbackInfo& info) {
  std::string name = info[0].ToString().Utf8Value();
  prctl(PR_SET_NAME, name.substr(0, 15).c_str(), 0, 0, 0);
}

// setRealtime(priority): SCHED_FIFO for the calling thread; threads that it starts have none of it.
static void SetRealtime(const Napi::CallbackInfo& info) {
  struct sched_param param = {};
  param.sched_priority = static_cast<int>(IntegerArgument(info, 0, "priority", 1, 99));
  if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) != 0) {
    Fail(info.Env(), "realtime", "sched_setscheduler", errno);
  }
}

// setTimerSlack(ns): how late the calling thread's short sleeps may end.
static void SetTimerSlack(const Napi::CallbackInfo& info) {
  int64_t ns = IntegerArgument(info, 0, "ns", 1, INT32_MAX);
  if (prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(ns), 0, 0, 0) != 0) {
    Fail(info.Env(), "thread", "prctl", errno);
  }
}

void InitThread(Napi::Env env, Napi::Object exports) {
  exports.Set("setRealtime", Napi::Function::New(env, SetRealtime, "setRealtime"));
  exports.Set("setTimerSlack", Napi::Function::New(env, SetTimerSlack, "setTimerSlack"));
  exports.Set("threadCpuNs", Napi::Function::New(env, ThreadCpuNs, "threadCpuNs"));
  exports.Set("threadId", Napi::Function::New(env, ThreadId, "threadId"));
  exports.Set("cpuNsOfThread", Napi::Function::New(env, CpuNsOfThread, "cpuNsOfThread"));
  exports.Set("setThreadAffinity", Napi::Function::New(env, SetThreadAffinity, "setThreadAffinity"));
  exports.Set("setThreadName", Napi::Function::New(env, SetThreadName, "setThreadName"));
}

}  // namespace xdp
