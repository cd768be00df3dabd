//===- _seqc.h - What the extension's files share ---------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_PYTHON_SEQC_H
#define SEQC_PYTHON_SEQC_H

#include "seqc-c/Runtime.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <vector>

namespace py = pybind11;

// Types that hold objects of pybind11, which are hidden too.
namespace seqc_python __attribute__((visibility("hidden"))) {

  //===----------------------------------------------------------------------===//
  // DLPack: the structures of its stable ABI
  //===----------------------------------------------------------------------===//

  struct DLDevice {
    int32_t type;
    int32_t id;
  };
  enum : int32_t { DLCPU = 1, DLCUDA = 2, DLCUDAHost = 3, DLCUDAManaged = 13 };

  struct DLDataType {
    uint8_t code;
    uint8_t bits;
    uint16_t lanes;
  };
  enum : uint8_t {
    DLInt = 0,
    DLUInt = 1,
    DLFloat = 2,
    DLBfloat = 4,
    DLBool = 6
  };

  struct DLTensor {
    void *data;
    DLDevice device;
    int32_t ndim;
    DLDataType dtype;
    int64_t *shape;
    int64_t *strides;
    uint64_t byteOffset;
  };

  struct DLManagedTensor {
    DLTensor tensor;
    void *context;
    void (*deleter)(DLManagedTensor *);
  };

  struct DLManagedTensorVersioned {
    uint32_t major;
    uint32_t minor;
    void *context;
    void (*deleter)(DLManagedTensorVersioned *);
    uint64_t flags;
    DLTensor tensor;
  };

  SeqcDType dtypeOfDLPack(DLDataType dtype);
  DLDataType dtypeToDLPack(SeqcDType dtype);

  /// Fills in the device of a tensor; false if seqc works on no such device.
  bool setDevice(SeqcTensor & tensor, DLDevice device);

  //===----------------------------------------------------------------------===//
  // Errors
  //===----------------------------------------------------------------------===//

  /// Raises the Python exception for a failed call.
  [[noreturn]] void raise(SeqcStatus status);

  inline void check(SeqcStatus status) {
    if (status != SEQC_OK)
      raise(status);
  }

  //===----------------------------------------------------------------------===//
  // Arrays
  //===----------------------------------------------------------------------===//

  /// What keeps an array's memory.
  struct Storage {
    SeqcTensor tensor{};
    std::vector<int64_t> sizes; // shape, then strides, of a borrowed view
    py::object keep;            // the exporter of a borrowed view
    void *stream = nullptr;     // that the result of a call is made in
    DLManagedTensor *managed = nullptr;
    DLManagedTensorVersioned *versioned = nullptr;

    Storage() = default;
    Storage(const Storage &) = delete;
    Storage &operator=(const Storage &) = delete;
    ~Storage() {
      if (managed && managed->deleter)
        managed->deleter(managed);
      if (versioned && versioned->deleter)
        versioned->deleter(versioned);
      seqcTensorRelease(&tensor);
    }

    /// Room for the sizes of a borrowed view: shape and strides.
    int64_t *setRank(int64_t rank) {
      sizes.resize(2 * static_cast<size_t>(rank) + 1);
      tensor.rank = static_cast<int32_t>(rank);
      tensor.shape = sizes.data();
      tensor.strides = sizes.data() + rank;
      return sizes.data();
    }
  };

  class Array {
  public:
    std::shared_ptr<Storage> storage;

    const SeqcTensor &tensor() const { return storage->tensor; }

    py::tuple shape() const {
      const SeqcTensor &t = tensor();
      py::tuple sizes(t.rank);
      for (int32_t i = 0; i < t.rank; ++i)
        PyTuple_SET_ITEM(sizes.ptr(), i, PyLong_FromLongLong(t.shape[i]));
      return sizes;
    }

    std::vector<int64_t> strides() const {
      const SeqcTensor &t = tensor();
      if (t.strides)
        return {t.strides, t.strides + t.rank};
      std::vector<int64_t> steps(t.rank);
      int64_t step = 1;
      for (int32_t i = t.rank; i-- > 0;) {
        steps[i] = step;
        step *= t.shape[i];
      }
      return steps;
    }
  };

  //===----------------------------------------------------------------------===//
  // Programs
  //===----------------------------------------------------------------------===//

  class Program {
  public:
    SeqcProgram *handle = nullptr;

    Program() = default;
    Program(const Program &) = delete;
    Program &operator=(const Program &) = delete;
    ~Program() { seqcProgramRelease(handle); }
  };

  class Function {
  public:
    std::shared_ptr<Program> program;
    const SeqcFunction *handle = nullptr;
    size_t numArguments = 0;
    size_t numResults = 0;

    /// Of the results; -1 of a scalar.
    std::vector<int32_t> resultRanks;

    Function(std::shared_ptr<Program> p, const std::string &name);

    /// Calls with Arrays, ints and floats; one Array or number per result.
    py::tuple call(const py::sequence &arguments) const;

    /// The same in order with the work of a GPU. `outputs` has an Array to
    /// write to, or None, per result.
    py::tuple callAsync(const py::sequence &arguments, uintptr_t stream,
                        const py::sequence &outputs) const;

    /// The sizes of the tensor results, one tuple each.
    py::list resultShapes(const py::sequence &arguments) const;
  };

  /// Adds `Dispatcher` to the module.
  void addDispatcher(py::module_ & m);

} // namespace seqc_python

#endif // SEQC_PYTHON_SEQC_H
