// An addon for tests alone: makes any system call, as code that has got into a process could. It is in no package.
#include <napi.h>
#include <unistd.h>

#include <cerrno>

// attempt(number, [up to 6 arguments]): 0, or the errno that the kernel answers.
static Napi::Value Attempt(const Napi::CallbackInfo& info) {
  long arguments[6] = {};
  Napi::Array given = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < 6 && i < given.Length(); i++) {
    arguments[i] = static_cast<long>(given.Get(i).ToNumber().Int64Value());
  }
  errno = 0;
  long result = syscall(static_cast<long>(info[0].ToNumber().Int64Value()), arguments[0], arguments[1],
                        arguments[2], arguments[3], arguments[4], arguments[5]);
  return Napi::Number::New(info.Env(), result == -1 ? errno : 0);
}

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("attempt", Napi::Function::New(env, Attempt, "attempt"));
  return exports;
}
NODE_API_MODULE(test_syscall, Init)
