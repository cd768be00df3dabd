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

#include <algorithm>
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

SeqcDType dtypeOfDLPack(DLDataType dtype) {
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

DLDataType dtypeToDLPack(SeqcDType dtype) {
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
  if (source->device.type != DLCPU && source->device.type != DLCUDAHost)
    throw py::type_error("not in host memory (DLPack device type " +
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

/// A DLPack capsule that shares the array's memory.
py::capsule toDLPack(const Array &array) {
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
  out.device = {DLCPU, 0};
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

/// A numpy array that shares the array's memory; bf16 comes as uint16.
py::array toNumpy(const Array &array) {
  const SeqcTensor &t = array.tensor();
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

@FUNCTION@
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
      dumpDir, reproducerDir;
  int32_t optLevel = -1;
  bool verifyEach = true;

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
             s.keep = py::cast(a);
             return bytes;
           })
      .def("numpy", &toNumpy)
      .def("__dlpack__",
           [](const Array &a, const py::kwargs &) { return toDLPack(a); })
      .def("__dlpack_device__",
           [](const Array &) { return py::make_tuple(DLCPU, 0); });

  m.def("from_numpy", &fromNumpy, py::arg("array").noconvert());
  m.def("from_dlpack", &fromDLPack, py::arg("capsule"));

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

  py::class_<Function>(m, "Function")
      .def(py::init<std::shared_ptr<Program>, const std::string &>(),
           py::arg("program"), py::arg("name"))
      .def_property_readonly(
          "name", [](const Function &f) { return seqcFunctionName(f.handle); })
      .def_property_readonly(
          "signature",
          [](const Function &f) { return seqcFunctionSignature(f.handle); })
      .def("call", &Function::call, py::arg("arguments"));

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
      .def_readwrite("verify_each", &Options::verifyEach);

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
