#include "socket.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "error.h"
#include "kernel.h"
#include "rings.h"
#include "umem.h"

namespace xdp {

constexpr int kSendBuffer = 64 << 20;
constexpr int64_t kMaxRing = int64_t{1} << 22;
constexpr uint32_t kMaxWait = 64;
constexpr int64_t kMaxBytes = int64_t{1} << 40;

Napi::Function Socket::Define(Napi::Env env) {
  return DefineClass(
      env, "Socket",
      {InstanceAccessor<&Socket::GetFd>("fd"), InstanceAccessor<&Socket::GetRings>("rings"),
       InstanceMethod<&Socket::Options>("options"), InstanceMethod<&Socket::Statistics>("statistics"),
       InstanceMethod<&Socket::WakeRx>("wakeRx"), InstanceMethod<&Socket::WakeTx>("wakeTx"),
       InstanceMethod<&Socket::Poll>("poll"), InstanceMethod<&Socket::CloseCall>("close")});
}

Socket::Socket(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Socket>(info), addon_(Addon::Of(info.Env())) {
  if (!info[1].IsObject()) FailArgument(info.Env(), "socket options must be an object");
  try {
    Open(info.Env(), info[0], info[1].As<Napi::Object>());
  } catch (...) {
    Close();
    throw;
  }
  // A WebAssembly.Memory that grows gets new buffers: then it is the memory that keeps the mapping, not the
  // bytes.
  if (info[2].IsObject()) owner_ = Napi::Persistent(info[2].As<Napi::Object>());
  addon_->open.insert({CloseRank::kSocket, this});
}

Socket::~Socket() { Close(); }

static RingSizes SizesOf(Napi::Object options) {
  RingSizes sizes{};
  sizes.rx = static_cast<uint32_t>(IntegerOf(options, "rxSize", 1, kMaxRing));
  sizes.tx = static_cast<uint32_t>(IntegerOf(options, "txSize", 0, kMaxRing));
  sizes.fill = static_cast<uint32_t>(IntegerOf(options, "fillSize", 1, kMaxRing));
  sizes.completion = static_cast<uint32_t>(IntegerOf(options, "completionSize", 1, kMaxRing));
  for (uint32_t size : {sizes.rx, sizes.tx, sizes.fill, sizes.completion}) {
    if ((size & (size - 1)) != 0) FailArgument(options.Env(), "ring sizes must be powers of two");
  }
  return sizes;
}

// Mapping over another socket's rings would leave that socket with dead memory.
static void RefuseOverlap(Napi::Env env, const Addon& addon, const Range& area) {
  for (const auto& [rank, handle] : addon.open) {
    if (rank != CloseRank::kSocket) break;
    if (static_cast<Socket*>(handle)->mapped().Overlaps(area)) {
      FailArgument(env, "the ring area overlaps the rings of another open socket");
    }
  }
}

static void SetBusyPoll(Napi::Env env, int fd, int usecs, int budget) {
  if (usecs == 0) return;
  int one = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &one, sizeof one) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &usecs, sizeof usecs) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget, sizeof budget) != 0) {
    Fail(env, "busy-poll", "setsockopt", errno);
  }
}

void Socket::Open(Napi::Env env, Napi::Value view, Napi::Object options) {
  RingSizes sizes = SizesOf(options);
  if (!options.Get("umem").IsObject()) FailArgument(env, "umem must be an object");
  Umem umem = Umem::From(env, view, options.Get("umem").As<Napi::Object>());
  Range area = CheckedRange(env, view, IntegerOf(options, "ringsOffset", 0, kMaxBytes),
                            IntegerOf(options, "ringsSize", 1, kMaxBytes), PageSize(), "ring area");
  if (area.Overlaps(umem.frames)) FailArgument(env, "the ring area overlaps the UMEM");
  RefuseOverlap(env, *addon_, area);
  int shared_fd = static_cast<int>(IntegerOf(options, "sharedFd", -1, INT32_MAX));

  const int spare = static_cast<int>(IntegerOf(options, "spareFd", -1, INT32_MAX));
  fd_ = spare >= 0 ? spare : socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd_ < 0) Fail(env, "socket", "socket", errno);
  // A spare one has registered it already: without CAP_IPC_LOCK the limit on locked memory would stand in the way.
  if (shared_fd < 0 && spare < 0) umem.Register(env, fd_);
  CreateRings(env, fd_, sizes);
  // From here on the memory must not go away before Close() has put plain memory back.
  bytes_ = Napi::Persistent(view.As<Napi::Object>());
  Range whole = BytesOf(env, view, "memory");
  rings_ = Napi::Persistent(MapRings(env, fd_, sizes, area, whole.start, &mapped_));
  // A spare one has it already: it takes CAP_NET_ADMIN, which may be gone by now.
  if (spare < 0) {
    SetBusyPoll(env, fd_, static_cast<int>(IntegerOf(options, "busyPollUsecs", 0, INT32_MAX)),
                static_cast<int>(IntegerOf(options, "busyPollBudget", 0, UINT16_MAX)));
  }
  SetSending(sizes.tx);
  Bind(env, options, shared_fd);
}

// In copy mode the kernel copies each frame to a buffer that counts against the socket's send buffer, and by default
// sends 32 at a call. Both limits are raised where the kernel lets us; where it does not, it takes more calls.
void Socket::SetSending(uint32_t entries) {
  if (entries == 0) return;
  int bytes = kSendBuffer;
  setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
  setsockopt(fd_, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &entries, sizeof entries);
}

static int64_t MonotonicMs() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void Socket::Bind(Napi::Env env, Napi::Object options, int shared_fd) {
  struct sockaddr_xdp address;
  std::memset(&address, 0, sizeof address);
  address.sxdp_family = AF_XDP;
  address.sxdp_ifindex = static_cast<uint32_t>(IntegerOf(options, "ifindex", 1, INT32_MAX));
  address.sxdp_queue_id = static_cast<uint32_t>(IntegerOf(options, "queue", 0, INT32_MAX));
  address.sxdp_flags = static_cast<uint16_t>(IntegerOf(options, "bindFlags", 0, UINT16_MAX));
  if (shared_fd >= 0) {
    address.sxdp_flags = XDP_SHARED_UMEM;
    address.sxdp_shared_umem_fd = static_cast<uint32_t>(shared_fd);
  }
  int64_t deadline = MonotonicMs() + IntegerOf(options, "busyRetryMs", 0, 60000);
  // The kernel frees a queue from a work item after its last user has closed it: EBUSY may be about to end.
  while (bind(fd_, reinterpret_cast<struct sockaddr*>(&address), sizeof address) != 0) {
    if (errno != EBUSY || MonotonicMs() >= deadline) Fail(env, "bind", "bind", errno);
    usleep(1000);
  }
}

void Socket::Close() {
  // A finalizer may come after the environment's own data is gone; by then CloseAll() has been here.
  if (fd_ < 0) return;
  addon_->open.erase({CloseRank::kSocket, this});
  // The mappings hold the socket open as much as the descriptor does.
  if (mapped_.size != 0) RestorePlain(mapped_);
  mapped_ = {};
  close(fd_);
  fd_ = -1;
  bytes_.Reset();
  owner_.Reset();
  rings_.Reset();
}

int Socket::OpenFd(Napi::Env env) const {
  if (fd_ < 0) Fail(env, "closed", "check", EBADF);
  return fd_;
}

Napi::Value Socket::GetFd(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), fd_); }

Napi::Value Socket::GetRings(const Napi::CallbackInfo& info) {
  OpenFd(info.Env());
  return rings_.Value();
}

Napi::Value Socket::Options(const Napi::CallbackInfo& info) {
  struct xdp_options options = {};
  socklen_t length = sizeof options;
  if (getsockopt(OpenFd(info.Env()), SOL_XDP, XDP_OPTIONS, &options, &length) != 0) {
    Fail(info.Env(), "options", "getsockopt", errno);
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("zerocopy", Napi::Boolean::New(info.Env(), (options.flags & XDP_OPTIONS_ZEROCOPY) != 0));
  return result;
}

Napi::Value Socket::Statistics(const Napi::CallbackInfo& info) {
  struct xdp_statistics counts = {};
  socklen_t length = sizeof counts;
  if (getsockopt(OpenFd(info.Env()), SOL_XDP, XDP_STATISTICS, &counts, &length) != 0) {
    Fail(info.Env(), "statistics", "getsockopt", errno);
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("rx_dropped", static_cast<double>(counts.rx_dropped));
  result.Set("rx_invalid_descs", static_cast<double>(counts.rx_invalid_descs));
  result.Set("tx_invalid_descs", static_cast<double>(counts.tx_invalid_descs));
  result.Set("rx_ring_full", static_cast<double>(counts.rx_ring_full));
  result.Set("rx_fill_ring_empty_descs", static_cast<double>(counts.rx_fill_ring_empty_descs));
  result.Set("tx_ring_empty_descs", static_cast<double>(counts.tx_ring_empty_descs));
  return result;
}

// A wake-up that finds nothing to do, a busy or full queue, or an interface that is down for the time being,
// is no failure: the caller comes again.
static void CheckWake(Napi::Env env, ssize_t result, const char* syscall) {
  if (result >= 0) return;
  for (int harmless : {EAGAIN, EBUSY, ENOBUFS, EINTR, ENETDOWN}) {
    if (errno == harmless) return;
  }
  Fail(env, "wake", syscall, errno);
}

void Socket::WakeRx(const Napi::CallbackInfo& info) {
  int fd = OpenFd(info.Env());
  CheckWake(info.Env(), recvfrom(fd, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr), "recvfrom");
}

void Socket::WakeTx(const Napi::CallbackInfo& info) {
  int fd = OpenFd(info.Env());
  CheckWake(info.Env(), sendto(fd, nullptr, 0, MSG_DONTWAIT, nullptr, 0), "sendto");
}

// The kernel unbinds a socket whose interface goes away. poll() then waits in vain and says nothing; the
// error is left on the socket, to be read once.
int Socket::PendingError(int fd) {
  if (gone_ != 0) return gone_;
  socklen_t length = sizeof gone_;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &gone_, &length);
  return gone_;
}

Napi::Value Socket::Poll(const Napi::CallbackInfo& info) {
  struct pollfd request = {OpenFd(info.Env()), POLLIN, 0};
  int timeout = static_cast<int>(IntegerArgument(info, 0, "timeoutMs", -1, INT32_MAX));
  int ready = poll(&request, 1, timeout);
  if (ready < 0 && errno != EINTR) Fail(info.Env(), "wake", "poll", errno);
  bool frames = ready > 0 && (request.revents & POLLIN) != 0;
  if (!frames) {
    int pending = PendingError(request.fd);
    if (pending != 0) Fail(info.Env(), "gone", "poll", pending);
  }
  return Napi::Boolean::New(info.Env(), frames);
}

void Socket::CloseCall(const Napi::CallbackInfo&) { Close(); }

// wakeRxFd(fd): for a thread that has the rings but not the object of a socket.
static void WakeRxFd(const Napi::CallbackInfo& info) {
  int fd = static_cast<int>(IntegerArgument(info, 0, "fd", 0, INT32_MAX));
  CheckWake(info.Env(), recvfrom(fd, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr), "recvfrom");
}

// wakeTxFd(fd): 0, or the errno of a failure that passes.
static Napi::Value WakeTxFd(const Napi::CallbackInfo& info) {
  int fd = static_cast<int>(IntegerArgument(info, 0, "fd", 0, INT32_MAX));
  ssize_t result = sendto(fd, nullptr, 0, MSG_DONTWAIT, nullptr, 0);
  int err = result >= 0 ? 0 : errno;
  CheckWake(info.Env(), result, "sendto");
  return Napi::Number::New(info.Env(), err);
}

// waitForFrames(fds, microseconds): how many of the sockets have frames.
static Napi::Value WaitForFrames(const Napi::CallbackInfo& info) {
  if (!info[0].IsArray()) FailArgument(info.Env(), "fds must be an array");
  Napi::Array fds = info[0].As<Napi::Array>();
  struct pollfd requests[kMaxWait];
  if (fds.Length() > kMaxWait) FailArgument(info.Env(), "too many sockets to wait for");
  for (uint32_t i = 0; i < fds.Length(); i++) {
    requests[i] = {fds.Get(i).ToNumber().Int32Value(), POLLIN, 0};
  }
  int64_t microseconds = IntegerArgument(info, 1, "microseconds", 0, INT32_MAX);
  struct timespec limit = {microseconds / 1000000, microseconds % 1000000 * 1000};
  int ready = ppoll(requests, fds.Length(), &limit, nullptr);
  if (ready < 0 && errno != EINTR) Fail(info.Env(), "wake", "ppoll", errno);
  return Napi::Number::New(info.Env(), ready < 0 ? 0 : ready);
}

// spareSocket(bytes, {offset, size, chunkSize, headroom}, busyPollUsecs, busyPollBudget): the descriptor of a socket
// with that UMEM and no rings.
static Napi::Value SpareSocket(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[1].IsObject()) FailArgument(env, "umem must be an object");
  const Umem umem = Umem::From(env, info[0], info[1].As<Napi::Object>());
  int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) Fail(env, "socket", "socket", errno);
  try {
    umem.Register(env, fd);
    SetBusyPoll(env, fd, static_cast<int>(IntegerArgument(info, 2, "busyPollUsecs", 0, INT32_MAX)),
                static_cast<int>(IntegerArgument(info, 3, "busyPollBudget", 0, UINT16_MAX)));
  } catch (...) {
    close(fd);
    throw;
  }
  return Napi::Number::New(env, fd);
}

void InitSocket(Napi::Env env, Napi::Object exports) {
  exports.Set("spareSocket", Napi::Function::New(env, SpareSocket, "spareSocket"));
  exports.Set("Socket", Socket::Define(env));
  exports.Set("wakeRxFd", Napi::Function::New(env, WakeRxFd, "wakeRxFd"));
  exports.Set("wakeTxFd", Napi::Function::New(env, WakeTxFd, "wakeTxFd"));
  exports.Set("waitForFrames", Napi::Function::New(env, WaitForFrames, "waitForFrames"));
}

}  // namespace xdp
