// What a driver says of its hardware beyond what capturing needs: firmware, speed, ring sizes, channels, coalescing, and how
// it spreads packets over its queues. All of it read, nothing set; no privilege needed.
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

// Entries of an indirection table, and words of link modes: a driver that claims more is not asked.
constexpr uint32_t kIndirectionMax = 1u << 16;
constexpr int kLinkModeWordsMax = 64;

void SetText(Napi::Object result, const char* name, const char* field, size_t size) {
  size_t length = strnlen(field, size);
  if (length > 0) result.Set(name, Napi::String::New(result.Env(), field, length));
}

void AddDriver(Ethtool& device, Napi::Object result) {
  ethtool_drvinfo driver = {};
  driver.cmd = ETHTOOL_GDRVINFO;
  if (!device.Ask(&driver)) return;
  SetText(result, "version", driver.version, sizeof driver.version);
  SetText(result, "firmware", driver.fw_version, sizeof driver.fw_version);
}

// speedMbps: absent where the link has none (down, or a virtual device that does not say).
void AddSpeed(Ethtool& device, Napi::Object result) {
  // The kernel first tells how long its bitmaps are (as a negative number), then fills them in.
  std::vector<uint32_t> room(sizeof(ethtool_link_settings) / 4 + 3 * kLinkModeWordsMax + 1);
  auto* link = reinterpret_cast<ethtool_link_settings*>(room.data());
  link->cmd = ETHTOOL_GLINKSETTINGS;
  if (!device.Ask(link) || link->link_mode_masks_nwords >= 0) return;
  int words = -link->link_mode_masks_nwords;
  if (words > kLinkModeWordsMax) return;
  std::fill(room.begin(), room.end(), 0);
  link->cmd = ETHTOOL_GLINKSETTINGS;
  link->link_mode_masks_nwords = static_cast<int8_t>(words);
  if (!device.Ask(link) || link->speed == 0 || link->speed == static_cast<uint32_t>(SPEED_UNKNOWN)) return;
  result.Set("speedMbps", link->speed);
}

void AddRings(Ethtool& device, Napi::Object result) {
  ethtool_ringparam rings = {};
  rings.cmd = ETHTOOL_GRINGPARAM;
  if (!device.Ask(&rings)) return;
  Napi::Object each = Napi::Object::New(result.Env());
  each.Set("rx", rings.rx_pending);
  each.Set("rxMax", rings.rx_max_pending);
  each.Set("tx", rings.tx_pending);
  each.Set("txMax", rings.tx_max_pending);
  result.Set("rings", each);
}

void AddChannels(Ethtool& device, Napi::Object result) {
  ethtool_channels channels = {};
  channels.cmd = ETHTOOL_GCHANNELS;
  if (!device.Ask(&channels)) return;
  Napi::Object most = Napi::Object::New(result.Env());
  most.Set("rx", channels.max_rx);
  most.Set("tx", channels.max_tx);
  most.Set("combined", channels.max_combined);
  result.Set("channelsMax", most);
}

void AddCoalescing(Ethtool& device, Napi::Object result) {
  ethtool_coalesce coalesce = {};
  coalesce.cmd = ETHTOOL_GCOALESCE;
  if (!device.Ask(&coalesce)) return;
  Napi::Object each = Napi::Object::New(result.Env());
  each.Set("rxUsecs", coalesce.rx_coalesce_usecs);
  each.Set("rxFrames", coalesce.rx_max_coalesced_frames);
  each.Set("adaptiveRx", Napi::Boolean::New(result.Env(), coalesce.use_adaptive_rx_coalesce != 0));
  result.Set("coalescing", each);
}

// rss: {entries, queues: queue numbers that the indirection table names, keyBytes}
void AddRss(Ethtool& device, Napi::Object result) {
  ethtool_rxfh sizes = {};
  sizes.cmd = ETHTOOL_GRSSH;
  if (!device.Ask(&sizes) || sizes.indir_size == 0 || sizes.indir_size > kIndirectionMax) return;
  if (sizes.key_size > kIndirectionMax) return;
  std::vector<uint32_t> room(sizeof(ethtool_rxfh) / 4 + sizes.indir_size + (sizes.key_size + 3) / 4);
  auto* table = reinterpret_cast<ethtool_rxfh*>(room.data());
  table->cmd = ETHTOOL_GRSSH;
  table->indir_size = sizes.indir_size;
  table->key_size = sizes.key_size;
  if (!device.Ask(table)) return;
  std::vector<uint32_t> queues(table->rss_config, table->rss_config + sizes.indir_size);
  std::sort(queues.begin(), queues.end());
  queues.erase(std::unique(queues.begin(), queues.end()), queues.end());
  Napi::Object rss = Napi::Object::New(result.Env());
  Napi::Array numbers = Napi::Array::New(result.Env());
  for (uint32_t queue : queues) numbers.Set(numbers.Length(), queue);
  rss.Set("entries", sizes.indir_size);
  rss.Set("queues", numbers);
  rss.Set("keyBytes", sizes.key_size);
  result.Set("rss", rss);
}

// flowHash: {tcp4: ["source", ...]}: the fields that choose a packet's queue, per protocol the driver answers for.
void AddFlowHash(Ethtool& device, Napi::Object result) {
  struct Flow {
    const char* name;
    uint32_t type;
  };
  static const Flow kFlows[] = {
      {"tcp4", TCP_V4_FLOW}, {"udp4", UDP_V4_FLOW}, {"tcp6", TCP_V6_FLOW}, {"udp6", UDP_V6_FLOW}};
  struct Field {
    const char* name;
    uint64_t bit;
  };
  static const Field kFields[] = {{"vlan", RXH_VLAN},         {"source", RXH_IP_SRC},
                                  {"destination", RXH_IP_DST}, {"source-port", RXH_L4_B_0_1},
                                  {"destination-port", RXH_L4_B_2_3}};
  Napi::Object hash = Napi::Object::New(result.Env());
  bool answered = false;
  for (const Flow& flow : kFlows) {
    ethtool_rxnfc ask = {};
    ask.cmd = ETHTOOL_GRXFH;
    ask.flow_type = flow.type;
    if (!device.Ask(&ask)) continue;
    answered = true;
    Napi::Array names = Napi::Array::New(result.Env());
    for (const Field& field : kFields) {
      if ((ask.data & field.bit) != 0) names.Set(names.Length(), field.name);
    }
    hash.Set(flow.name, names);
  }
  if (answered) result.Set("flowHash", hash);
}

// ethtoolDetails(name): what the driver does not answer is absent.
Napi::Value AskDetails(const Napi::CallbackInfo& info) {
  Ethtool device(info.Env(), info[0].ToString().Utf8Value());
  Napi::Object result = Napi::Object::New(info.Env());
  AddDriver(device, result);
  AddSpeed(device, result);
  AddRings(device, result);
  AddChannels(device, result);
  AddCoalescing(device, result);
  AddRss(device, result);
  AddFlowHash(device, result);
  return result;
}

}  // namespace

void InitEthtoolDetails(Napi::Env env, Napi::Object exports) {
  exports.Set("ethtoolDetails", Napi::Function::New(env, AskDetails, "ethtoolDetails"));
}

}  // namespace xdp
