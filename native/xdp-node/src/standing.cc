// bpf_links that may outlive the process: made by hand, pinned in a BPF file system, found again, and given another
// program without a moment in which none is attached. All of it on plain descriptors; lib/standing.ts keeps them.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <napi.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "addon.h"
#include "error.h"

namespace xdp {

// linux/magic.h: BPF_FS_MAGIC
constexpr decltype(statfs::f_type) kBpfFs = 0xcafe4a11;

static int FdArgument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  return static_cast<int>(IntegerArgument(info, index, name, 0, INT32_MAX));
}

// standingCreate(programFd, ifindex, attachType, flags): the descriptor of a new bpf_link.
static Napi::Value Create(const Napi::CallbackInfo& info) {
  int program = FdArgument(info, 0, "program");
  int ifindex = static_cast<int>(IntegerArgument(info, 1, "ifindex", 1, INT32_MAX));
  auto type = static_cast<enum bpf_attach_type>(IntegerArgument(info, 2, "attachType", 0, UINT16_MAX));
  LIBBPF_OPTS(bpf_link_create_opts, opts,
              .flags = static_cast<uint32_t>(IntegerArgument(info, 3, "flags", 0, UINT32_MAX)));
  int fd = bpf_link_create(program, ifindex, type, &opts);
  if (fd < 0) Fail(info.Env(), "attach", "bpf", -fd);
  return Napi::Number::New(info.Env(), fd);
}

// standingUpdate(fd, programFd): another program in the place of the one that is there, atomically.
static void Update(const Napi::CallbackInfo& info) {
  int result = bpf_link_update(FdArgument(info, 0, "fd"), FdArgument(info, 1, "program"), nullptr);
  if (result != 0) Fail(info.Env(), "attach", "bpf", -result);
}

// standingPin(fd, path)
static void Pin(const Napi::CallbackInfo& info) {
  std::string path = info[1].ToString().Utf8Value();
  int result = bpf_obj_pin(FdArgument(info, 0, "fd"), path.c_str());
  if (result != 0) Fail(info.Env(), "pin", "bpf", -result, path);
}

// standingOpen(path): a descriptor of what is pinned there.
static Napi::Value Open(const Napi::CallbackInfo& info) {
  std::string path = info[0].ToString().Utf8Value();
  int fd = bpf_obj_get(path.c_str());
  if (fd < 0) Fail(info.Env(), "pin", "bpf", -fd, path);
  return Napi::Number::New(info.Env(), fd);
}

// standingFacts(fd): {ifindex, programId}; ifindex is 0 when the interface is gone.
static Napi::Value Facts(const Napi::CallbackInfo& info) {
  struct bpf_link_info facts = {};
  uint32_t length = sizeof facts;
  int result = bpf_obj_get_info_by_fd(FdArgument(info, 0, "fd"), &facts, &length);
  if (result != 0) Fail(info.Env(), "query", "bpf", -result);
  Napi::Object answer = Napi::Object::New(info.Env());
  // XDP and tcx links both begin their part with the interface's index.
  answer.Set("ifindex", Napi::Number::New(info.Env(), facts.xdp.ifindex));
  answer.Set("programId", Napi::Number::New(info.Env(), facts.prog_id));
  return answer;
}

// closeFd(fd, detach): a link that is not pinned goes with its last descriptor; detach does not wait for that.
static void CloseFd(const Napi::CallbackInfo& info) {
  int fd = FdArgument(info, 0, "fd");
  if (info[1].ToBoolean()) bpf_link_detach(fd);
  close(fd);
}

// isBpfFs(path)
static Napi::Value IsBpfFs(const Napi::CallbackInfo& info) {
  struct statfs facts;
  bool is = statfs(info[0].ToString().Utf8Value().c_str(), &facts) == 0 && facts.f_type == kBpfFs;
  return Napi::Boolean::New(info.Env(), is);
}

// A mapping keeps its socket as long as a descriptor does, and nobody can read, send or bind by a mapping: an intruder who
// found a descriptor of a packet socket would have every interface's frames. One page of a ring that stays empty.
static void* MapAndClose(int fd) {
  const auto page = static_cast<unsigned>(sysconf(_SC_PAGESIZE));
  struct tpacket_req ring = {page, 1, page, 1};
  void* address = MAP_FAILED;
  if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) == 0) {
    address = mmap(nullptr, page, PROT_READ, MAP_SHARED, fd, 0);
  }
  int err = errno;
  close(fd);
  errno = err;
  return address;
}

// holdPromiscuous(ifindex): the address of a mapping that keeps the interface promiscuous as long as it is there.
static Napi::Value HoldPromiscuous(const Napi::CallbackInfo& info) {
  struct packet_mreq request = {};
  request.mr_ifindex = static_cast<int>(IntegerArgument(info, 0, "ifindex", 1, INT32_MAX));
  request.mr_type = PACKET_MR_PROMISC;
  // Protocol 0: this socket never receives anything.
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) Fail(info.Env(), "promiscuous", "socket", errno);
  if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request) != 0) {
    int err = errno;
    close(fd);
    Fail(info.Env(), "promiscuous", "setsockopt", err);
  }
  void* held = MapAndClose(fd);
  if (held == MAP_FAILED) Fail(info.Env(), "promiscuous", "mmap", errno);
  return Napi::BigInt::New(info.Env(), static_cast<uint64_t>(reinterpret_cast<uintptr_t>(held)));
}

// releasePromiscuous(address)
static void ReleasePromiscuous(const Napi::CallbackInfo& info) {
  bool lossless = false;
  uint64_t held = info[0].IsBigInt() ? info[0].As<Napi::BigInt>().Uint64Value(&lossless) : 0;
  if (!lossless || held == 0) FailArgument(info.Env(), "what holdPromiscuous() returned");
  munmap(reinterpret_cast<void*>(static_cast<uintptr_t>(held)), static_cast<size_t>(sysconf(_SC_PAGESIZE)));
}

// setPromiscuous(name, on): the interface's flag, which stays when the process ends.
static void SetPromiscuous(const Napi::CallbackInfo& info) {
  struct ifreq request = {};
  std::string name = info[0].ToString().Utf8Value();
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) Fail(info.Env(), "promiscuous", "socket", errno);
  int result = ioctl(fd, SIOCGIFFLAGS, &request);
  if (result == 0) {
    int flags = info[1].ToBoolean() ? request.ifr_flags | IFF_PROMISC : request.ifr_flags & ~IFF_PROMISC;
    request.ifr_flags = static_cast<short>(flags);
    result = ioctl(fd, SIOCSIFFLAGS, &request);
  }
  int err = errno;
  close(fd);
  if (result != 0) Fail(info.Env(), "promiscuous", "ioctl", err);
}

void InitStanding(Napi::Env env, Napi::Object exports) {
  exports.Set("standingCreate", Napi::Function::New(env, Create, "standingCreate"));
  exports.Set("standingUpdate", Napi::Function::New(env, Update, "standingUpdate"));
  exports.Set("standingPin", Napi::Function::New(env, Pin, "standingPin"));
  exports.Set("standingOpen", Napi::Function::New(env, Open, "standingOpen"));
  exports.Set("standingFacts", Napi::Function::New(env, Facts, "standingFacts"));
  exports.Set("closeFd", Napi::Function::New(env, CloseFd, "closeFd"));
  exports.Set("isBpfFs", Napi::Function::New(env, IsBpfFs, "isBpfFs"));
  exports.Set("holdPromiscuous", Napi::Function::New(env, HoldPromiscuous, "holdPromiscuous"));
  exports.Set("releasePromiscuous", Napi::Function::New(env, ReleasePromiscuous, "releasePromiscuous"));
  exports.Set("setPromiscuous", Napi::Function::New(env, SetPromiscuous, "setPromiscuous"));
}

}  // namespace xdp
