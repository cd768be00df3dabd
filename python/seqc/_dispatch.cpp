//===- _dispatch.cpp - Calls on torch tensors, the short way --------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel of a few microseconds should not wait for Python to prepare its
// call. The first call of an operator with given options goes the long way
// through the .py files, which check, explain and compile; it then leaves here
// what it found, under a key of the options. Later calls look that up and are
// made from C++: tensors are read through the exchange table that torch gives
// for DLPack
// (`__dlpack_c_exchange_api__`), without an object per tensor.
//
// Whatever is unusual (another type of tensor, one that requires a gradient,
// sizes that the function refuses, an error of the device) is not handled: the
// answer is None, and the caller goes the long way again, where the messages
// are. So nothing here needs to explain itself.
//
// Results are torch's: its allocator orders them with the stream and works
// while a graph is captured.
//
//===----------------------------------------------------------------------===//

#include "_seqc.h"

#include <algorithm>
#include <array>

using namespace seqc_python;

namespace {

// The part of DLPack's exchange table that is used.
struct ExchangeApi {
  uint32_t major;
  uint32_t minor;
  ExchangeApi *previous;
  void *allocate;
  void *fromObject;
  void *toObject;
  int (*view)(void *object, DLTensor *out);
  int (*currentStream)(int32_t deviceType, int32_t device, void **out);
};

constexpr size_t kMaxArguments = 24;
constexpr size_t kMaxResults = 4;
constexpr size_t kMaxSizes = 64;

/// What an argument must be for an entry to be the right one.
struct Expected {
  bool isTensor = false;
  bool isFloat = false;
  SeqcDType dtype = 0;
  std::vector<int64_t> shape; // -1 is any size.
};

/// A function that is ready to be called.
struct Entry {
  std::vector<Expected> arguments;
  std::shared_ptr<Function> aligned, unaligned;
  std::vector<py::object> dtypes; // torch's, of the results
  std::vector<bool> devices;      // that it was compiled for

  bool matches(const SeqcValue *values, int32_t device) const {
    if (size_t(device) >= devices.size() || !devices[size_t(device)])
      return false;
    for (size_t i = 0; i < arguments.size(); ++i) {
      const Expected &expected = arguments[i];
      if (!expected.isTensor) {
        if (values[i].kind !=
            (expected.isFloat ? SEQC_VALUE_FLOAT : SEQC_VALUE_INT))
          return false;
        continue;
      }
      const SeqcTensor &tensor = values[i].as.tensor;
      if (values[i].kind != SEQC_VALUE_TENSOR ||
          tensor.dtype != expected.dtype ||
          size_t(tensor.rank) != expected.shape.size())
        return false;
      for (size_t d = 0; d < expected.shape.size(); ++d)
        if (expected.shape[d] >= 0 && tensor.shape[d] != expected.shape[d])
          return false;
    }
    return true;
  }
};

using Entries = std::vector<std::shared_ptr<Entry>>;

class Dispatcher {
public:
  /// \param api torch's exchange table.
  /// \param types the tensor types that are taken, exactly.
  /// \param dtypes torch's dtypes by seqc's names.
  /// \param deviceType DLPack's; 1 for tests on the host.
  Dispatcher(const py::capsule &api, py::object empty, py::object gradEnabled,
             py::tuple types, py::dict dtypes, int32_t deviceType)
      : table(static_cast<const ExchangeApi *>(
            PyCapsule_GetPointer(api.ptr(), "dlpack_exchange_api"))),
        empty(std::move(empty)), gradEnabled(std::move(gradEnabled)),
        types(std::move(types)), dtypes(std::move(dtypes)),
        deviceType(deviceType), names(py::make_tuple("dtype", "device")) {
    if (!table)
      throw py::error_already_set();
    while (table && table->major != 1)
      table = table->previous;
    if (!table || !table->view || !table->currentStream)
      throw py::type_error("torch's DLPack exchange table has no version 1");
  }

  /// Leaves a function under a key. `arguments` has (dtype, shape) of a tensor
  /// and a dtype of a number; a size of -1 is any.
  void add(const py::object &key, const py::sequence &arguments,
           std::shared_ptr<Function> aligned,
           std::shared_ptr<Function> unaligned, const py::list &results,
           int32_t device) {
    if (arguments.size() > kMaxArguments || results.size() > kMaxResults ||
        device < 0)
      return;
    Entries *entries = find(key);
    if (!entries) {
      keys[key] = py::int_(slots.size());
      entries = &slots.emplace_back();
    }
    size_t number = size_t(device);
    for (std::shared_ptr<Entry> &known : *entries) {
      if (known->aligned != aligned)
        continue;
      known->devices.resize(std::max(known->devices.size(), number + 1));
      known->devices[number] = true;
      if (!known->unaligned)
        known->unaligned = std::move(unaligned);
      return;
    }
    auto added = std::make_shared<Entry>();
    Entry &entry = *added;
    for (py::handle argument : arguments) {
      Expected expected;
      std::string dtype;
      if (py::isinstance<py::tuple>(argument)) {
        auto pair = py::reinterpret_borrow<py::tuple>(argument);
        expected.isTensor = true;
        dtype = pair[0].cast<std::string>();
        expected.shape = pair[1].cast<std::vector<int64_t>>();
      } else {
        dtype = argument.cast<std::string>();
      }
      for (SeqcDType d = SEQC_F16; d <= SEQC_I64; ++d)
        if (dtype == seqcDTypeName(d))
          expected.dtype = d;
      expected.isFloat =
          expected.dtype >= SEQC_F16 && expected.dtype <= SEQC_F64;
      entry.arguments.push_back(std::move(expected));
    }
    for (py::handle dtype : results)
      entry.dtypes.push_back(dtypes[dtype]);
    entry.aligned = std::move(aligned);
    entry.unaligned = std::move(unaligned);
    entry.devices.resize(number + 1);
    entry.devices[number] = true;
    entries->push_back(std::move(added));
  }

  void clear() {
    keys.clear();
    slots.clear();
  }

  /// The results of a call as tensors, one alone if there is one; None if this
  /// is not the way to make it.
  py::object call(const py::object &key, const py::tuple &arguments) {
    Entries *entries = find(key);
    size_t count = arguments.size();
    if (!entries || count == 0 || count > kMaxArguments)
      return py::none();
    std::array<SeqcValue, kMaxArguments> values;
    int32_t device = -1;
    for (size_t i = 0; i < count; ++i)
      if (!read(PyTuple_GET_ITEM(arguments.ptr(), i), values[i], device))
        return py::none();
    if (requiresGrad(arguments))
      return py::none();
    // While it runs, another thread may add or clear entries.
    std::shared_ptr<Entry> found;
    for (const std::shared_ptr<Entry> &entry : *entries)
      if (entry->arguments.size() == count &&
          entry->matches(values.data(), device)) {
        found = entry;
        break;
      }
    return found ? run(*found, arguments, values.data(), device) : py::none();
  }

private:
  Entries *find(const py::object &key) {
    PyObject *slot = PyDict_GetItemWithError(keys.ptr(), key.ptr());
    if (!slot) {
      // A key that cannot be hashed is one that nothing is under.
      PyErr_Clear();
      return nullptr;
    }
    return &slots[PyLong_AsSize_t(slot)];
  }

  bool isTensor(PyObject *object) const {
    for (py::handle type : types)
      if (reinterpret_cast<PyObject *>(Py_TYPE(object)) == type.ptr())
        return true;
    return false;
  }

  bool view(PyObject *object, SeqcTensor &tensor) const {
    DLTensor source;
    if (table->view(object, &source) != 0) {
      PyErr_Clear();
      return false;
    }
    tensor = SeqcTensor();
    tensor.dtype = dtypeOfDLPack(source.dtype);
    if (!tensor.dtype || !setDevice(tensor, source.device) ||
        source.device.type != deviceType)
      return false;
    tensor.data = static_cast<char *>(source.data) + source.byteOffset;
    tensor.rank = source.ndim;
    tensor.shape = source.shape;
    tensor.strides = source.strides;
    return true;
  }

  bool read(PyObject *object, SeqcValue &value, int32_t &device) const {
    value.reserved = 0;
    if (isTensor(object)) {
      value.kind = SEQC_VALUE_TENSOR;
      SeqcTensor &tensor = value.as.tensor;
      if (!view(object, tensor))
        return false;
      if (device < 0)
        device = tensor.device_id;
      // The negative bit of a lazy conjugation is not in the memory.
      if (tensor.dtype == SEQC_F16 || tensor.dtype == SEQC_F32 ||
          tensor.dtype == SEQC_F64)
        if (isTrue(PyObject_CallMethodNoArgs(object, isNegName.ptr())))
          return false;
      return device == tensor.device_id;
    }
    if (PyFloat_Check(object)) {
      value.kind = SEQC_VALUE_FLOAT;
      value.as.f64 = PyFloat_AS_DOUBLE(object);
      return true;
    }
    if (!PyLong_CheckExact(object))
      return false;
    value.kind = SEQC_VALUE_INT;
    value.as.i64 = PyLong_AsLongLong(object);
    if (value.as.i64 != -1 || !PyErr_Occurred())
      return true;
    PyErr_Clear();
    return false;
  }

  /// Whether a new reference is true; an error counts as true.
  static bool isTrue(PyObject *object) {
    bool result = object != Py_False;
    if (!object)
      PyErr_Clear();
    Py_XDECREF(object);
    return result;
  }

  bool requiresGrad(const py::tuple &arguments) const {
    if (!isTrue(PyObject_CallNoArgs(gradEnabled.ptr())))
      return false;
    for (py::handle argument : arguments)
      if (isTensor(argument.ptr()) &&
          isTrue(PyObject_GetAttr(argument.ptr(), gradName.ptr())))
        return true;
    return false;
  }

  py::object run(const Entry &entry, const py::tuple &arguments,
                 const SeqcValue *values, int32_t device) {
    const Function &function = *entry.aligned;
    size_t count = entry.arguments.size(), numSizes = 0;
    for (int32_t rank : function.resultRanks) {
      if (rank < 0)
        return py::none();
      numSizes += size_t(rank);
    }
    std::array<int64_t, kMaxSizes> sizes;
    if (numSizes > kMaxSizes ||
        seqcFunctionResultShapes(function.handle, values, count, sizes.data(),
                                 numSizes) != SEQC_OK)
      return py::none();

    py::object where = py::reinterpret_steal<py::object>(PyObject_GetAttr(
        PyTuple_GET_ITEM(arguments.ptr(), 0), deviceName.ptr()));
    if (!where)
      throw py::error_already_set();
    std::array<SeqcValue, kMaxResults> results;
    std::array<py::object, kMaxResults> tensors;
    const int64_t *size = sizes.data();
    for (size_t i = 0; i < function.numResults; ++i) {
      int32_t rank = function.resultRanks[i];
      py::tuple shape(rank);
      for (int32_t d = 0; d < rank; ++d)
        PyTuple_SET_ITEM(shape.ptr(), d, PyLong_FromLongLong(*size++));
      PyObject *parameters[] = {shape.ptr(), entry.dtypes[i].ptr(),
                                where.ptr()};
      tensors[i] = py::reinterpret_steal<py::object>(
          PyObject_Vectorcall(empty.ptr(), parameters, 1, names.ptr()));
      if (!tensors[i])
        throw py::error_already_set();
      results[i] = SeqcValue();
      results[i].kind = SEQC_VALUE_TENSOR;
      if (!view(tensors[i].ptr(), results[i].as.tensor))
        return py::none();
    }
    void *stream = nullptr;
    if (table->currentStream(deviceType, device, &stream) != 0)
      throw py::error_already_set();

    std::array<SeqcValue, kMaxResults> written = results;
    auto enqueue = [&](const Function &code) {
      py::gil_scoped_release release;
      return seqcFunctionCallAsync(code.handle, values, count, written.data(),
                                   code.numResults, stream);
    };
    SeqcStatus status = enqueue(function);
    if (status == SEQC_ERROR_MISALIGNED && entry.unaligned)
      status = enqueue(*entry.unaligned);
    if (status != SEQC_OK)
      return py::none();
    // A tensor without elements has no address to be written to, so the
    // runtime made its own.
    for (size_t i = 0; i < function.numResults; ++i)
      if (written[i].as.tensor.owner)
        seqcTensorRelease(&written[i].as.tensor);
    if (function.numResults == 1)
      return std::move(tensors[0]);
    py::tuple all(function.numResults);
    for (size_t i = 0; i < function.numResults; ++i)
      all[i] = std::move(tensors[i]);
    return std::move(all);
  }

  const ExchangeApi *table;
  py::object empty, gradEnabled;
  py::tuple types;
  py::dict dtypes;
  int32_t deviceType;
  py::tuple names;
  py::str gradName{"requires_grad"}, deviceName{"device"}, isNegName{"is_neg"};

  /// From keys to numbers in `slots`.
  py::dict keys;
  std::vector<Entries> slots;
};

} // namespace

void seqc_python::addDispatcher(py::module_ &m) {
  py::class_<Dispatcher>(m, "Dispatcher")
      .def(py::init<const py::capsule &, py::object, py::object, py::tuple,
                    py::dict, int32_t>(),
           py::arg("api"), py::arg("empty"), py::arg("grad_enabled"),
           py::arg("types"), py::arg("dtypes"),
           py::arg("device_type") = int32_t(DLCUDA))
      .def("add", &Dispatcher::add, py::arg("key"), py::arg("arguments"),
           py::arg("aligned"), py::arg("unaligned"), py::arg("results"),
           py::arg("device"))
      .def("clear", &Dispatcher::clear)
      .def("call", &Dispatcher::call, py::arg("key"), py::arg("arguments"));
}
