// Telling the service manager: one datagram to the socket that it names in NOTIFY_SOCKET (sd_notify's protocol).
#include <napi.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <string>

#include "addon.h"
#include "error.h"

namespace xdp {

// How long a full queue of the service manager may hold the caller up.
constexpr struct timeval kPatience = {1, 0};

// The socket, for good: a process that is confined cannot make another. It is connected to nobody, so nothing about it
// grows stale when the manager starts anew. Threads share it: sending is one call.
std::once_flag opened;
int notify_fd = -1;

static int OpenSocket() {
  std::call_once(opened, [] {
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      notify_fd = -errno;
      return;
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
    notify_fd = fd;
  });
  return notify_fd;
}

// openNotify(): makes the socket; answers errno.
static Napi::Value OpenNotify(const Napi::CallbackInfo& info) {
  int fd = OpenSocket();
  return Napi::Number::New(info.Env(), fd < 0 ? -fd : 0);
}

// notify(path, state): `path` as in NOTIFY_SOCKET, a leading @ stands for the abstract namespace. Answers errno, 0 when
// it was sent.
static Napi::Value Notify(const Napi::CallbackInfo& info) {
  std::string path = info[0].ToString().Utf8Value();
  std::string state = info[1].ToString().Utf8Value();
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() < 2 || path.size() >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) {
    FailArgument(info.Env(), "a notify socket is an absolute path or an abstract name");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  // Abstract names have a length instead of a closing zero.
  if (path[0] == '@') address.sun_path[0] = '\0';
  auto length = static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) + path.size());
  int fd = OpenSocket();
  if (fd < 0) return Napi::Number::New(info.Env(), -fd);
  auto* to = reinterpret_cast<struct sockaddr*>(&address);
  ssize_t sent = sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, to, length);
  return Napi::Number::New(info.Env(), sent < 0 ? errno : 0);
}

void InitNotify(Napi::Env env, Napi::Object exports) {
  exports.Set("openNotify", Napi::Function::New(env, OpenNotify, "openNotify"));
  exports.Set("notify", Napi::Function::New(env, Notify, "notify"));
}

}  // namespace xdp
