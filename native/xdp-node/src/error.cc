#include "error.h"

#include <cerrno>
#include <cmath>
#include <cstring>

namespace xdp {

void Fail(Napi::Env env, const char* operation, const char* syscall, int err, const std::string& detail) {
  std::string message = std::string(syscall) + ": " + std::strerror(err);
  if (!detail.empty()) message += " (" + detail + ")";
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("operation", Napi::String::New(env, operation));
  error.Set("syscall", Napi::String::New(env, syscall));
  error.Set("errno", Napi::Number::New(env, err));
  error.Set("detail", Napi::String::New(env, detail));
  throw error;
}

void FailArgument(Napi::Env env, const std::string& detail) {
  Fail(env, "argument", "check", EINVAL, detail);
}

static int64_t CheckedInteger(Napi::Value value, const char* name, int64_t least, int64_t most) {
  double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(number >= static_cast<double>(least) && number <= static_cast<double>(most)) ||
      number != std::floor(number)) {
    FailArgument(value.Env(), std::string(name) + " must be an integer from " + std::to_string(least) +
                                  " to " + std::to_string(most));
  }
  return static_cast<int64_t>(number);
}

int64_t IntegerOf(Napi::Object options, const char* name, int64_t least, int64_t most) {
  return CheckedInteger(options.Get(name), name, least, most);
}

int64_t IntegerArgument(const Napi::CallbackInfo& info, size_t index, const char* name, int64_t least,
                        int64_t most) {
  return CheckedInteger(info[index], name, least, most);
}

}  // namespace xdp
