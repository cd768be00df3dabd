/*===- Builtins.c - What compiled code calls beside libc and libm -*- C -*-===*\
|*                                                                            *|
|* Part of the seqc project, under the Apache License v2.0 with LLVM          *|
|* Exceptions.                                                                *|
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                    *|
|*                                                                            *|
|*===----------------------------------------------------------------------===*|
|*                                                                            *|
|* LLVM turns conversions that a processor lacks into calls of a compiler's   *|
|* library, which older systems have only in part, and MLIR copies memory     *|
|* with strides through a function. This file is compiled for any x86-64, and *|
|* its object goes into libseqc, which links it into each program; what is    *|
|* not used is dropped. Conversions round to nearest even.                    *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

#include <stdint.h>

#define SEQC_BUILTIN __attribute__((visibility("hidden"), used))

static uint32_t bitsOfFloat(float x) {
  union {
    float f;
    uint32_t u;
  } pun = {x};
  return pun.u;
}

static float floatOfBits(uint32_t u) {
  union {
    uint32_t u;
    float f;
  } pun = {u};
  return pun.f;
}

static uint64_t bitsOfDouble(double x) {
  union {
    double f;
    uint64_t u;
  } pun = {x};
  return pun.u;
}

static _Float16 halfOfBits(uint16_t u) {
  union {
    uint16_t u;
    _Float16 f;
  } pun = {u};
  return pun.f;
}

static __bf16 bfloatOfBits(uint16_t u) {
  union {
    uint16_t u;
    __bf16 f;
  } pun = {u};
  return pun.f;
}

/** Rounds a double to a 16-bit format with `mantissa` fraction bits. */
static uint16_t roundTo16(double x, int mantissa) {
  const int maxExponent = (1 << (14 - mantissa)) - 1;
  const uint16_t infinity = (uint16_t)(0x7FFFu & ~((1u << mantissa) - 1));
  uint64_t u = bitsOfDouble(x);
  uint16_t sign = (uint16_t)((u >> 48) & 0x8000);
  uint64_t magnitude = u & 0x7FFFFFFFFFFFFFFFull;
  if (magnitude > 0x7FF0000000000000ull)
    return (
        uint16_t)(sign | infinity | (1u << (mantissa - 1)) |
                  ((magnitude >> (52 - mantissa)) & ((1u << mantissa) - 1)));
  int exponent = (int)(magnitude >> 52) - 1023;
  if (exponent > maxExponent)
    return sign | infinity;
  /* A double that is not normal is far below half the smallest number. */
  if (exponent < -1022)
    return sign;
  uint64_t fraction = (magnitude & 0xFFFFFFFFFFFFFull) | 0x10000000000000ull;
  int shift = 52 - mantissa;
  uint32_t biased = 0;
  if (exponent < 1 - maxExponent)
    shift += 1 - maxExponent - exponent;
  else
    biased = (uint32_t)(exponent + maxExponent - 1);
  if (shift > 54)
    return sign;
  uint64_t kept = fraction >> shift;
  uint64_t rest = fraction & ((1ull << shift) - 1);
  uint64_t half = 1ull << (shift - 1);
  if (rest > half || (rest == half && (kept & 1)))
    ++kept;
  return (uint16_t)(sign | ((biased << mantissa) + (uint32_t)kept));
}

SEQC_BUILTIN __bf16 __truncsfbf2(float x) {
  uint32_t u = bitsOfFloat(x);
  if ((u & 0x7FFFFFFFu) > 0x7F800000u)
    return bfloatOfBits((uint16_t)((u >> 16) | 0x40));
  return bfloatOfBits((uint16_t)((u + 0x7FFFu + ((u >> 16) & 1)) >> 16));
}

SEQC_BUILTIN __bf16 __truncdfbf2(double x) {
  return bfloatOfBits(roundTo16(x, 7));
}

SEQC_BUILTIN _Float16 __truncsfhf2(float x) {
  return halfOfBits(roundTo16((double)x, 10));
}

SEQC_BUILTIN _Float16 __truncdfhf2(double x) {
  return halfOfBits(roundTo16(x, 10));
}

SEQC_BUILTIN float __extendhfsf2(_Float16 x) {
  union {
    _Float16 f;
    uint16_t u;
  } pun = {x};
  uint32_t sign = (uint32_t)(pun.u & 0x8000) << 16;
  uint32_t magnitude = pun.u & 0x7FFF;
  if (magnitude >= 0x7C00)
    return floatOfBits(sign | 0x7F800000u | ((magnitude & 0x3FF) << 13) |
                       (magnitude > 0x7C00 ? 0x400000u : 0));
  if (magnitude >= 0x400)
    return floatOfBits(sign | ((magnitude << 13) + (112u << 23)));
  /* A subnormal counts units of 2^-24. */
  float value = (float)magnitude * 0x1p-24f;
  return sign ? -value : value;
}

SEQC_BUILTIN double __extendhfdf2(_Float16 x) {
  return (double)__extendhfsf2(x);
}

/** What MLIR passes for an array of any rank. */
typedef struct {
  int64_t rank;
  void *descriptor;
} UnrankedMemRef;

typedef struct {
  char *allocated;
  char *aligned;
  int64_t offset;
  int64_t sizesAndStrides[];
} MemRef;

static void copyStrided(char *to, const int64_t *toStrides, const char *from,
                        const int64_t *fromStrides, const int64_t *sizes,
                        int64_t rank, int64_t size) {
  if (rank == 0) {
    for (int64_t i = 0; i < size; ++i)
      to[i] = from[i];
    return;
  }
  for (int64_t i = 0; i < sizes[0]; ++i)
    copyStrided(to + i * toStrides[0] * size, toStrides + 1,
                from + i * fromStrides[0] * size, fromStrides + 1, sizes + 1,
                rank - 1, size);
}

SEQC_BUILTIN void memrefCopy(int64_t size, const UnrankedMemRef *from,
                             const UnrankedMemRef *to) {
  const MemRef *source = (const MemRef *)from->descriptor;
  const MemRef *target = (const MemRef *)to->descriptor;
  int64_t rank = from->rank;
  copyStrided(
      target->aligned + target->offset * size, target->sizesAndStrides + rank,
      source->aligned + source->offset * size, source->sizesAndStrides + rank,
      source->sizesAndStrides, rank, size);
}
