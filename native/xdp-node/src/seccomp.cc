// The table of seccomp_rules.h as a filter program, for all threads at once.
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <napi.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include "addon.h"
#include "error.h"
#include "seccomp_rules.h"

namespace xdp {

namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half of an argument comes first");

constexpr uint32_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;  // CLONE_NEWTIME is for clone3 alone
constexpr uint32_t kArgument0 = offsetof(seccomp_data, args[0]);
constexpr uint32_t kArgument1 = offsetof(seccomp_data, args[1]);
constexpr uint32_t kArgument2 = offsetof(seccomp_data, args[2]);
constexpr uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
constexpr uint32_t kTypeMask = 0xf;  // of socket()'s type; above it lie SOCK_CLOEXEC and SOCK_NONBLOCK

// Sockets of a family that can be made.
struct Family {
  uint32_t number;
  std::vector<uint32_t> types;
  std::vector<uint32_t> protocols;
};

struct Settings {
  std::vector<Family> families;
  std::vector<uint32_t> commands;
};

// A branch reaches this many instructions.
constexpr size_t kReach = 255;

template <size_t N>
std::vector<uint32_t> ListOf(const uint32_t (&values)[N]) {
  return {values, values + N};
}

class Filter {
 public:
  explicit Filter(const Settings& settings) {
    Add(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch));
    // Numbers of another architecture mean other calls: all are refused.
    Branch(BPF_JEQ, kArchitecture, 1, 0);
    Return(kRefuse);
    Add(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
    Branch(BPF_JGT, kNewestCall, 0, 1);
    Return(SECCOMP_RET_ERRNO | ENOSYS);
    for (const SeccompRule& rule : kSeccompRules) Append(rule, settings);
    Return(SECCOMP_RET_ALLOW);
  }

  const std::vector<sock_filter>& code() const { return code_; }

 private:
  void Add(uint16_t code, uint32_t value) { code_.push_back({code, 0, 0, value}); }
  void Branch(uint16_t test, uint32_t value, uint8_t yes, uint8_t no) {
    code_.push_back({static_cast<uint16_t>(BPF_JMP | test | BPF_K), yes, no, value});
  }
  void Return(uint32_t verdict) { Add(BPF_RET | BPF_K, verdict); }
  void Load(uint32_t offset) { Add(BPF_LD | BPF_W | BPF_ABS, offset); }

  // Any of the values gives the first verdict, all others the second.
  void OneOf(uint32_t offset, const std::vector<uint32_t>& values, uint32_t is, uint32_t is_not) {
    Load(offset);
    for (uint32_t value : values) {
      Branch(BPF_JEQ, value, 0, 1);
      Return(is);
    }
    Return(is_not);
  }

  // Goes on if what is loaded is one of the values.
  void Require(const std::vector<uint32_t>& values, uint32_t refuse) {
    for (size_t i = 0; i < values.size(); i++) {
      Branch(BPF_JEQ, values[i], static_cast<uint8_t>(values.size() - i), 0);
    }
    Return(refuse);
  }

  void Sockets(const std::vector<Family>& families, uint32_t refuse) {
    for (const Family& family : families) {
      Load(kArgument0);
      const size_t branch = code_.size();
      Branch(BPF_JEQ, family.number, 0, 0);
      Load(kArgument1);
      Add(BPF_ALU | BPF_AND | BPF_K, kTypeMask);
      Require(family.types, refuse);
      OneOf(kArgument2, family.protocols, SECCOMP_RET_ALLOW, refuse);
      SkipTo(branch);
    }
    Return(refuse);
  }

  void Options(uint32_t refuse) {
    for (const SocketOption& each : kRefusedOptions) {
      Load(kArgument1);
      const size_t level = code_.size();
      Branch(BPF_JEQ, each.level, 0, 0);
      if (each.option != kAnyOption) {
        Load(kArgument2);
        Branch(BPF_JEQ, each.option, 0, 1);
      }
      Return(refuse);
      SkipTo(level);
    }
    Return(SECCOMP_RET_ALLOW);
  }

  // The branch that was not taken leads here.
  void SkipTo(size_t branch) {
    const size_t distance = code_.size() - branch - 1;
    if (distance > kReach) throw std::length_error("a rule of the seccomp filter is too long");
    code_[branch].jf = static_cast<uint8_t>(distance);
  }

  // A call that is not this rule's jumps over its body, so that the number is still what is loaded.
  void Append(const SeccompRule& rule, const Settings& settings) {
    Branch(BPF_JEQ, rule.number, 0, 0);
    const size_t branch = code_.size() - 1;
    const uint32_t refuse = SECCOMP_RET_ERRNO | static_cast<uint32_t>(rule.err);
    const uint32_t self = static_cast<uint32_t>(getpid());
    switch (rule.when) {
      case When::kAlways: Return(refuse); break;
      case When::kOtherProcess: OneOf(kArgument0, {self}, SECCOMP_RET_ALLOW, refuse); break;
      case When::kOtherOrZero: OneOf(kArgument0, {0, self}, SECCOMP_RET_ALLOW, refuse); break;
      case When::kOtherPriority:
        Load(kArgument0);
        Require({PRIO_PROCESS}, refuse);
        OneOf(kArgument1, {0}, SECCOMP_RET_ALLOW, refuse);
        break;
      case When::kFamily: Sockets(settings.families, refuse); break;
      case When::kCommand: OneOf(kArgument0, settings.commands, SECCOMP_RET_ALLOW, refuse); break;
      case When::kIoctl: OneOf(kArgument1, ListOf(kRefusedIoctls), refuse, SECCOMP_RET_ALLOW); break;
      case When::kFcntl: OneOf(kArgument1, ListOf(kRefusedFcntls), refuse, SECCOMP_RET_ALLOW); break;
      case When::kOption: Options(refuse); break;
      case When::kPrctl:
        Load(kArgument0);
        Branch(BPF_JEQ, kSetDumpable, 0, 3);
        Load(kArgument1);
        Branch(BPF_JEQ, 0, 1, 0);
        Return(refuse);
        OneOf(kArgument0, ListOf(kRefusedPrctls), refuse, SECCOMP_RET_ALLOW);
        break;
      case When::kNewProcess:
        Load(kArgument0);
        Branch(BPF_JSET, kNewNamespaces, 0, 1);
        Return(refuse);
        Branch(BPF_JSET, CLONE_THREAD, 0, 1);
        Return(SECCOMP_RET_ALLOW);
        Return(refuse);
        break;
    }
    SkipTo(branch);
  }

  std::vector<sock_filter> code_;
};

// A rule's body has to stay within reach of a branch.
constexpr uint32_t kListMax = 100;
constexpr uint32_t kFamiliesMax = 4;
constexpr uint32_t kFamilyListMax = 8;

std::vector<uint32_t> Numbers(Napi::Object settings, const char* name, uint32_t max = kListMax) {
  if (!settings.Get(name).IsArray()) FailArgument(settings.Env(), std::string(name) + " must be an array");
  Napi::Array list = settings.Get(name).As<Napi::Array>();
  if (list.Length() > max) FailArgument(settings.Env(), std::string("too many ") + name);
  std::vector<uint32_t> numbers;
  for (uint32_t i = 0; i < list.Length(); i++) numbers.push_back(list.Get(i).ToNumber().Uint32Value());
  return numbers;
}

std::vector<Family> Families(Napi::Object settings) {
  if (!settings.Get("families").IsArray()) FailArgument(settings.Env(), "families must be an array");
  Napi::Array list = settings.Get("families").As<Napi::Array>();
  if (list.Length() > kFamiliesMax) FailArgument(settings.Env(), "too many families");
  std::vector<Family> families;
  for (uint32_t i = 0; i < list.Length(); i++) {
    if (!list.Get(i).IsObject()) FailArgument(settings.Env(), "a family must be an object");
    Napi::Object each = list.Get(i).As<Napi::Object>();
    families.push_back({each.Get("number").ToNumber().Uint32Value(), Numbers(each, "types", kFamilyListMax),
                        Numbers(each, "protocols", kFamilyListMax)});
  }
  return families;
}

Settings SettingsOf(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) FailArgument(info.Env(), "settings must be an object");
  Napi::Object settings = info[0].As<Napi::Object>();
  return {Families(settings), Numbers(settings, "commands")};
}

// seccompProgram({families, commands}): the filter as bytes of struct sock_filter, to be looked at.
Napi::Value SeccompProgram(const Napi::CallbackInfo& info) {
  Filter filter(SettingsOf(info));
  const std::vector<sock_filter>& code = filter.code();
  return Napi::Buffer<uint8_t>::Copy(info.Env(), reinterpret_cast<const uint8_t*>(code.data()),
                                     code.size() * sizeof(sock_filter));
}

// seccompInstall({families, commands}): no_new_privs and the filter, in all threads, for good.
void SeccompInstall(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Filter filter(SettingsOf(info));
  sock_fprog program = {static_cast<unsigned short>(filter.code().size()),
                        const_cast<sock_filter*>(filter.code().data())};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) Fail(env, "seccomp", "prctl", errno);
  // TSYNC gives no_new_privs to the other threads too. LOG: what is refused appears in the audit log.
  const unsigned flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG;
  long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (result < 0) Fail(env, "seccomp", "seccomp", errno);
  // The thread whose own filter stands in the way.
  if (result > 0) Fail(env, "seccomp", "seccomp", ESRCH, "thread " + std::to_string(result));
}

const char* NameOf(When when) {
  switch (when) {
    case When::kAlways: return "always";
    case When::kNewProcess: return "new process or namespace";
    case When::kOtherProcess: return "of another process";
    case When::kOtherOrZero: return "of another process";
    case When::kOtherPriority: return "of another process";
    case When::kFamily: return "other family";
    case When::kCommand: return "other command";
    case When::kIoctl: return "TIOCSTI and the like";
    case When::kFcntl: return "F_SETOWN, F_SETSIG";
    case When::kOption: return "XDP_TX_RING and the like";
    case When::kPrctl: return "PR_SET_DUMPABLE and the like";
  }
  return "";
}

// seccompRules(): [{name, number, when, errno, why}], what the filter refuses.
Napi::Value SeccompRules(const Napi::CallbackInfo& info) {
  Napi::Array rules = Napi::Array::New(info.Env());
  for (const SeccompRule& rule : kSeccompRules) {
    Napi::Object entry = Napi::Object::New(info.Env());
    entry.Set("name", rule.name);
    entry.Set("number", static_cast<double>(rule.number));
    entry.Set("when", NameOf(rule.when));
    entry.Set("errno", static_cast<double>(rule.err));
    entry.Set("why", rule.why);
    rules.Set(rules.Length(), entry);
  }
  return rules;
}

// setDumpable(false): no core dumps, and no looking into this process for others of the same user.
void SetDumpable(const Napi::CallbackInfo& info) {
  if (prctl(PR_SET_DUMPABLE, info[0].ToBoolean() ? 1 : 0, 0, 0, 0) != 0) {
    Fail(info.Env(), "dumpable", "prctl", errno);
  }
}

// isDumpable()
Napi::Value IsDumpable(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0);
}

}  // namespace

void InitSeccomp(Napi::Env env, Napi::Object exports) {
  exports.Set("seccompInstall", Napi::Function::New(env, SeccompInstall, "seccompInstall"));
  exports.Set("seccompProgram", Napi::Function::New(env, SeccompProgram, "seccompProgram"));
  exports.Set("seccompRules", Napi::Function::New(env, SeccompRules, "seccompRules"));
  exports.Set("setDumpable", Napi::Function::New(env, SetDumpable, "setDumpable"));
  exports.Set("isDumpable", Napi::Function::New(env, IsDumpable, "isDumpable"));
}

}  // namespace xdp
