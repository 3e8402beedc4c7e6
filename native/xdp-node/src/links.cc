// All interfaces of this network namespace at once, and hearing that one of them has come, gone or changed.
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <napi.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "addon.h"
#include "error.h"
#include "netlink.h"

namespace xdp {

namespace {

constexpr size_t kAnswerBytes = 256 * 1024;

// A descriptor that closes itself.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

uint32_t IndexOf(const rtattr* attribute) {
  uint32_t index = 0;
  if (RTA_PAYLOAD(attribute) >= sizeof index) std::memcpy(&index, RTA_DATA(attribute), sizeof index);
  return index;
}

Napi::Object EntryOf(Napi::Env env, const nlmsghdr* header) {
  auto* body = static_cast<const ifinfomsg*>(NLMSG_DATA(const_cast<nlmsghdr*>(header)));
  Napi::Object entry = Napi::Object::New(env);
  entry.Set("index", body->ifi_index);
  entry.Set("type", static_cast<double>(body->ifi_type));
  entry.Set("up", Napi::Boolean::New(env, (body->ifi_flags & IFF_UP) != 0));
  entry.Set("name", "");
  entry.Set("counters", Napi::Object::New(env));
  entry.Set("kind", "");
  uint32_t below = 0;
  bool is_elsewhere = false;
  int left = static_cast<int>(IFLA_PAYLOAD(header));
  for (const rtattr* each = IFLA_RTA(body); RTA_OK(each, left); each = RTA_NEXT(each, left)) {
    if (each->rta_type == IFLA_IFNAME) {
      auto* name = static_cast<const char*>(RTA_DATA(each));
      entry.Set("name", std::string(name, strnlen(name, RTA_PAYLOAD(each))));
    }
    if (each->rta_type == IFLA_STATS64) entry.Set("counters", CountersOf(env, each));
    if (each->rta_type == IFLA_LINKINFO) entry.Set("kind", KindOf(each));
    if (each->rta_type == IFLA_MASTER) entry.Set("master", static_cast<double>(IndexOf(each)));
    if (each->rta_type == IFLA_LINK) below = IndexOf(each);
    if (each->rta_type == IFLA_LINK_NETNSID) is_elsewhere = true;
  }
  if (below != 0 && !is_elsewhere) entry.Set("below", static_cast<double>(below));
  return entry;
}

// Appends the interfaces of one datagram. False when it holds the end of the dump. Throws.
bool Append(Napi::Env env, const uint8_t* bytes, size_t length, Napi::Array list) {
  auto left = static_cast<uint32_t>(length);
  for (auto* each = reinterpret_cast<const nlmsghdr*>(bytes); NLMSG_OK(each, left);
       each = NLMSG_NEXT(const_cast<nlmsghdr*>(each), left)) {
    if (each->nlmsg_type == NLMSG_DONE) return false;
    if (each->nlmsg_type == NLMSG_ERROR) {
      if (each->nlmsg_len < NLMSG_LENGTH(sizeof(nlmsgerr))) Fail(env, "query", "recv", EBADMSG);
      auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(const_cast<nlmsghdr*>(each)));
      Fail(env, "query", "recv", -error->error);
    }
    if (each->nlmsg_type != RTM_NEWLINK || each->nlmsg_len < NLMSG_LENGTH(sizeof(ifinfomsg))) continue;
    list.Set(list.Length(), EntryOf(env, each));
  }
  return true;
}

// links(): [{index, name, kind, type, up, master?: index, below?: index, counters}]; below: of this network namespace.
Napi::Value Links(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Descriptor socket_{socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
  if (socket_.fd < 0) Fail(env, "query", "socket", errno);
  struct {
    nlmsghdr header;
    ifinfomsg body;
  } request = {};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.header.nlmsg_seq = 1;
  request.body.ifi_family = AF_UNSPEC;
  if (send(socket_.fd, &request, sizeof request, 0) < 0) Fail(env, "query", "send", errno);
  Napi::Array list = Napi::Array::New(env);
  std::vector<uint8_t> answer(kAnswerBytes);
  for (;;) {
    ssize_t length = recv(socket_.fd, answer.data(), answer.size(), 0);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) Fail(env, "query", "recv", errno);
    if (length == 0 || !Append(env, answer.data(), static_cast<size_t>(length), list)) return list;
  }
}

// Hears of changes through the kernel's notifications; what has changed is asked with links(), so that a
// notification that was lost (ENOBUFS) costs nothing.
class LinkWatch : public Napi::ObjectWrap<LinkWatch>, public Closable {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "LinkWatch",
                       {InstanceMethod<&LinkWatch::Changed>("changed"),
                        InstanceMethod<&LinkWatch::CloseCall>("close")});
  }

  explicit LinkWatch(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<LinkWatch>(info), addon_(Addon::Of(info.Env())) {
    fd_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd_ < 0) Fail(info.Env(), "query", "socket", errno);
    sockaddr_nl address = {};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK;
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      int err = errno;
      close(fd_);
      fd_ = -1;
      Fail(info.Env(), "query", "bind", err);
    }
    addon_->open.insert({CloseRank::kSocket, this});
  }

  ~LinkWatch() override { Close(); }

  void Close() override {
    if (fd_ < 0) return;
    addon_->open.erase({CloseRank::kSocket, this});
    close(fd_);
    fd_ = -1;
  }

 private:
  // Reads away what waits, a bounded number of messages.
  Napi::Value Changed(const Napi::CallbackInfo& info) {
    bool changed = false;
    uint8_t message[8192];
    for (int i = 0; i < 4096 && fd_ >= 0; i++) {
      ssize_t length = recv(fd_, message, sizeof message, MSG_TRUNC);
      if (length < 0 && errno == EAGAIN) break;
      changed = true;
    }
    return Napi::Boolean::New(info.Env(), changed);
  }

  void CloseCall(const Napi::CallbackInfo&) { Close(); }

  Addon* addon_;
  int fd_ = -1;
};

}  // namespace

void InitLinks(Napi::Env env, Napi::Object exports) {
  exports.Set("links", Napi::Function::New(env, Links, "links"));
  exports.Set("LinkWatch", LinkWatch::Define(env));
}

}  // namespace xdp
