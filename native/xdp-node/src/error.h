// Failures cross to JavaScript as (operation, system call, errno, detail); lib/errors.ts owns the table that
// turns them into a stable code, a sentence and a mend.
#pragma once
#include <napi.h>

#include <string>

namespace xdp {

[[noreturn]] void Fail(Napi::Env env, const char* operation, const char* syscall, int err,
                       const std::string& detail = "");

// An argument that no kernel needs to see. Operation "argument", EINVAL.
[[noreturn]] void FailArgument(Napi::Env env, const std::string& detail);

// An integer property of a plain object; absent, fractional or out-of-range values are refused.
int64_t IntegerOf(Napi::Object options, const char* name, int64_t least, int64_t most);

// An integer argument of a call, refused in the same way.
int64_t IntegerArgument(const Napi::CallbackInfo& info, size_t index, const char* name, int64_t least,
                        int64_t most);

}  // namespace xdp
