//===- Npy.h - NumPy's .npy files -------------------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A .npy file is a magic string, a version, the length of a header, the header
// (a Python dictionary with 'descr', 'fortran_order' and 'shape') and the
// elements. Versions 1.0, 2.0 and 3.0 are read and 1.0 is written. Elements are
// used where they lie in the file's bytes: a file in Fortran order becomes a
// view with strides, and only a big-endian or misaligned file is rearranged, in
// place.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_TOOLS_SEQC_NPY_H
#define SEQC_TOOLS_SEQC_NPY_H

#include "File.h"

#include "seqc-c/Runtime.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace seqc::driver {

/// An array and the bytes that it lies in.
struct NpyArray {
  SeqcDType dtype;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides; ///< In elements.
  void *data;                   ///< Aligned to the element's size.
  Bytes storage;
};

/// Bytes of one element.
size_t elementSize(SeqcDType dtype);

/// How numpy writes an element type: "<f4". bfloat16 is "<V2", as ml_dtypes has
/// it.
const char *npyDescr(SeqcDType dtype);

/// Reads the bytes of a .npy file; `name` is for messages. With `dtype` set,
/// the elements are taken as that type, which must have their size: for
/// bfloat16 and float16 that were saved as 16-bit integers. Throws UserError.
NpyArray parseNpy(Bytes bytes, const std::string &name,
                  std::optional<SeqcDType> dtype = std::nullopt);

NpyArray readNpy(const std::string &path,
                 std::optional<SeqcDType> dtype = std::nullopt);

/// Appends a tensor in C order, whatever its strides.
void writeNpy(FileWriter &file, const SeqcTensor &tensor);

} // namespace seqc::driver

#endif // SEQC_TOOLS_SEQC_NPY_H
