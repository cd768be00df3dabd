//===- FixedArray.h - Arrays whose size is known once -----------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Memory for a number of objects that is known when they are needed: on the
// stack where they are few, so that a call of a small function allocates
// nothing.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_SUPPORT_FIXEDARRAY_H
#define SEQC_SUPPORT_FIXEDARRAY_H

#include <algorithm>
#include <cstddef>
#include <memory>

namespace seqc {

/// `count` objects of T, up to N of them inside of this one. Those of a type
/// without a constructor, numbers say, start with any value.
template <typename T, size_t N>
class FixedArray {
public:
  explicit FixedArray(size_t count) : count(count) {
    if (count > N)
      heap.reset(new T[count]);
    elements = heap ? heap.get() : local;
  }
  FixedArray(size_t count, const T &value) : FixedArray(count) {
    std::fill(begin(), end(), value);
  }
  FixedArray(const FixedArray &) = delete;
  FixedArray &operator=(const FixedArray &) = delete;

  T *data() { return elements; }
  T *begin() { return elements; }
  T *end() { return elements + count; }
  size_t size() const { return count; }
  T &operator[](size_t i) { return elements[i]; }

private:
  size_t count;
  T local[N];
  std::unique_ptr<T[]> heap;
  T *elements;
};

} // namespace seqc

#endif // SEQC_SUPPORT_FIXEDARRAY_H
