// What the kernel keeps per thread (capabilities, Landlock) has to be changed in each thread of the process.
#pragma once
#include <napi.h>

#include <cstddef>

namespace xdp {

// What each thread does with itself: 0, or an errno. Called in a signal handler in all threads but the calling
// one: async-signal-safe, system calls only.
using ThreadAction = int (*)();

// Runs the action in the calling thread, then in every other one, those included that are started meanwhile.
// Returns how many others there were. Throws by Fail(operation, ...) when the action fails somewhere, or when a
// thread does not answer within 2 s: end the process then, for some threads have changed and some have not.
size_t InEveryThread(Napi::Env env, const char* operation, const char* syscall, ThreadAction action);

}  // namespace xdp
