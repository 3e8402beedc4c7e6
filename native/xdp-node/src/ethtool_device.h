// One device of the ethtool ioctl.
#pragma once
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <napi.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "error.h"

namespace xdp {

class Ethtool {
 public:
  Ethtool(Napi::Env env, const std::string& name) : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    if (fd_ < 0) Fail(env, "query", "socket", errno);
    std::memset(&request_, 0, sizeof request_);
    std::strncpy(request_.ifr_name, name.c_str(), IFNAMSIZ - 1);
  }
  ~Ethtool() { close(fd_); }
  Ethtool(const Ethtool&) = delete;
  Ethtool& operator=(const Ethtool&) = delete;

  // Whether the driver answered; `command` begins with its number and receives the answer.
  bool Ask(void* command) {
    request_.ifr_data = static_cast<char*>(command);
    return ioctl(fd_, SIOCETHTOOL, &request_) == 0;
  }

 private:
  int fd_;
  ifreq request_;
};

}  // namespace xdp
