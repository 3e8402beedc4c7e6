// What one environment (the main thread or one worker) owns of this addon. Nothing here is shared between
// threads: each worker that loads the addon gets its own.
#pragma once
#include <napi.h>

#include <set>
#include <utility>

namespace xdp {

// The order in which an environment closes what is left open: sockets before links, because a driver may
// still be using a socket's buffers while its program is being removed.
enum class CloseRank { kSocket, kLink, kProgram };

class Closable {
 public:
  virtual ~Closable() = default;
  virtual void Close() = 0;
};

struct Addon {
  std::set<std::pair<CloseRank, Closable*>> open;

  static Addon* Of(Napi::Env env) { return env.GetInstanceData<Addon>(); }
  void CloseAll();
};

void InitBacking(Napi::Env env, Napi::Object exports);
void InitCapabilities(Napi::Env env, Napi::Object exports);
void InitEthtool(Napi::Env env, Napi::Object exports);
void InitEthtoolDetails(Napi::Env env, Napi::Object exports);
void InitFileLock(Napi::Env env, Napi::Object exports);
void InitLandlock(Napi::Env env, Napi::Object exports);
void InitLink(Napi::Env env, Napi::Object exports);
void InitLinks(Napi::Env env, Napi::Object exports);
void InitMemory(Napi::Env env, Napi::Object exports);
void InitNeighbours(Napi::Env env, Napi::Object exports);
void InitNetlink(Napi::Env env, Napi::Object exports);
void InitNotify(Napi::Env env, Napi::Object exports);
void InitProbe(Napi::Env env, Napi::Object exports);
void InitProgram(Napi::Env env, Napi::Object exports);
void InitResources(Napi::Env env, Napi::Object exports);
void InitRingBuffer(Napi::Env env, Napi::Object exports);
void InitSeccomp(Napi::Env env, Napi::Object exports);
void InitSocket(Napi::Env env, Napi::Object exports);
void InitStanding(Napi::Env env, Napi::Object exports);
void InitThread(Napi::Env env, Napi::Object exports);
void InitUring(Napi::Env env, Napi::Object exports);

}  // namespace xdp
