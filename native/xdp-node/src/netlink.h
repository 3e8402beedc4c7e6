// What rtnetlink messages say of an interface.
#pragma once
#include <linux/rtnetlink.h>
#include <napi.h>

namespace xdp {

// The counters of an IFLA_STATS64 attribute, by the kernel's names.
Napi::Object CountersOf(Napi::Env env, const rtattr* attribute);

}  // namespace xdp
