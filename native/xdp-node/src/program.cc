#include "program.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <vector>

#include "error.h"
#include "kernel.h"
#include "memory.h"

namespace xdp {

// libbpf's print callback is one per process; what it prints belongs to the thread that called libbpf.
static thread_local std::string libbpf_log;
constexpr size_t kLogMax = 32 * 1024;
constexpr size_t kLineMax = 1024 * 1024;

static int KeepLog(enum libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(nullptr, 0, format, again);
  va_end(again);
  if (length <= 0) return length;
  std::vector<char> line(std::min(static_cast<size_t>(length), kLineMax) + 1);
  vsnprintf(line.data(), line.size(), format, arguments);
  libbpf_log += line.data();
  // The verifier gives its reason last.
  if (libbpf_log.size() > kLogMax) libbpf_log.erase(0, libbpf_log.size() - kLogMax);
  return length;
}

Napi::Function Program::Define(Napi::Env env) {
  return DefineClass(
      env, "Program",
      {InstanceAccessor<&Program::GetFd>("fd"), InstanceMethod<&Program::FdOf>("fdOf"),
       InstanceMethod<&Program::MapInfo>("mapInfo"),
       InstanceMethod<&Program::Lookup>("lookup"), InstanceMethod<&Program::Update>("update"),
       InstanceMethod<&Program::Remove>("remove"), InstanceMethod<&Program::CloseCall>("close")});
}

Program::Program(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Program>(info), addon_(Addon::Of(info.Env())) {
  if (!info[1].IsObject()) FailArgument(info.Env(), "program options must be an object");
  libbpf_log.clear();
  try {
    Open(info.Env(), info[0], info[1].As<Napi::Object>());
  } catch (...) {
    Close();
    throw;
  }
  addon_->open.insert({CloseRank::kProgram, this});
}

Program::~Program() { Close(); }

void Program::Open(Napi::Env env, Napi::Value source, Napi::Object options) {
  if (source.IsString()) {
    object_ = bpf_object__open_file(source.As<Napi::String>().Utf8Value().c_str(), nullptr);
  } else {
    Range bytes = BytesOf(env, source, "object");
    LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "xdp_node");
    object_ = bpf_object__open_mem(bytes.start, bytes.size, &opts);
  }
  if (object_ == nullptr) Fail(env, "open-object", "bpf_object__open", errno, libbpf_log);
  Select(env, options);
  SizeMaps(env, options.Get("maps").As<Napi::Array>());
  SetConstants(env, options.Get("constants").As<Napi::Array>());
  int result = bpf_object__load(object_);
  if (result != 0) Fail(env, "load-program", "bpf", -result, libbpf_log);
}

void Program::Select(Napi::Env env, Napi::Object options) {
  bpf_program* each;
  bpf_object__for_each_program(each, object_) bpf_program__set_autoload(each, false);
  Napi::Array names = options.Get("programs").As<Napi::Array>();
  for (uint32_t i = 0; i < names.Length(); i++) {
    std::string name = names.Get(i).ToString().Utf8Value();
    bpf_program* chosen = bpf_object__find_program_by_name(object_, name.c_str());
    if (chosen == nullptr) FailArgument(env, "the object has no program " + name);
    auto type = bpf_program__type(chosen);
    if (type != BPF_PROG_TYPE_XDP && type != BPF_PROG_TYPE_SCHED_CLS) {
      FailArgument(env, name + " is neither an XDP program nor a tc classifier");
    }
    bpf_program__set_autoload(chosen, true);
    if (options.Get("frags").ToBoolean()) {
      bpf_program__set_flags(chosen, bpf_program__flags(chosen) | BPF_F_XDP_HAS_FRAGS);
    }
    if (program_ == nullptr) program_ = chosen;
  }
  if (program_ == nullptr) FailArgument(env, "name a program to load");
}

void Program::SizeMaps(Napi::Env env, Napi::Array maps) {
  for (uint32_t i = 0; i < maps.Length(); i++) {
    Napi::Array entry = maps.Get(i).As<Napi::Array>();
    std::string name = entry.Get(0u).ToString().Utf8Value();
    bpf_map* map = bpf_object__find_map_by_name(object_, name.c_str());
    if (map == nullptr) FailArgument(env, "the object has no map " + name);
    double entries = entry.Get(1u).ToNumber().DoubleValue();
    if (!(entries >= 1 && entries <= UINT32_MAX)) FailArgument(env, "maxEntries of map " + name);
    bpf_map__set_max_entries(map, static_cast<uint32_t>(entries));
  }
}

// Where a constant lies in .rodata, by the object's BTF. False when there is none of that name.
static bool FindConstant(const btf* types, const std::string& name, uint32_t* offset, uint32_t* size) {
  int section = btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC);
  if (section < 0) return false;
  const btf_type* data = btf__type_by_id(types, static_cast<uint32_t>(section));
  const btf_var_secinfo* variable = btf_var_secinfos(data);
  for (uint32_t i = 0; i < btf_vlen(data); i++, variable++) {
    const btf_type* type = btf__type_by_id(types, variable->type);
    if (name != btf__name_by_offset(types, type->name_off)) continue;
    *offset = variable->offset;
    *size = variable->size;
    return true;
  }
  return false;
}

void Program::SetConstants(Napi::Env env, Napi::Array constants) {
  if (constants.Length() == 0) return;
  size_t room = 0;
  uint8_t* values = nullptr;
  bpf_map* map;
  bpf_object__for_each_map(map, object_) {
    const char* dot = std::strchr(bpf_map__name(map), '.');
    if (dot == nullptr || std::strcmp(dot, ".rodata") != 0) continue;
    values = static_cast<uint8_t*>(const_cast<void*>(
        static_cast<const void*>(bpf_map__initial_value(map, &room))));
  }
  const btf* types = bpf_object__btf(object_);
  for (uint32_t i = 0; i < constants.Length(); i++) {
    Napi::Array entry = constants.Get(i).As<Napi::Array>();
    std::string name = entry.Get(0u).ToString().Utf8Value();
    uint32_t offset = 0;
    uint32_t size = 0;
    if (values == nullptr || types == nullptr || !FindConstant(types, name, &offset, &size) ||
        offset > room || size > room - offset) {
      FailArgument(env, "the object has no constant " + name);
    }
    if (size > sizeof(uint64_t)) FailArgument(env, "constant " + name + " is wider than 8 bytes");
    bool lossless = false;
    uint64_t value = entry.Get(1u).As<Napi::BigInt>().Uint64Value(&lossless);
    // Both this machine and the BPF object are of the same byte order: libbpf refuses others.
    size_t shift = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof value - size : 0;
    std::memcpy(values + offset, reinterpret_cast<uint8_t*>(&value) + shift, size);
  }
}

void Program::Close() {
  if (object_ == nullptr) return;
  addon_->open.erase({CloseRank::kProgram, this});
  bpf_object__close(object_);
  object_ = nullptr;
  program_ = nullptr;
}

bpf_object* Program::OpenObject(Napi::Env env) const {
  if (object_ == nullptr) Fail(env, "closed", "check", EBADF);
  return object_;
}

bpf_map* Program::MapOf(const Napi::CallbackInfo& info) const {
  std::string name = info[0].ToString().Utf8Value();
  bpf_map* map = bpf_object__find_map_by_name(OpenObject(info.Env()), name.c_str());
  if (map == nullptr) FailArgument(info.Env(), "the object has no map " + name);
  return map;
}

Napi::Value Program::GetFd(const Napi::CallbackInfo& info) {
  OpenObject(info.Env());
  return Napi::Number::New(info.Env(), bpf_program__fd(program_));
}

// fdOf(name): the descriptor of one of the programs that were loaded.
Napi::Value Program::FdOf(const Napi::CallbackInfo& info) {
  std::string name = info[0].ToString().Utf8Value();
  const bpf_program* program = bpf_object__find_program_by_name(OpenObject(info.Env()), name.c_str());
  int fd = program == nullptr ? -1 : bpf_program__fd(program);
  if (fd < 0) FailArgument(info.Env(), "no program " + name + " was loaded");
  return Napi::Number::New(info.Env(), fd);
}

static bool IsPerCpu(const bpf_map* map) {
  switch (bpf_map__type(map)) {
    case BPF_MAP_TYPE_PERCPU_ARRAY:
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
      return true;
    default:
      return false;
  }
}

// Bytes of one value as bpf() copies it: for per-CPU maps one 8-byte-aligned slot per possible CPU.
static size_t ValueBytes(const bpf_map* map) {
  size_t size = bpf_map__value_size(map);
  if (!IsPerCpu(map)) return size;
  return RoundUp(size, 8) * static_cast<size_t>(libbpf_num_possible_cpus());
}

// mapInfo(name): {type, keySize, valueSize, maxEntries, cpus}; cpus is 0 for a map that is not per-CPU.
Napi::Value Program::MapInfo(const Napi::CallbackInfo& info) {
  const bpf_map* map = MapOf(info);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("type", static_cast<double>(bpf_map__type(map)));
  result.Set("keySize", static_cast<double>(bpf_map__key_size(map)));
  result.Set("valueSize", static_cast<double>(bpf_map__value_size(map)));
  result.Set("maxEntries", static_cast<double>(bpf_map__max_entries(map)));
  result.Set("cpus", static_cast<double>(IsPerCpu(map) ? libbpf_num_possible_cpus() : 0));
  return result;
}

static const uint8_t* KeyOf(const Napi::CallbackInfo& info, const bpf_map* map) {
  Range key = BytesOf(info.Env(), info[1], "key");
  if (key.size != bpf_map__key_size(map)) {
    FailArgument(info.Env(), "the key must have " + std::to_string(bpf_map__key_size(map)) + " bytes");
  }
  return key.start;
}

// lookup(map, key): the value, or undefined when there is none.
Napi::Value Program::Lookup(const Napi::CallbackInfo& info) {
  const bpf_map* map = MapOf(info);
  const uint8_t* key = KeyOf(info, map);
  auto value = Napi::Uint8Array::New(info.Env(), ValueBytes(map));
  if (bpf_map_lookup_elem(bpf_map__fd(map), key, value.Data()) != 0) {
    if (errno == ENOENT) return info.Env().Undefined();
    Fail(info.Env(), "map", "bpf", errno, bpf_map__name(map));
  }
  return value;
}

// update(map, key, value)
void Program::Update(const Napi::CallbackInfo& info) {
  const bpf_map* map = MapOf(info);
  const uint8_t* key = KeyOf(info, map);
  Range value = BytesOf(info.Env(), info[2], "value");
  if (value.size != ValueBytes(map)) {
    FailArgument(info.Env(), "the value must have " + std::to_string(ValueBytes(map)) + " bytes");
  }
  if (bpf_map_update_elem(bpf_map__fd(map), key, value.start, BPF_ANY) != 0) {
    Fail(info.Env(), "map", "bpf", errno, bpf_map__name(map));
  }
}

// remove(map, key): whether there was such an entry.
Napi::Value Program::Remove(const Napi::CallbackInfo& info) {
  const bpf_map* map = MapOf(info);
  const uint8_t* key = KeyOf(info, map);
  bool removed = bpf_map_delete_elem(bpf_map__fd(map), key) == 0;
  if (!removed && errno != ENOENT) Fail(info.Env(), "map", "bpf", errno, bpf_map__name(map));
  return Napi::Boolean::New(info.Env(), removed);
}

void Program::CloseCall(const Napi::CallbackInfo&) { Close(); }

void InitProgram(Napi::Env env, Napi::Object exports) {
  libbpf_set_print(KeepLog);
  exports.Set("Program", Program::Define(env));
}

}  // namespace xdp
