// Which of the kernel's facilities this process may use, by trying them.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <napi.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>

#include "addon.h"
#include "error.h"
#include "kernel.h"

namespace xdp {

// 0, or the errno of creating and dropping a socket.
static int TrySocket() {
  int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  close(fd);
  return 0;
}

static int TryMap(enum bpf_map_type type) {
  int fd = bpf_map_create(type, nullptr, sizeof(uint32_t), sizeof(uint32_t), 1, nullptr);
  if (fd < 0) return -fd;
  close(fd);
  return 0;
}

// The smallest XDP program: return XDP_PASS.
static int TryProgram() {
  const struct bpf_insn pass[] = {
      {BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 2},
      {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
  };
  int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, nullptr, "Dual BSD/GPL", pass, 2, nullptr);
  if (fd < 0) return -fd;
  close(fd);
  return 0;
}

// A BPF ring buffer of one page.
static int TryRingBuffer() {
  int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, nullptr, 0, 0, static_cast<uint32_t>(getpagesize()), nullptr);
  if (fd < 0) return -fd;
  close(fd);
  return 0;
}

// Preferred busy polling, on a socket of any kind. Switching it on takes CAP_NET_ADMIN.
static int TryBusyPoll() {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int on = 1;
  int failure = setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &on, sizeof on) == 0 ? 0 : errno;
  close(fd);
  return failure;
}

// tryKernel(): {socket, bpf, xskmap, ringBuffer, xdpProgram, busyPoll: errno or 0, memlock: bytes, -1 for no limit}
static Napi::Value TryKernel(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("socket", TrySocket());
  result.Set("bpf", TryMap(BPF_MAP_TYPE_ARRAY));
  result.Set("xskmap", TryMap(BPF_MAP_TYPE_XSKMAP));
  result.Set("ringBuffer", TryRingBuffer());
  result.Set("xdpProgram", TryProgram());
  result.Set("busyPoll", TryBusyPoll());
  struct rlimit limit = {};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  result.Set("memlock", limit.rlim_cur == RLIM_INFINITY ? -1.0 : static_cast<double>(limit.rlim_cur));
  return result;
}

void InitProbe(Napi::Env env, Napi::Object exports) {
  exports.Set("tryKernel", Napi::Function::New(env, TryKernel, "tryKernel"));
}

}  // namespace xdp
