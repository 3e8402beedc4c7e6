// What a driver says of itself: name, channels, offload features.
#include <linux/ethtool.h>
#include <napi.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "addon.h"
#include "ethtool_device.h"

namespace xdp {

namespace {

// Strings the kernel could not need; a driver that claims more is cut here.
constexpr uint32_t kFeaturesMax = 1024;

// A field that ends in a zero byte unless it is full.
Napi::String Text(Napi::Env env, const char* field, size_t size) {
  return Napi::String::New(env, field, strnlen(field, size));
}

uint32_t CountFeatures(Ethtool& device) {
  // ethtool_sset_info ends in an array that has one word for each bit set in the mask.
  alignas(ethtool_sset_info) uint8_t room[sizeof(ethtool_sset_info) + sizeof(uint32_t)] = {};
  auto* ask = reinterpret_cast<ethtool_sset_info*>(room);
  ask->cmd = ETHTOOL_GSSET_INFO;
  ask->sset_mask = 1ull << ETH_SS_FEATURES;
  if (!device.Ask(ask) || ask->sset_mask == 0) return 0;
  return std::min(ask->data[0], kFeaturesMax);
}

// features: {"rx-lro": true, ...}, whether each is active, by the kernel's names; fixed: names of those that nobody can
// switch. Both empty when the driver does not say.
void SetFeatures(Napi::Env env, Ethtool& device, Napi::Object result) {
  Napi::Object features = Napi::Object::New(env);
  Napi::Array fixed = Napi::Array::New(env);
  result.Set("features", features);
  result.Set("fixed", fixed);
  uint32_t count = CountFeatures(device);
  if (count == 0) return;
  // Whole words of 4 bytes, so that both structures are aligned.
  std::vector<uint32_t> names_room((sizeof(ethtool_gstrings) + count * ETH_GSTRING_LEN + 3) / 4);
  auto* names = reinterpret_cast<ethtool_gstrings*>(names_room.data());
  names->cmd = ETHTOOL_GSTRINGS;
  names->string_set = ETH_SS_FEATURES;
  names->len = count;
  uint32_t blocks = (count + 31) / 32;
  size_t state_bytes = sizeof(ethtool_gfeatures) + blocks * sizeof(ethtool_get_features_block);
  std::vector<uint32_t> state_room(state_bytes / 4);
  auto* state = reinterpret_cast<ethtool_gfeatures*>(state_room.data());
  state->cmd = ETHTOOL_GFEATURES;
  state->size = blocks;
  if (!device.Ask(names) || !device.Ask(state)) return;
  for (uint32_t i = 0; i < std::min(count, names->len); i++) {
    const char* name = reinterpret_cast<const char*>(names->data) + i * ETH_GSTRING_LEN;
    size_t length = strnlen(name, ETH_GSTRING_LEN);
    if (length == 0) continue;
    const ethtool_get_features_block& block = state->features[i / 32];
    uint32_t bit = 1u << i % 32;
    Napi::String text = Napi::String::New(env, name, length);
    features.Set(text, Napi::Boolean::New(env, (block.active & bit) != 0));
    if ((block.available & ~block.never_changed & bit) == 0) fixed.Set(fixed.Length(), text);
  }
}

// ethtool(name): {driver?, bus?, channels?: {rx, tx, combined}, features, fixed}; what the driver does not answer is
// absent.
Napi::Value AskEthtool(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Ethtool device(env, info[0].ToString().Utf8Value());
  Napi::Object result = Napi::Object::New(env);
  ethtool_drvinfo driver = {};
  driver.cmd = ETHTOOL_GDRVINFO;
  if (device.Ask(&driver)) {
    result.Set("driver", Text(env, driver.driver, sizeof driver.driver));
    result.Set("bus", Text(env, driver.bus_info, sizeof driver.bus_info));
  }
  ethtool_channels channels = {};
  channels.cmd = ETHTOOL_GCHANNELS;
  if (device.Ask(&channels)) {
    Napi::Object counts = Napi::Object::New(env);
    counts.Set("rx", channels.rx_count);
    counts.Set("tx", channels.tx_count);
    counts.Set("combined", channels.combined_count);
    result.Set("channels", counts);
  }
  SetFeatures(env, device, result);
  return result;
}

}  // namespace

void InitEthtool(Napi::Env env, Napi::Object exports) {
  exports.Set("ethtool", Napi::Function::New(env, AskEthtool, "ethtool"));
}

}  // namespace xdp
