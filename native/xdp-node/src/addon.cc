#include "addon.h"

namespace xdp {

void Addon::CloseAll() {
  // Close() removes its object from the set.
  while (!open.empty()) {
    Closable* handle = open.begin()->second;
    open.erase(open.begin());
    handle->Close();
  }
}

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* addon = new Addon();
  env.SetInstanceData<Addon>(addon);
  // Hooks run before the finalizers of the environment, which come in no useful order.
  env.AddCleanupHook([](Addon* left) { left->CloseAll(); }, addon);
  InitBacking(env, exports);
  InitCapabilities(env, exports);
  InitEthtool(env, exports);
  InitEthtoolDetails(env, exports);
  InitFileLock(env, exports);
  InitLandlock(env, exports);
  InitLink(env, exports);
  InitLinks(env, exports);
  InitMemory(env, exports);
  InitNeighbours(env, exports);
  InitNetlink(env, exports);
  InitNotify(env, exports);
  InitProbe(env, exports);
  InitProgram(env, exports);
  InitResources(env, exports);
  InitRingBuffer(env, exports);
  InitSeccomp(env, exports);
  InitSocket(env, exports);
  InitStanding(env, exports);
  InitThread(env, exports);
  InitUring(env, exports);
  return exports;
}

}  // namespace xdp

static Napi::Object InitModule(Napi::Env env, Napi::Object exports) { return xdp::Init(env, exports); }
NODE_API_MODULE(xdp_node, InitModule)
