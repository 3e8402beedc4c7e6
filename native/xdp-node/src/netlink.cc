// One rtnetlink question: what is this interface, and what has it counted?
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <napi.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "addon.h"
#include "error.h"
#include "netlink.h"

namespace xdp {

namespace {

struct Counter {
  const char* name;
  size_t offset;
};

#define LINK_COUNTER(field) {#field, offsetof(rtnl_link_stats64, field)}
const Counter kCounters[] = {
    LINK_COUNTER(rx_packets),       LINK_COUNTER(tx_packets),      LINK_COUNTER(rx_bytes),
    LINK_COUNTER(tx_bytes),         LINK_COUNTER(rx_errors),       LINK_COUNTER(tx_errors),
    LINK_COUNTER(rx_dropped),       LINK_COUNTER(tx_dropped),      LINK_COUNTER(multicast),
    LINK_COUNTER(rx_length_errors), LINK_COUNTER(rx_over_errors),  LINK_COUNTER(rx_crc_errors),
    LINK_COUNTER(rx_frame_errors),  LINK_COUNTER(rx_fifo_errors),  LINK_COUNTER(rx_missed_errors),
    LINK_COUNTER(tx_fifo_errors),   LINK_COUNTER(tx_carrier_errors), LINK_COUNTER(rx_nohandler),
};
#undef LINK_COUNTER

// A descriptor that closes itself.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

// RTM_GETLINK for one interface; the whole answer, checked to be an RTM_NEWLINK. Throws.
std::vector<uint8_t> AskLink(Napi::Env env, int ifindex) {
  Descriptor socket_{socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
  if (socket_.fd < 0) Fail(env, "query", "socket", errno);
  struct {
    nlmsghdr header;
    ifinfomsg body;
  } request = {};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.header.nlmsg_seq = 1;
  request.body.ifi_family = AF_UNSPEC;
  request.body.ifi_index = ifindex;
  if (send(socket_.fd, &request, sizeof request, 0) < 0) Fail(env, "query", "send", errno);

  std::vector<uint8_t> answer(64 * 1024);
  ssize_t length = recv(socket_.fd, answer.data(), answer.size(), 0);
  if (length < 0) Fail(env, "query", "recv", errno);
  answer.resize(static_cast<size_t>(length));
  auto* header = reinterpret_cast<nlmsghdr*>(answer.data());
  if (!NLMSG_OK(header, answer.size())) Fail(env, "query", "recv", EBADMSG);
  if (header->nlmsg_type == NLMSG_ERROR) {
    if (header->nlmsg_len < NLMSG_LENGTH(sizeof(nlmsgerr))) Fail(env, "query", "recv", EBADMSG);
    Fail(env, "query", "recv", -static_cast<nlmsgerr*>(NLMSG_DATA(header))->error);
  }
  if (header->nlmsg_type != RTM_NEWLINK || header->nlmsg_len < NLMSG_LENGTH(sizeof(ifinfomsg))) {
    Fail(env, "query", "recv", EBADMSG);
  }
  return answer;
}

}  // namespace

Napi::Object CountersOf(Napi::Env env, const rtattr* attribute) {
  // Older kernels send a shorter structure, newer ones a longer one: take the members that are there.
  rtnl_link_stats64 counts = {};
  size_t length = std::min(sizeof counts, static_cast<size_t>(RTA_PAYLOAD(attribute)));
  std::memcpy(&counts, RTA_DATA(attribute), length);
  Napi::Object result = Napi::Object::New(env);
  for (const Counter& counter : kCounters) {
    if (counter.offset + sizeof(uint64_t) > length) continue;
    uint64_t value;
    std::memcpy(&value, reinterpret_cast<uint8_t*>(&counts) + counter.offset, sizeof value);
    result.Set(counter.name, static_cast<double>(value));
  }
  return result;
}

std::string KindOf(const rtattr* attribute) {
  int left = static_cast<int>(RTA_PAYLOAD(attribute));
  for (auto* each = static_cast<rtattr*>(RTA_DATA(attribute)); RTA_OK(each, left); each = RTA_NEXT(each, left)) {
    if (each->rta_type != IFLA_INFO_KIND) continue;
    auto* text = static_cast<const char*>(RTA_DATA(each));
    return std::string(text, strnlen(text, RTA_PAYLOAD(each)));
  }
  return "";
}

namespace {

double Word(const rtattr* attribute) {
  uint32_t value = 0;
  size_t length = std::min(sizeof value, static_cast<size_t>(RTA_PAYLOAD(attribute)));
  std::memcpy(&value, RTA_DATA(attribute), length);
  return value;
}

// linkInfo(ifindex): {mtu, up, running, loopback, promiscuous, rxQueues, txQueues, kind?, master?: ifindex, counters};
// promiscuous counts who asked for it.
Napi::Value LinkInfo(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::vector<uint8_t> answer =
      AskLink(env, static_cast<int>(IntegerArgument(info, 0, "ifindex", 1, INT32_MAX)));
  auto* header = reinterpret_cast<nlmsghdr*>(answer.data());
  auto* body = static_cast<ifinfomsg*>(NLMSG_DATA(header));
  Napi::Object result = Napi::Object::New(env);
  result.Set("up", Napi::Boolean::New(env, (body->ifi_flags & IFF_UP) != 0));
  result.Set("running", Napi::Boolean::New(env, (body->ifi_flags & IFF_RUNNING) != 0));
  result.Set("loopback", Napi::Boolean::New(env, (body->ifi_flags & IFF_LOOPBACK) != 0));
  result.Set("promiscuous", (body->ifi_flags & IFF_PROMISC) != 0 ? 1 : 0);
  int left = static_cast<int>(IFLA_PAYLOAD(header));
  for (rtattr* each = IFLA_RTA(body); RTA_OK(each, left); each = RTA_NEXT(each, left)) {
    switch (each->rta_type) {
      case IFLA_MTU: result.Set("mtu", Word(each)); break;
      case IFLA_NUM_RX_QUEUES: result.Set("rxQueues", Word(each)); break;
      case IFLA_NUM_TX_QUEUES: result.Set("txQueues", Word(each)); break;
      case IFLA_MASTER: result.Set("master", Word(each)); break;
      case IFLA_PROMISCUITY: result.Set("promiscuous", Word(each)); break;
      case IFLA_LINKINFO: {
        std::string kind = KindOf(each);
        if (!kind.empty()) result.Set("kind", kind);
        break;
      }
      case IFLA_STATS64: result.Set("counters", CountersOf(env, each)); break;
      default: break;
    }
  }
  return result;
}

// interfaceIndex(name): the index, 0 when there is no such interface here.
Napi::Value InterfaceIndex(const Napi::CallbackInfo& info) {
  std::string name = info[0].ToString().Utf8Value();
  return Napi::Number::New(info.Env(), name.size() < IFNAMSIZ ? if_nametoindex(name.c_str()) : 0);
}

// addresses(name): the IPv4 and IPv6 addresses of an interface as text, link-local ones included.
Napi::Value Addresses(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string name = info[0].ToString().Utf8Value();
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) Fail(env, "query", "getifaddrs", errno);
  Napi::Array result = Napi::Array::New(env);
  for (ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || name != each->ifa_name) continue;
    const void* bytes = nullptr;
    int family = each->ifa_addr->sa_family;
    if (family == AF_INET) bytes = &reinterpret_cast<sockaddr_in*>(each->ifa_addr)->sin_addr;
    if (family == AF_INET6) bytes = &reinterpret_cast<sockaddr_in6*>(each->ifa_addr)->sin6_addr;
    char text[INET6_ADDRSTRLEN];
    if (bytes == nullptr || inet_ntop(family, bytes, text, sizeof text) == nullptr) continue;
    result.Set(result.Length(), text);
  }
  freeifaddrs(first);
  return result;
}

}  // namespace

void InitNetlink(Napi::Env env, Napi::Object exports) {
  exports.Set("linkInfo", Napi::Function::New(env, LinkInfo, "linkInfo"));
  exports.Set("interfaceIndex", Napi::Function::New(env, InterfaceIndex, "interfaceIndex"));
  exports.Set("addresses", Napi::Function::New(env, Addresses, "addresses"));
}

}  // namespace xdp
