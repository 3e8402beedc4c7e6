// What rtnetlink messages say of an interface.
#pragma once
#include <linux/rtnetlink.h>
#include <napi.h>

#include <string>

namespace xdp {

// The counters of an IFLA_STATS64 attribute, by the kernel's names.
Napi::Object CountersOf(Napi::Env env, const rtattr* attribute);

// The kind of a virtual interface ("veth", "bond") out of an IFLA_LINKINFO attribute; "" for hardware.
std::string KindOf(const rtattr* attribute);

}  // namespace xdp
