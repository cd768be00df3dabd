//===- _seqc.cpp - The C API as a Python extension ------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A thin layer: it turns numpy arrays and DLPack capsules into SeqcTensor views
// without copying, calls libseqc with the GIL released, and hands results out
// as numpy arrays or DLPack capsules that own the memory. What is an argument
// of which function, and every check with a name in it, is in the .py files.
//
// Ownership. An Array shares a Storage: either a borrowed view, which keeps the
// exporting object alive, or a result of a call. Every numpy array and capsule
// made from it holds the Storage too, so the last one to go frees the memory.
//
//===----------------------------------------------------------------------===//

#include "_seqc.h"

#include "seqc-c/Compiler.h"

#include "seqc/Support/FixedArray.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <optional>

using namespace seqc_python;

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

void seqc_python::raise(SeqcStatus status) {
  std::string message = seqcLastErrorMessage();
  if (message.empty())
    message = seqcStatusName(status);
  py::object error =
      py::module_::import("seqc._errors").attr("from_status")(status, message);
  PyErr_SetObject(py::type::handle_of(error).ptr(), error.ptr());
  throw py::error_already_set();
}

//===----------------------------------------------------------------------===//
// DLPack
//===----------------------------------------------------------------------===//

SeqcDType seqc_python::dtypeOfDLPack(DLDataType dtype) {
  if (dtype.lanes != 1)
    return 0;
  switch (dtype.code) {
  case DLFloat:
    return dtype.bits == 32   ? SEQC_F32
           : dtype.bits == 64 ? SEQC_F64
           : dtype.bits == 16 ? SEQC_F16
                              : 0;
  case DLBfloat:
    return dtype.bits == 16 ? SEQC_BF16 : 0;
  case DLInt:
    return dtype.bits == 32   ? SEQC_I32
           : dtype.bits == 64 ? SEQC_I64
           : dtype.bits == 8  ? SEQC_I8
                              : 0;
  case DLBool:
    return dtype.bits == 8 ? SEQC_I1 : 0;
  default:
    return 0;
  }
}

DLDataType seqc_python::dtypeToDLPack(SeqcDType dtype) {
  switch (dtype) {
  case SEQC_F16:
    return {DLFloat, 16, 1};
  case SEQC_BF16:
    return {DLBfloat, 16, 1};
  case SEQC_F32:
    return {DLFloat, 32, 1};
  case SEQC_F64:
    return {DLFloat, 64, 1};
  case SEQC_I1:
    return {DLBool, 8, 1};
  case SEQC_I8:
    return {DLInt, 8, 1};
  case SEQC_I32:
    return {DLInt, 32, 1};
  default:
    return {DLInt, 64, 1};
  }
}

bool seqc_python::setDevice(SeqcTensor &tensor, DLDevice device) {
  bool isCuda = device.type == DLCUDA || device.type == DLCUDAManaged;
  tensor.device_type = isCuda ? SEQC_DEVICE_CUDA : SEQC_DEVICE_HOST;
  tensor.device_id = isCuda ? device.id : 0;
  return isCuda || device.type == DLCPU || device.type == DLCUDAHost;
}

namespace {

//===----------------------------------------------------------------------===//
// Arrays
//===----------------------------------------------------------------------===//

/// The dtype of a numpy array; 0 if there is none.
SeqcDType dtypeOfNumpy(const py::dtype &dtype) {
  char kind = dtype.kind();
  auto size = dtype.itemsize();
  switch (kind) {
  case 'f':
    return size == 4   ? SEQC_F32
           : size == 8 ? SEQC_F64
           : size == 2 ? SEQC_F16
                       : 0;
  case 'i':
    return size == 4   ? SEQC_I32
           : size == 8 ? SEQC_I64
           : size == 1 ? SEQC_I8
                       : 0;
  case 'b':
    return SEQC_I1;
  case 'V':
    if (size == 2 && py::str(dtype.attr("name")).equal(py::str("bfloat16")))
      return SEQC_BF16;
    return 0;
  default:
    return 0;
  }
}

/// A view of a numpy array. An array whose elements are not aligned, not whole
/// steps apart or not in this machine's byte order is copied first.
Array fromNumpy(py::array array) {
  py::dtype dtype = array.dtype();
  SeqcDType type = dtypeOfNumpy(dtype);
  if (!type)
    throw py::type_error("unsupported dtype " +
                         std::string(py::str(dtype.attr("name"))));
  int64_t size = dtype.itemsize();
  auto isViewable = [&](const py::array &a) {
    char order = a.dtype().byteorder();
    if (order != '=' && order != '|')
      return false;
    if (reinterpret_cast<uintptr_t>(a.data()) % size)
      return false;
    for (py::ssize_t i = 0; i < a.ndim(); ++i)
      if (a.strides(i) % size)
        return false;
    return true;
  };
  if (!isViewable(array))
    array =
        array.attr("astype")(dtype.attr("newbyteorder")("=")).attr("copy")();

  Array result{std::make_shared<Storage>()};
  SeqcTensor &t = result.storage->tensor;
  int64_t rank = array.ndim();
  int64_t *sizes = result.storage->setRank(rank);
  for (int64_t i = 0; i < rank; ++i) {
    sizes[i] = array.shape(i);
    sizes[rank + i] = array.strides(i) / size;
  }
  t.data = const_cast<void *>(array.data());
  t.dtype = type;
  result.storage->keep = std::move(array);
  return result;
}

/// A view of what a DLPack capsule holds; takes the capsule over.
Array fromDLPack(const py::capsule &capsule) {
  auto storage = std::make_shared<Storage>();
  const DLTensor *source = nullptr;
  const char *name = capsule.name();
  if (name && !std::strcmp(name, "dltensor")) {
    storage->managed = capsule.get_pointer<DLManagedTensor>();
    PyCapsule_SetName(capsule.ptr(), "used_dltensor");
    source = &storage->managed->tensor;
  } else if (name && !std::strcmp(name, "dltensor_versioned")) {
    auto *versioned = capsule.get_pointer<DLManagedTensorVersioned>();
    if (versioned->major != 1)
      throw py::type_error("DLPack version " +
                           std::to_string(versioned->major) + ", expected 1");
    storage->versioned = versioned;
    PyCapsule_SetName(capsule.ptr(), "used_dltensor_versioned");
    source = &versioned->tensor;
  } else {
    throw py::type_error("expected a DLPack capsule that nobody has taken");
  }
  if (!setDevice(storage->tensor, source->device))
    throw py::type_error("neither in host memory nor on a CUDA device (DLPack "
                         "device type " +
                         std::to_string(source->device.type) + ")");
  SeqcDType type = dtypeOfDLPack(source->dtype);
  if (!type)
    throw py::type_error("unsupported dtype (DLPack code " +
                         std::to_string(source->dtype.code) + ", " +
                         std::to_string(source->dtype.bits) + " bits)");
  SeqcTensor &t = storage->tensor;
  int64_t rank = source->ndim;
  int64_t *sizes = storage->setRank(rank);
  std::copy_n(source->shape, rank, sizes);
  if (source->strides)
    std::copy_n(source->strides, rank, sizes + rank);
  else
    t.strides = nullptr;
  t.data = static_cast<char *>(source->data) + source->byteOffset;
  t.dtype = type;
  return {storage};
}

/// A view of memory of a GPU that another object keeps, as the CUDA array
/// interface describes it. `steps` are in bytes.
Array fromCuda(uintptr_t data, const std::vector<int64_t> &shape,
               const std::optional<std::vector<int64_t>> &steps,
               const py::dtype &dtype, py::object keep) {
  SeqcDType type = dtypeOfNumpy(dtype);
  if (!type)
    throw py::type_error("unsupported dtype " +
                         std::string(py::str(dtype.attr("name"))));
  Array result{std::make_shared<Storage>()};
  SeqcTensor &t = result.storage->tensor;
  auto rank = static_cast<int64_t>(shape.size());
  int64_t *sizes = result.storage->setRank(rank);
  std::copy(shape.begin(), shape.end(), sizes);
  if (!steps)
    t.strides = nullptr;
  for (int64_t i = 0; steps && i < rank; ++i) {
    int64_t step = steps->at(i), size = dtype.itemsize();
    if (step % size)
      throw py::type_error("has a stride of " + std::to_string(step) +
                           " bytes, expected a multiple of its elements' " +
                           std::to_string(size));
    sizes[rank + i] = step / size;
  }
  t.data = reinterpret_cast<void *>(data);
  t.dtype = type;
  t.device_type = SEQC_DEVICE_CUDA;
  if (data)
    check(seqcPointerDevice(t.data, &t.device_id));
  result.storage->keep = std::move(keep);
  return result;
}

DLDevice deviceOf(const SeqcTensor &tensor) {
  return {tensor.device_type == SEQC_DEVICE_CUDA ? DLCUDA : DLCPU,
          tensor.device_id};
}

/// A DLPack capsule that shares the array's memory. `stream` is that of the
/// consumer on a GPU, by DLPack's numbers, which are the driver's: None or 1
/// for the default stream, -1 for one that needs not wait.
py::capsule toDLPack(const Array &array, const py::object &stream) {
  const Storage &source = *array.storage;
  if (source.tensor.device_type == SEQC_DEVICE_CUDA) {
    int64_t number = stream.is_none() ? 1 : stream.cast<int64_t>();
    auto handle = [](void *s) { return s ? reinterpret_cast<intptr_t>(s) : 1; };
    if (number >= 0 && !source.keep && !source.managed && !source.versioned &&
        number != handle(source.stream))
      check(seqcStreamWait(source.tensor.device_id,
                           reinterpret_cast<void *>(number), source.stream));
  }
  struct Export {
    DLManagedTensor managed;
    std::shared_ptr<Storage> storage;
    std::vector<int64_t> strides;
  };
  auto holder = std::make_unique<Export>();
  holder->storage = array.storage;
  holder->strides = array.strides();
  const SeqcTensor &t = array.tensor();
  DLTensor &out = holder->managed.tensor;
  out.data = t.data;
  out.device = deviceOf(t);
  out.ndim = t.rank;
  out.dtype = dtypeToDLPack(t.dtype);
  out.shape = const_cast<int64_t *>(t.shape);
  out.strides = holder->strides.data();
  out.byteOffset = 0;
  holder->managed.context = holder.get();
  // The consumer may call this on any thread, without the GIL: a borrowed view
  // keeps a Python object, so take it.
  holder->managed.deleter = [](DLManagedTensor *self) {
    auto *holder = static_cast<Export *>(self->context);
    if (holder->storage->keep || holder->storage->managed ||
        holder->storage->versioned) {
      py::gil_scoped_acquire gil;
      delete holder;
      return;
    }
    delete holder;
  };
  PyObject *capsule =
      PyCapsule_New(&holder->managed, "dltensor", [](PyObject *self) {
        if (!PyCapsule_IsValid(self, "dltensor"))
          return; // The consumer took it.
        auto *managed = static_cast<DLManagedTensor *>(
            PyCapsule_GetPointer(self, "dltensor"));
        managed->deleter(managed);
      });
  if (!capsule)
    throw py::error_already_set();
  (void)holder.release();
  return py::reinterpret_steal<py::capsule>(capsule);
}

/// The CUDA array interface, version 3, of a result on a GPU.
py::dict cudaInterface(const Array &array) {
  const SeqcTensor &t = array.tensor();
  static const char *names[] = {"",    "<f2", "",    "<f4", "<f8",
                                "|b1", "|i1", "<i4", "<i8"};
  if (t.device_type != SEQC_DEVICE_CUDA || !*names[t.dtype])
    throw py::attribute_error("__cuda_array_interface__");
  py::tuple steps(t.rank);
  std::vector<int64_t> strides = array.strides();
  for (int32_t i = 0; i < t.rank; ++i)
    steps[i] = strides[i] * static_cast<int64_t>(seqcDTypeSize(t.dtype));
  py::dict result;
  result["shape"] = array.shape();
  result["strides"] = steps;
  result["typestr"] = names[t.dtype];
  result["data"] =
      py::make_tuple(reinterpret_cast<uintptr_t>(t.data), py::bool_(false));
  result["version"] = 3;
  auto stream = reinterpret_cast<uintptr_t>(array.storage->stream);
  result["stream"] = stream ? stream : 1;
  return result;
}

/// A numpy array that shares the array's memory; bf16 comes as uint16.
py::array toNumpy(const Array &array) {
  const SeqcTensor &t = array.tensor();
  if (t.device_type != SEQC_DEVICE_HOST)
    throw py::type_error("is in memory of CUDA device " +
                         std::to_string(t.device_id) +
                         ", which numpy cannot read");
  static const char *names[] = {"",  "f2", "u2", "f4", "f8",
                                "?", "i1", "i4", "i8"};
  py::dtype dtype(names[t.dtype]);
  auto size = static_cast<int64_t>(seqcDTypeSize(t.dtype));
  std::vector<int64_t> steps = array.strides();
  for (int64_t &step : steps)
    step *= size;
  py::capsule base(new std::shared_ptr<Storage>(array.storage), [](void *p) {
    delete static_cast<std::shared_ptr<Storage> *>(p);
  });
  std::vector<int64_t> shape(t.shape, t.shape + t.rank);
  return py::array(dtype, shape, steps, t.data, base);
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

std::shared_ptr<Program> load(const py::object &source,
                              const std::optional<std::string> &target) {
  auto program = std::make_shared<Program>();
  const char *name = target ? target->c_str() : nullptr;
  SeqcStatus status;
  if (py::isinstance<py::bytes>(source)) {
    char *data = nullptr;
    py::ssize_t size = 0;
    PyBytes_AsStringAndSize(source.ptr(), &data, &size);
    py::gil_scoped_release release;
    status = seqcProgramLoadBytes(data, static_cast<size_t>(size), name,
                                  &program->handle);
  } else {
    auto path = source.cast<std::string>();
    py::gil_scoped_release release;
    status = seqcProgramLoadFile(path.c_str(), name, &program->handle);
  }
  check(status);
  return program;
}

/// Most calls have no more arguments or results.
template <typename T>
using Few = seqc::FixedArray<T, 12>;

/// The array that an object is, or null.
Array *asArray(py::handle object) {
  py::detail::make_caster<Array> caster;
  return caster.load(object, /*convert=*/false)
             ? &py::detail::cast_op<Array &>(caster)
             : nullptr;
}

/// The C API's form of the arguments of a call. Another thread may empty the
/// sequence while the GIL is away, so its elements are held.
struct Arguments {
  Few<SeqcValue> values;
  Few<py::object> keep;

  explicit Arguments(const py::sequence &arguments)
      : values(arguments.size()), keep(arguments.size()) {
    for (size_t i = 0; i < values.size(); ++i) {
      py::object &argument = keep[i];
      argument = arguments[i];
      SeqcValue &value = values[i];
      value.reserved = 0;
      if (Array *array = asArray(argument)) {
        value.kind = SEQC_VALUE_TENSOR;
        value.as.tensor = array->tensor();
      } else if (PyFloat_Check(argument.ptr())) {
        value.kind = SEQC_VALUE_FLOAT;
        value.as.f64 = PyFloat_AS_DOUBLE(argument.ptr());
      } else if (PyLong_Check(argument.ptr())) {
        value.kind = SEQC_VALUE_INT;
        value.as.i64 = PyLong_AsLongLong(argument.ptr());
        if (value.as.i64 == -1 && PyErr_Occurred())
          throw py::error_already_set();
      } else {
        throw py::type_error("argument " + std::to_string(i) +
                             ": expected an array or a number, got " +
                             Py_TYPE(argument.ptr())->tp_name);
      }
    }
  }
};

/// Takes the results of a call over.
py::tuple takeResults(Few<SeqcValue> &out, const py::sequence *outputs,
                      void *stream) {
  py::tuple results(out.size());
  for (size_t i = 0; i < out.size(); ++i) {
    switch (out[i].kind) {
    case SEQC_VALUE_TENSOR: {
      py::object given = py::none();
      if (outputs)
        given = (*outputs)[i];
      if (!given.is_none()) {
        // One without elements has no address, so the runtime made its own.
        SeqcTensor made = out[i].as.tensor;
        seqcTensorRelease(&made);
        results[i] = std::move(given);
        break;
      }
      Array array{std::make_shared<Storage>()};
      array.storage->tensor = out[i].as.tensor;
      array.storage->stream = stream;
      results[i] = py::cast(std::move(array));
      break;
    }
    case SEQC_VALUE_INT:
      results[i] = py::int_(out[i].as.i64);
      break;
    default:
      results[i] = py::float_(out[i].as.f64);
      break;
    }
  }
  return results;
}

/// What must live until a GPU has got to a point in its work.
struct Pending {
  SeqcMark *mark;
  std::vector<std::shared_ptr<Storage>> keep;
};

/// Under the GIL; never destroyed, since the process may end in its middle.
std::deque<Pending> &pending() {
  static auto *list = new std::deque<Pending>;
  return *list;
}

/// Keeps arrays until what is in the stream now is done, and lets go of those
/// of earlier calls that are.
void keepUntilDone(int32_t device, uintptr_t stream,
                   const std::vector<Array> &arrays) {
  Pending entry{nullptr, {}};
  for (const Array &array : arrays)
    entry.keep.push_back(array.storage);
  check(seqcMarkCreate(device, reinterpret_cast<void *>(stream), &entry.mark));
  std::deque<Pending> &list = pending();
  list.push_back(std::move(entry));
  std::vector<Pending> done;
  for (size_t i = 0; i < list.size();) {
    if (!seqcMarkIsDone(list[i].mark)) {
      ++i;
      continue;
    }
    done.push_back(std::move(list[i]));
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
  }
  // Letting go may run Python, which may come here again.
  for (Pending &old : done)
    seqcMarkRelease(old.mark);
}

int32_t deviceCount() {
  int32_t count = 0;
  check(seqcDeviceCount(&count));
  return count;
}

int32_t deviceCapability(int32_t device) {
  int32_t capability = 0;
  check(seqcDeviceCapability(device, &capability));
  return capability;
}

} // namespace

Function::Function(std::shared_ptr<Program> p, const std::string &name)
    : program(std::move(p)) {
  check(seqcProgramLookup(program->handle, name.c_str(), &handle));
  numArguments = seqcFunctionNumArguments(handle);
  numResults = seqcFunctionNumResults(handle);
  py::object signature =
      py::module_::import("json").attr("loads")(seqcFunctionSignature(handle));
  for (py::handle result : signature["results"]) {
    auto fields = py::reinterpret_borrow<py::dict>(result);
    resultRanks.push_back(fields.contains("shape")
                              ? static_cast<int32_t>(py::len(fields["shape"]))
                              : -1);
  }
}

py::tuple Function::call(const py::sequence &arguments) const {
  Arguments in(arguments);
  Few<SeqcValue> out(numResults, SeqcValue());
  SeqcStatus status;
  {
    py::gil_scoped_release release;
    status = seqcFunctionCall(handle, in.values.data(), in.values.size(),
                              out.data(), out.size());
  }
  check(status);
  return takeResults(out, nullptr, nullptr);
}

py::tuple Function::callAsync(const py::sequence &arguments, uintptr_t stream,
                              const py::sequence &outputs) const {
  Arguments in(arguments);
  Few<SeqcValue> out(numResults, SeqcValue());
  Few<py::object> keep(numResults);
  if (outputs.size() != numResults)
    throw py::type_error("got " + std::to_string(outputs.size()) +
                         " outputs, expected " + std::to_string(numResults));
  for (size_t i = 0; i < numResults; ++i) {
    py::object &output = keep[i];
    output = outputs[i];
    if (output.is_none())
      continue;
    Array *array = asArray(output);
    if (!array)
      throw py::type_error("output " + std::to_string(i) +
                           ": expected an array or None, got " +
                           Py_TYPE(output.ptr())->tp_name);
    out[i].kind = SEQC_VALUE_TENSOR;
    out[i].as.tensor = array->tensor();
    out[i].as.tensor.owner = nullptr;
  }
  auto *handleOfStream = reinterpret_cast<void *>(stream);
  SeqcStatus status;
  {
    py::gil_scoped_release release;
    status = seqcFunctionCallAsync(handle, in.values.data(), in.values.size(),
                                   out.data(), out.size(), handleOfStream);
  }
  check(status);
  return takeResults(out, &outputs, handleOfStream);
}

py::list Function::resultShapes(const py::sequence &arguments) const {
  Arguments in(arguments);
  std::vector<int64_t> sizes;
  for (int32_t rank : resultRanks)
    sizes.resize(sizes.size() + static_cast<size_t>(std::max(rank, 0)));
  check(seqcFunctionResultShapes(handle, in.values.data(), in.values.size(),
                                 sizes.data(), sizes.size()));
  py::list shapes;
  size_t at = 0;
  for (int32_t rank : resultRanks) {
    if (rank < 0)
      continue;
    py::tuple shape(rank);
    for (int32_t i = 0; i < rank; ++i)
      shape[i] = py::int_(sizes[at++]);
    shapes.append(shape);
  }
  return shapes;
}

namespace {

//===----------------------------------------------------------------------===//
// Compiling
//===----------------------------------------------------------------------===//

/// The process's one context. It lives until the process ends: threads may be
/// compiling while Python shuts down.
SeqcContext *context() {
  static SeqcContext *instance = [] {
    SeqcContext *created = nullptr;
    check(seqcContextCreate(&created));
    return created;
  }();
  return instance;
}

class Buffer {
public:
  SeqcBuffer *handle = nullptr;
  ~Buffer() { seqcBufferRelease(handle); }
  py::bytes bytes() const {
    return py::bytes(seqcBufferData(handle), seqcBufferSize(handle));
  }
};

/// Compile options with the strings that they point to.
struct Options {
  std::optional<std::string> target, cpu, features, schedule, sourceName,
      dumpDir, reproducerDir, ptxasFolders, skipPasses;
  int32_t optLevel = -1;
  bool verifyEach = true;
  bool aligned = true;
  bool perfErrors = true;
  bool cache = true;

  SeqcCompileOptions get() const {
    SeqcCompileOptions options;
    seqcCompileOptionsInit(&options);
    auto text = [](const std::optional<std::string> &s) {
      return s ? s->c_str() : nullptr;
    };
    options.target = text(target);
    options.cpu = text(cpu);
    options.features = text(features);
    options.schedule = text(schedule);
    options.source_name = text(sourceName);
    options.dump_dir = text(dumpDir);
    options.reproducer_dir = text(reproducerDir);
    options.opt_level = optLevel;
    options.verify_each = verifyEach;
    options.aligned = aligned;
    options.perf_errors = perfErrors;
    options.cache = cache;
    options.ptxas_folders = text(ptxasFolders);
    options.skip_passes = text(skipPasses);
    return options;
  }
};

py::bytes compile(const std::string &source, const Options &options) {
  SeqcContext *shared = context();
  SeqcCompileOptions raw = options.get();
  Buffer artifact;
  SeqcStatus status;
  {
    py::gil_scoped_release release;
    status = seqcCompile(shared, source.data(), source.size(), &raw,
                         &artifact.handle);
  }
  check(status);
  return artifact.bytes();
}

py::bytes emit(const std::string &source, const std::string &level,
               const Options &options) {
  SeqcContext *shared = context();
  SeqcCompileOptions raw = options.get();
  Buffer text;
  SeqcStatus status;
  {
    py::gil_scoped_release release;
    status = seqcEmit(shared, source.data(), source.size(), &raw, level.c_str(),
                      &text.handle);
  }
  check(status);
  return text.bytes();
}

py::bytes explain(const std::string &source, const std::string &chip,
                  const std::string &sizes, bool json, const Options &options) {
  SeqcContext *shared = context();
  SeqcCompileOptions raw = options.get();
  Buffer report;
  SeqcStatus status;
  {
    py::gil_scoped_release release;
    status = seqcExplain(shared, source.data(), source.size(), &raw,
                         chip.c_str(), sizes.empty() ? nullptr : sizes.c_str(),
                         json, &report.handle);
  }
  check(status);
  return report.bytes();
}

} // namespace

PYBIND11_MODULE(_seqc, m) {
  m.doc() = "The C API of seqc; use the package `seqc`.";
  m.attr("__version__") = seqcCompilerVersion();
  m.attr("abi_version") = SEQC_ABI_VERSION;
  if (seqcRuntimeAbiVersion() != SEQC_ABI_VERSION)
    throw py::import_error("libseqc-runtime.so has ABI version " +
                           std::to_string(seqcRuntimeAbiVersion()) +
                           ", expected " + std::to_string(SEQC_ABI_VERSION));

  py::class_<Array>(m, "Array")
      .def_property_readonly("shape", &Array::shape)
      .def_property_readonly(
          "strides",
          [](const Array &a) { return py::tuple(py::cast(a.strides())); })
      .def_property_readonly(
          "dtype",
          [](const Array &a) { return seqcDTypeName(a.tensor().dtype); })
      .def_property_readonly("data",
                             [](const Array &a) {
                               return reinterpret_cast<uintptr_t>(
                                   a.tensor().data);
                             })
      .def("as_i8",
           [](const Array &a) {
             // A bool array as bytes.
             if (a.tensor().dtype != SEQC_I1)
               throw py::type_error("expected an i1 array");
             Array bytes{std::make_shared<Storage>()};
             Storage &s = *bytes.storage;
             int64_t rank = a.tensor().rank;
             int64_t *sizes = s.setRank(rank);
             std::copy_n(a.tensor().shape, rank, sizes);
             std::vector<int64_t> steps = a.strides();
             std::copy_n(steps.data(), rank, sizes + rank);
             s.tensor.data = a.tensor().data;
             s.tensor.dtype = SEQC_I8;
             s.tensor.device_type = a.tensor().device_type;
             s.tensor.device_id = a.tensor().device_id;
             s.keep = py::cast(a);
             return bytes;
           })
      .def_property_readonly("device",
                             [](const Array &a) {
                               DLDevice device = deviceOf(a.tensor());
                               return py::make_tuple(device.type, device.id);
                             })
      .def("numpy", &toNumpy)
      .def(
          "__dlpack__",
          [](const Array &a, const py::object &stream, const py::kwargs &) {
            return toDLPack(a, stream);
          },
          py::arg("stream") = py::none())
      .def("__dlpack_device__",
           [](const Array &a) {
             DLDevice device = deviceOf(a.tensor());
             return py::make_tuple(device.type, device.id);
           })
      .def_property_readonly("__cuda_array_interface__", &cudaInterface);

  m.def("from_numpy", &fromNumpy, py::arg("array").noconvert());
  m.def("from_dlpack", &fromDLPack, py::arg("capsule"));
  m.def("from_cuda", &fromCuda, py::arg("data"), py::arg("shape"),
        py::arg("steps"), py::arg("dtype"), py::arg("keep"));
  m.def("keep_until_done", &keepUntilDone, py::arg("device"), py::arg("stream"),
        py::arg("arrays"));
  m.def(
      "stream_wait",
      [](int32_t device, uintptr_t waiting, uintptr_t stream) {
        check(seqcStreamWait(device, reinterpret_cast<void *>(waiting),
                             reinterpret_cast<void *>(stream)));
      },
      py::arg("device"), py::arg("waiting"), py::arg("stream"));
  m.def("device_count", &deviceCount);
  m.def("device_capability", &deviceCapability, py::arg("device"));

  py::class_<Program, std::shared_ptr<Program>>(m, "Program")
      .def_property_readonly(
          "target",
          [](const Program &p) { return seqcProgramTarget(p.handle); })
      .def_property_readonly(
          "metadata",
          [](const Program &p) { return seqcProgramMetadata(p.handle); })
      .def_property_readonly("function_names", [](const Program &p) {
        std::vector<std::string> names;
        for (size_t i = 0; i < seqcProgramNumFunctions(p.handle); ++i)
          names.emplace_back(
              seqcFunctionName(seqcProgramFunction(p.handle, i)));
        return names;
      });
  m.def("load", &load, py::arg("source"), py::arg("target") = py::none());

  py::class_<Function, std::shared_ptr<Function>>(m, "Function")
      .def(py::init<std::shared_ptr<Program>, const std::string &>(),
           py::arg("program"), py::arg("name"))
      .def_property_readonly(
          "name", [](const Function &f) { return seqcFunctionName(f.handle); })
      .def_property_readonly(
          "signature",
          [](const Function &f) { return seqcFunctionSignature(f.handle); })
      .def("call", &Function::call, py::arg("arguments"))
      .def("call_async", &Function::callAsync, py::arg("arguments"),
           py::arg("stream"), py::arg("outputs"))
      .def("result_shapes", &Function::resultShapes, py::arg("arguments"));
  addDispatcher(m);

  py::class_<Options>(m, "Options")
      .def(py::init<>())
      .def_readwrite("target", &Options::target)
      .def_readwrite("cpu", &Options::cpu)
      .def_readwrite("features", &Options::features)
      .def_readwrite("schedule", &Options::schedule)
      .def_readwrite("source_name", &Options::sourceName)
      .def_readwrite("dump_dir", &Options::dumpDir)
      .def_readwrite("reproducer_dir", &Options::reproducerDir)
      .def_readwrite("opt_level", &Options::optLevel)
      .def_readwrite("verify_each", &Options::verifyEach)
      .def_readwrite("ptxas_folders", &Options::ptxasFolders)
      .def_readwrite("aligned", &Options::aligned)
      .def_readwrite("perf_errors", &Options::perfErrors)
      .def_readwrite("skip_passes", &Options::skipPasses)
      .def_readwrite("cache", &Options::cache);

  m.def("compile", &compile, py::arg("source"), py::arg("options"));
  m.def("emit", &emit, py::arg("source"), py::arg("level"), py::arg("options"));
  m.def("explain", &explain, py::arg("source"), py::arg("chip"),
        py::arg("sizes"), py::arg("json"), py::arg("options"));
  m.def("emit_levels", &seqcEmitLevels);
  m.def("targets", &seqcTargets);
  m.def(
      "set_num_threads", [](int32_t count) { check(seqcSetNumThreads(count)); },
      py::arg("count"),
      "How many threads one call may use, for every call that starts later in\n"
      "this process. 0 means all that OpenMP allows. A negative count raises\n"
      "SeqcArgumentError.");
  m.def("get_num_threads", &seqcGetNumThreads,
        "How many threads a call that starts now may use.");
}
