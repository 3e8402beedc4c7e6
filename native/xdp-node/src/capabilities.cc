#include <napi.h>

#include "addon.h"

namespace xdp {

void InitCapabilities(Napi::Env, Napi::Object) {}

}  // namespace xdp
