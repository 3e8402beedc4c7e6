/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear memory, as every file of the sandbox sees it.
 *
 * All addresses the host and the sandbox exchange are u32 byte offsets into one linear memory. In WebAssembly an
 * offset is a pointer; in a native build (-DSW_NATIVE: sanitizers, fuzzers) it is relative to sw_memory. Only at()
 * knows the difference.
 */
#ifndef SPARSEWIRE_MEMORY_H
#define SPARSEWIRE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "build/abi.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#ifdef SW_NATIVE
extern u8 *sw_memory;
#define SW_EXPORT(name)
static inline void *at(u32 offset) { return sw_memory + offset; }
#else
#define SW_EXPORT(name) __attribute__((export_name(#name)))
static inline void *at(u32 offset) { return (void *)(uintptr_t)offset; }
#endif

#define SW_INLINE static inline __attribute__((always_inline))

static inline struct control *sw_control(void) { return at(SW_CONTROL_OFFSET); }

/* Unaligned loads of network data; the caller has checked the bounds. */
SW_INLINE u32 load16be(const u8 *p) { return (u32)p[0] << 8 | p[1]; }

SW_INLINE u32 load32(const u8 *p) {
  u32 value;
  __builtin_memcpy(&value, p, 4);
  return value;
}

SW_INLINE u64 load64(const u8 *p) {
  u64 value;
  __builtin_memcpy(&value, p, 8);
  return value;
}

SW_INLINE u32 load32be(const u8 *p) { return __builtin_bswap32(load32(p)); }

/* WebAssembly has no byte swap: one shuffle replaces the dozen shifts a 64-bit swap costs otherwise. */
SW_INLINE u64 swap64(u64 value) {
#ifdef __wasm_simd128__
  typedef unsigned char bytes16 __attribute__((vector_size(16)));
  typedef u64 words2 __attribute__((vector_size(16)));
  bytes16 raw = (bytes16)(words2){value, 0};
  return ((words2)__builtin_shufflevector(raw, raw, 7, 6, 5, 4, 3, 2, 1, 0, 8, 9, 10, 11, 12, 13, 14, 15))[0];
#else
  return __builtin_bswap64(value);
#endif
}

SW_INLINE u64 load64be(const u8 *p) { return swap64(load64(p)); }

SW_INLINE u32 min32(u32 a, u32 b) { return a < b ? a : b; }
SW_INLINE int is_power_of_two(u32 value) { return value != 0 && (value & (value - 1)) == 0; }

/* Ring indices and slot states are shared with the kernel and with other threads. */
SW_INLINE u32 load_acquire(u32 offset) { return __atomic_load_n((u32 *)at(offset), __ATOMIC_ACQUIRE); }
SW_INLINE void store_release(u32 offset, u32 value) { __atomic_store_n((u32 *)at(offset), value, __ATOMIC_RELEASE); }

#endif
