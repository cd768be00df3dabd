//===- CudaTest.cpp - Programs for GPUs, on a driver of ours --------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FakeCuda.h"
#include "Fixture.h"
#include "seqc/Runtime/Artifact.h"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <thread>

using namespace seqc;
using namespace seqc::test;

// Before anything asks for the driver.
static const int useFake = ::setenv("SEQC_CUDA_DRIVER", FAKE_CUDA_PATH, 1);

namespace {

//===----------------------------------------------------------------------===//
// The program
//===----------------------------------------------------------------------===//

// scale(x, s, n): out = s x + n, for rows of 8; also returns the number of
// rows.
constexpr char kScale[] = R"({"name":"scale","arguments":[
  {"name":"x","kind":"tensor","dtype":"f32","shape":[null,8]},
  {"name":"s","kind":"scalar","dtype":"f32"},
  {"name":"n","kind":"scalar","dtype":"i64"}],
 "results":[{"name":"out","kind":"tensor","dtype":"f32","shape":[null,8]},
  {"kind":"scalar","dtype":"i64"},{"kind":"scalar","dtype":"f32"}]})";
constexpr char kScalePlan[] = R"({"function":"scale","steps":[
  {"op":"dim","tensor":0,"dim":0},
  {"op":"const","value":8},
  {"op":"const","value":128},
  {"op":"ceildivs","a":0,"b":2},
  {"op":"const","value":1},
  {"op":"arg","argument":1},
  {"op":"arg","argument":2},
  {"op":"alloc","tensor":3,"dtype":"f32","shape":[0,1]},
  {"op":"alloc","tensor":4,"dtype":"i32","shape":[0]},
  {"op":"launch","kernel":0,"grid":[3,4,4],"args":[
    {"tensor":0},{"tensor":4},{"value":5},{"value":6},{"tensor":3}]},
  {"op":"return","results":[{"tensor":3},{"value":0},{"value":5}]}]})";
constexpr char kScaleKernel[] = R"({"name":"scale_0","threads":128,
 "shared_bytes":0,"params":[
  {"kind":"pointer","arg":0},{"kind":"size","arg":0,"dim":0},
  {"kind":"stride","arg":0,"dim":0},{"kind":"scalar","arg":2,"type":"f32"},
  {"kind":"scalar","arg":3,"type":"i32"},{"kind":"pointer","arg":4},
  {"kind":"stride","arg":4,"dim":0},{"kind":"grid","dim":0},
  {"kind":"pointer","arg":1}]})";

// attend(q, k): two tensor maps.
constexpr char kAttend[] = R"({"name":"attend","arguments":[
  {"name":"query","kind":"tensor","dtype":"bf16","shape":[null,null,null,64]},
  {"name":"key","kind":"tensor","dtype":"bf16","shape":[null,null,null,64]}],
 "results":[{"kind":"tensor","dtype":"bf16","shape":[null,null,null,64]}],
 "equal":[[[0,0],[1,0]]],"multiple":[[[0,1],[1,1]]]})";
constexpr char kAttendPlan[] = R"({"function":"attend","steps":[
  {"op":"dim","tensor":0,"dim":0},
  {"op":"dim","tensor":0,"dim":1},
  {"op":"dim","tensor":0,"dim":2},
  {"op":"const","value":64},
  {"op":"alloc","tensor":2,"dtype":"bf16","shape":[0,1,2,3]},
  {"op":"ceildivs","a":2,"b":3},
  {"op":"launch","kernel":1,"grid":[4,1,0],"args":[
    {"tensor":0},{"tensor":1},{"tensor":2}]},
  {"op":"return","results":[{"tensor":2}]}]})";
constexpr char kAttendKernel[] = R"({"name":"attend_0","threads":384,
 "shared_bytes":200000,"aligned":[0,1,2],"params":[
  {"kind":"tensor_map","arg":0,"box":[1,1,64,64],"swizzle":128},
  {"kind":"tensor_map","arg":1,"box":[1,1,128,64],"swizzle":128},
  {"kind":"pointer","arg":2},{"kind":"stride","arg":2,"dim":0},
  {"kind":"stride","arg":2,"dim":1},{"kind":"stride","arg":2,"dim":2}]})";

// same(x): x, twice.
constexpr char kSame[] = R"({"name":"same","arguments":[
  {"kind":"tensor","dtype":"f32","shape":[null]}],
 "results":[{"kind":"tensor","dtype":"f32","shape":[null]},
  {"kind":"tensor","dtype":"f32","shape":[null]}]})";
constexpr char kSamePlan[] = R"({"function":"same","steps":[
  {"op":"return","results":[{"tensor":0},{"tensor":0}]}]})";

std::string target(const std::string &name, const std::string &more = "") {
  return R"({"name":")" + name + R"(","kind":"cuda","arch":")" + name +
         R"(","min_driver":12000,"kernels":[)" + kScaleKernel + "," +
         kAttendKernel + R"(],"plans":[)" + kScalePlan + "," + kAttendPlan +
         "," + kSamePlan + "]" + more + "}";
}

std::string artifact(const std::vector<std::string> &targets,
                     bool withCubin = true, bool withPtx = true) {
  std::string metadata = std::string(R"({"functions":[)") + kScale + "," +
                         kAttend + "," + kSame + R"(],"targets":[)";
  std::vector<ArtifactSection> sections(1);
  for (size_t i = 0; i < targets.size(); ++i) {
    metadata += (i ? "," : "") + targets[i];
    if (withCubin)
      sections.push_back({SectionKind::Cubin, i, "cubin image"});
    if (withPtx)
      sections.push_back({SectionKind::Ptx, i, "ptx text"});
  }
  metadata += "]}";
  sections[0] = {SectionKind::Metadata, kNoTarget, metadata};
  std::vector<char> file = writeArtifact(sections, SEQC_ABI_VERSION);
  return std::string(file.begin(), file.end());
}

Program build(const char *name = "sm_90a") {
  Program program = load(artifact({target(name)}), name);
  EXPECT_TRUE(program) << seqcLastErrorMessage();
  return program;
}

template <typename T>
T parameter(void **parameters, size_t number) {
  T value;
  std::memcpy(static_cast<void *>(&value), parameters[number], sizeof(T));
  return value;
}

/// The body of scale_0.
void scaleBody(void **p) {
  auto *x = parameter<float *>(p, 0);
  auto rows = parameter<int32_t>(p, 1);
  auto step = parameter<int64_t>(p, 2);
  auto s = parameter<float>(p, 3);
  auto n = parameter<int32_t>(p, 4);
  auto *out = parameter<float *>(p, 5);
  auto outStep = parameter<int64_t>(p, 6);
  EXPECT_EQ(parameter<int32_t>(p, 7), (rows + 127) / 128);
  EXPECT_NE(parameter<void *>(p, 8), nullptr);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < 8; ++j)
      out[i * outStep + j] = s * x[i * step + j] + float(n);
}

fake::State &driver() { return *fakeCudaState(); }

void onDevice(SeqcValue &value, int device) {
  value.as.tensor.device_type = SEQC_DEVICE_CUDA;
  value.as.tensor.device_id = device;
}

class Cuda : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_EQ(useFake, 0);
    driver().clear();
    driver().modules.clear();
    driver().kernels["scale_0"] = scaleBody;
    fakeCudaSetDevice(-1);
  }
};

/// Arguments of scale on a device: 300 rows of 8.
struct ScaleArguments {
  std::vector<float> data;
  Tensor x;
  SeqcValue values[3];

  explicit ScaleArguments(int device = 0, int64_t rows = 300)
      : data(size_t(rows) * 8), x(data.data(), SEQC_F32, {rows, 8}) {
    for (size_t i = 0; i < data.size(); ++i)
      data[i] = float(i);
    values[0] = x;
    onDevice(values[0], device);
    values[1] = real(2);
    values[2] = integer(5);
  }
};

SeqcStatus callAsync(const Program &program, const char *name,
                     const SeqcValue *arguments, size_t count,
                     SeqcValue *results, size_t numResults,
                     void *stream = nullptr) {
  const SeqcFunction *function = nullptr;
  EXPECT_EQ(seqcProgramLookup(program.get(), name, &function), SEQC_OK);
  return seqcFunctionCallAsync(function, arguments, count, results, numResults,
                               stream);
}

SeqcStatus callSync(const Program &program, const char *name,
                    const SeqcValue *arguments, size_t count,
                    SeqcValue *results, size_t numResults) {
  return seqcProgramCall(program.get(), name, arguments, count, results,
                         numResults);
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

TEST_F(Cuda, CallsAndWaits) {
  Program program = build();
  ScaleArguments in;
  SeqcValue out[3];
  std::memset(out, 0xAB, sizeof(out)); // Not read.
  ASSERT_EQ(callSync(program, "scale", in.values, 3, out, 3), SEQC_OK)
      << seqcLastErrorMessage();
  EXPECT_EQ(driver().synchronizations, 1);
  ASSERT_EQ(driver().launches.size(), 1u);
  const fake::LaunchRecord &launch = driver().launches[0];
  EXPECT_EQ(launch.kernel, "scale_0");
  EXPECT_EQ(launch.grid[0], 3u);
  EXPECT_EQ(launch.grid[1], 1u);
  EXPECT_EQ(launch.threads, 128u);
  EXPECT_EQ(launch.device, 0);
  EXPECT_EQ(out[0].as.tensor.device_type, SEQC_DEVICE_CUDA);
  EXPECT_EQ(out[0].as.tensor.device_id, 0);
  EXPECT_EQ(out[0].as.tensor.shape[0], 300);
  EXPECT_EQ(out[1].as.i64, 300);
  EXPECT_EQ(out[2].as.f64, 2.0);
  // The scratch is back, the result is not.
  EXPECT_EQ(driver().memory.size(), 1u);
  std::vector<float> values = take<float>(out[0]);
  EXPECT_EQ(values[17], 2 * 17 + 5.0f);
  EXPECT_TRUE(driver().memory.empty());
}

TEST_F(Cuda, WorksInTheStream) {
  Program program = build();
  ScaleArguments in;
  SeqcValue out[3] = {};
  void *stream = reinterpret_cast<void *>(0x1234);
  ASSERT_EQ(callAsync(program, "scale", in.values, 3, out, 3, stream), SEQC_OK)
      << seqcLastErrorMessage();
  seqcTensorRelease(&out[0].as.tensor);
  driver().clear(); // Loading is done.
  ASSERT_EQ(callAsync(program, "scale", in.values, 3, out, 3, stream), SEQC_OK)
      << seqcLastErrorMessage();
  EXPECT_EQ(driver().synchronizations, 0);
  EXPECT_EQ(driver().launches.at(0).stream, stream);
  std::string name = std::to_string(0x1234);
  std::vector<std::string> expected = {"alloc 9600 in " + name,
                                       "alloc 1200 in " + name,
                                       "free in " + name + " on 0"};
  EXPECT_EQ(driver().log, expected);
  seqcTensorRelease(&out[0].as.tensor);
  EXPECT_EQ(driver().log.back(), "free in " + name + " on 0");
}

TEST_F(Cuda, WritesInPlace) {
  Program program = build();
  ScaleArguments in;
  std::vector<float> memory(300 * 12, -1);
  Tensor given(memory.data(), SEQC_F32, {300, 8}, {12, 1});
  SeqcValue out[3] = {};
  out[0] = given;
  onDevice(out[0], 0);
  ASSERT_EQ(callAsync(program, "scale", in.values, 3, out, 3), SEQC_OK)
      << seqcLastErrorMessage();
  EXPECT_EQ(out[0].as.tensor.data, memory.data());
  EXPECT_EQ(out[0].as.tensor.owner, nullptr);
  EXPECT_EQ(memory[12 * 2 + 3], 2 * 19 + 5.0f);
  EXPECT_EQ(memory[12 * 2 + 8], -1);
  EXPECT_EQ(out[1].as.i64, 300);
  EXPECT_EQ(driver().allocations, 1); // The scratch.
}

TEST_F(Cuda, RefusesMemoryThatDoesNotFit) {
  Program program = build();
  ScaleArguments in;
  std::vector<float> memory(300 * 8);
  SeqcValue out[3] = {};
  auto refused = [&](const Tensor &given, int device, const char *part) {
    out[0] = given;
    onDevice(out[0], device);
    EXPECT_EQ(callAsync(program, "scale", in.values, 3, out, 3),
              SEQC_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(messageHas(part));
    EXPECT_TRUE(messageHas("result 0 'out'"));
  };
  refused(Tensor(memory.data(), SEQC_F32, {299, 8}), 0,
          "is tensor<299x8xf32>, expected tensor<300x8xf32>");
  refused(Tensor(memory.data(), SEQC_I32, {300, 8}), 0, "tensor<300x8xi32>");
  refused(Tensor(memory.data(), SEQC_F32, {300, 8}), 2,
          "expected CUDA device 0");
  out[0] = Tensor(memory.data(), SEQC_F32, {300, 8}, {16, 2});
  int64_t shape[] = {300, 8}, strides[] = {16, 2};
  out[0].as.tensor.shape = shape;
  out[0].as.tensor.strides = strides;
  onDevice(out[0], 0);
  EXPECT_EQ(callAsync(program, "scale", in.values, 3, out, 3),
            SEQC_ERROR_MISALIGNED);
  EXPECT_TRUE(messageHas("result 0 'out': stride of dimension 1 is 2 elements, "
                         "expected 1 (kernel 'scale_0')"));
  EXPECT_TRUE(driver().memory.empty());
  EXPECT_TRUE(driver().launches.empty());
}

TEST_F(Cuda, EmptyArgumentsLaunchNothing) {
  Program program = build();
  ScaleArguments in(0, 0);
  SeqcValue out[3] = {};
  ASSERT_EQ(callAsync(program, "scale", in.values, 3, out, 3), SEQC_OK)
      << seqcLastErrorMessage();
  EXPECT_TRUE(driver().launches.empty());
  EXPECT_EQ(out[0].as.tensor.data, nullptr);
  EXPECT_EQ(out[0].as.tensor.shape[0], 0);
  seqcTensorRelease(&out[0].as.tensor);
}

TEST_F(Cuda, ArgumentsThatAreReturnedAreCopied) {
  Program program = build();
  float x[] = {1, 2, 3};
  Tensor tensor(x, SEQC_F32, {3});
  SeqcValue in = tensor, out[2] = {};
  onDevice(in, 1 + 1);
  ASSERT_EQ(callAsync(program, "same", &in, 1, out, 2), SEQC_OK)
      << seqcLastErrorMessage();
  EXPECT_NE(out[0].as.tensor.data, x);
  EXPECT_NE(out[0].as.tensor.data, out[1].as.tensor.data);
  EXPECT_EQ(out[0].as.tensor.device_id, 2);
  EXPECT_EQ(take<float>(out[0]), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(take<float>(out[1]), (std::vector<float>{1, 2, 3}));
}

TEST_F(Cuda, ResultShapes) {
  Program program = build();
  const SeqcFunction *function = nullptr;
  ASSERT_EQ(seqcProgramLookup(program.get(), "scale", &function), SEQC_OK);
  ScaleArguments in;
  in.values[0].as.tensor.data = nullptr;
  int64_t sizes[2] = {};
  ASSERT_EQ(seqcFunctionResultShapes(function, in.values, 3, sizes, 2), SEQC_OK)
      << seqcLastErrorMessage();
  EXPECT_EQ(sizes[0], 300);
  EXPECT_EQ(sizes[1], 8);
  EXPECT_EQ(seqcFunctionResultShapes(function, in.values, 3, sizes, 1),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas("has 2 sizes of results, got 1"));
  EXPECT_TRUE(driver().log.empty());
}

//===----------------------------------------------------------------------===//
// Tensor maps
//===----------------------------------------------------------------------===//

/// Two tensors of attend: (2, heads, rows, 64), in memory of that order.
struct AttendArguments {
  std::vector<uint16_t> memory;
  Tensor q, k;
  SeqcValue values[2];

  AttendArguments(int64_t rows, int64_t keys, std::vector<int64_t> strides = {})
      : memory(size_t(1) << 18),
        q(base(), SEQC_BF16, {2, 4, rows, 64}, std::move(strides)),
        k(base() + 8, SEQC_BF16, {2, 2, keys, 64}) {
    values[0] = q;
    values[1] = k;
    onDevice(values[0], 0);
    onDevice(values[1], 0);
  }

  uint16_t *base() {
    auto address = reinterpret_cast<uintptr_t>(memory.data());
    return reinterpret_cast<uint16_t *>((address + 63) / 64 * 64);
  }
};

TEST_F(Cuda, TensorMaps) {
  Program program = build();
  AttendArguments in(100, 70, {25600, 64, 256, 1});
  std::vector<fake::MapRecord> maps;
  driver().kernels["attend_0"] = [&](void **p) {
    maps.push_back(parameter<fake::MapRecord>(p, 0));
    maps.push_back(parameter<fake::MapRecord>(p, 1));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p[0]) % 64, 0u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p[1]) % 64, 0u);
    EXPECT_EQ(parameter<int64_t>(p, 5), 64);
  };
  SeqcValue out[1] = {};
  ASSERT_EQ(callAsync(program, "attend", in.values, 2, out, 1), SEQC_OK)
      << seqcLastErrorMessage();
  seqcTensorRelease(&out[0].as.tensor);
  ASSERT_EQ(maps.size(), 2u);
  const fake::MapRecord &map = maps[0];
  EXPECT_EQ(map.address,
            reinterpret_cast<uintptr_t>(in.q.value.as.tensor.data));
  EXPECT_EQ(map.rank, 4);
  EXPECT_EQ(map.type, 9);
  EXPECT_EQ(map.swizzle, 3);
  EXPECT_EQ(map.dims[0], 64u);
  EXPECT_EQ(map.dims[1], 100u);
  EXPECT_EQ(map.dims[2], 4u);
  EXPECT_EQ(map.strides[0], 512u);
  EXPECT_EQ(map.strides[1], 128u);
  EXPECT_EQ(map.strides[2], 51200u);
  EXPECT_EQ(map.box[0], 64);
  EXPECT_EQ(map.box[1], 64);
  EXPECT_EQ(maps[1].box[1], 128);
  EXPECT_EQ(maps[1].strides[1], 70u * 128);
  const fake::LaunchRecord &launch = driver().launches.at(0);
  EXPECT_EQ(launch.grid[0], 2u);
  EXPECT_EQ(launch.grid[1], 4u);
  EXPECT_EQ(launch.grid[2], 2u);
  EXPECT_EQ(launch.sharedBytes, 200000u);
  EXPECT_EQ(driver().log.at(0), "attend_0 attribute 8 = 200000");
}

TEST_F(Cuda, BlocksThatTakePoints) {
  // attend_0 with 4 counters, of which the last is for those who find none.
  std::string metadata = target("sm_90a");
  std::string from = R"("shared_bytes":200000,)";
  metadata.replace(metadata.find(from), from.size(),
                   R"("shared_bytes":200000,"slots":4,)");
  from = R"({"kind":"stride","arg":2,"dim":2}])";
  metadata.replace(metadata.find(from), from.size(),
                   R"({"kind":"stride","arg":2,"dim":2},{"kind":"slot"},)"
                   R"({"kind":"grid","dim":1}])");
  Program program = load(artifact({metadata}), "sm_90a");
  ASSERT_TRUE(program) << seqcLastErrorMessage();
  AttendArguments in(100, 70);
  int32_t slot = -1;
  driver().kernels["attend_0"] = [&](void **p) {
    slot = parameter<int32_t>(p, 6);
    EXPECT_EQ(parameter<int32_t>(p, 7), 4); // The grid's, not the launch's.
  };
  auto run = [&](uintptr_t stream) {
    SeqcValue out[1] = {};
    EXPECT_EQ(callAsync(program, "attend", in.values, 2, out, 1,
                        reinterpret_cast<void *>(stream)),
              SEQC_OK)
        << seqcLastErrorMessage();
    seqcTensorRelease(&out[0].as.tensor);
    const fake::LaunchRecord &launch = driver().launches.back();
    EXPECT_EQ(launch.grid[1], 1u);
    EXPECT_EQ(launch.grid[2], 1u);
    return launch.grid[0];
  };
  // Of 16 points: 3 multiprocessors with 2 blocks each.
  EXPECT_EQ(run(32), 6u);
  EXPECT_EQ(slot, 0);
  EXPECT_EQ(run(48), 6u);
  EXPECT_EQ(slot, 1);
  EXPECT_EQ(run(32), 6u);
  EXPECT_EQ(slot, 0);
  // What is captured may run at any time.
  driver().captured = reinterpret_cast<void *>(32);
  EXPECT_EQ(run(32), 6u);
  EXPECT_EQ(slot, 2);
  EXPECT_EQ(run(32), 16u);
  EXPECT_EQ(slot, 3);
  driver().captured = reinterpret_cast<void *>(~uintptr_t(0));
  EXPECT_EQ(run(32), 6u);
  EXPECT_EQ(slot, 0);
  EXPECT_EQ(run(64), 16u);
  EXPECT_EQ(slot, 3);
}

// sum(x): in as many parts as the call's sizes ask for, then the merge of the
// parts, as a step of decoding is planned. Parts are
// max(1, min(12 / rows, ceil(n / 4))) of ceil(n / parts) numbers.
constexpr char kSum[] = R"({"name":"sum","arguments":[
  {"name":"x","kind":"tensor","dtype":"f32","shape":[null,null]}],
 "results":[{"kind":"tensor","dtype":"f32","shape":[null]}]})";
constexpr char kSumPlan[] = R"({"function":"sum","steps":[
  {"op":"dim","tensor":0,"dim":0},
  {"op":"dim","tensor":0,"dim":1},
  {"op":"const","value":1},
  {"op":"const","value":4},
  {"op":"const","value":12},
  {"op":"max","a":0,"b":2},
  {"op":"divs","a":4,"b":5},
  {"op":"ceildivs","a":1,"b":3},
  {"op":"min","a":6,"b":7},
  {"op":"max","a":8,"b":2},
  {"op":"ceildivs","a":1,"b":9},
  {"op":"mul","a":9,"b":0},
  {"op":"alloc","tensor":1,"dtype":"f32","shape":[9,0]},
  {"op":"launch","kernel":0,"grid":[2,2,11],"args":[
    {"tensor":0},{"value":10},{"tensor":1}]},
  {"op":"alloc","tensor":2,"dtype":"f32","shape":[0]},
  {"op":"launch","kernel":1,"grid":[0,2,2],"args":[
    {"tensor":1},{"tensor":2}]},
  {"op":"return","results":[{"tensor":2}]}]})";
constexpr char kSumKernels[] = R"({"name":"sum_0","threads":32,
 "shared_bytes":0,"params":[
  {"kind":"pointer","arg":0},{"kind":"size","arg":0,"dim":0},
  {"kind":"size","arg":0,"dim":1},{"kind":"scalar","arg":1,"type":"i32"},
  {"kind":"pointer","arg":2},{"kind":"size","arg":2,"dim":0}]},
 {"name":"sum_1","threads":32,"shared_bytes":0,"params":[
  {"kind":"pointer","arg":0},{"kind":"size","arg":0,"dim":0},
  {"kind":"pointer","arg":1},{"kind":"size","arg":1,"dim":0}]})";

TEST_F(Cuda, PartsAndTheirMerge) {
  std::string metadata =
      std::string(R"({"functions":[)") + kSum +
      R"(],"targets":[{"name":"sm_90a","kind":"cuda","arch":"sm_90a",)"
      R"("min_driver":12000,"kernels":[)" +
      kSumKernels + R"(],"plans":[)" + kSumPlan + "]}]}";
  std::vector<char> file =
      writeArtifact({{SectionKind::Metadata, kNoTarget, metadata},
                     {SectionKind::Cubin, 0, "cubin image"},
                     {SectionKind::Ptx, 0, "ptx text"}},
                    SEQC_ABI_VERSION);
  Program program = load(std::string(file.begin(), file.end()), "sm_90a");
  ASSERT_TRUE(program) << seqcLastErrorMessage();
  driver().kernels["sum_0"] = [](void **p) {
    auto *x = parameter<float *>(p, 0), *part = parameter<float *>(p, 4);
    auto rows = parameter<int32_t>(p, 1), n = parameter<int32_t>(p, 2),
         share = parameter<int32_t>(p, 3), parts = parameter<int32_t>(p, 5);
    for (int32_t i = 0; i < parts; ++i)
      for (int32_t row = 0; row < rows; ++row) {
        part[i * rows + row] = 0;
        for (int32_t j = i * share; j < std::min(n, (i + 1) * share); ++j)
          part[i * rows + row] += x[row * n + j];
      }
  };
  driver().kernels["sum_1"] = [](void **p) {
    auto *part = parameter<float *>(p, 0), *out = parameter<float *>(p, 2);
    auto parts = parameter<int32_t>(p, 1), rows = parameter<int32_t>(p, 3);
    for (int32_t row = 0; row < rows; ++row) {
      out[row] = 0;
      for (int32_t i = 0; i < parts; ++i)
        out[row] += part[i * rows + row];
    }
  };
  void *stream = reinterpret_cast<void *>(0x40);
  auto run = [&](int64_t rows, int64_t n, unsigned parts) {
    std::vector<float> data(size_t(rows * n), 1);
    Tensor x(data.data(), SEQC_F32, {rows, n});
    SeqcValue in[1] = {x}, out[1] = {};
    onDevice(in[0], 0);
    driver().launches.clear();
    driver().log.clear();
    ASSERT_EQ(callAsync(program, "sum", in, 1, out, 1, stream), SEQC_OK)
        << seqcLastErrorMessage();
    ASSERT_EQ(driver().launches.size(), 2u);
    EXPECT_EQ(driver().launches[0].grid[2], parts * unsigned(rows));
    EXPECT_EQ(driver().launches[1].grid[0], unsigned(rows));
    for (const fake::LaunchRecord &launch : driver().launches)
      EXPECT_EQ(launch.stream, stream);
    auto *sums = static_cast<float *>(out[0].as.tensor.data);
    for (int64_t row = 0; row < rows; ++row)
      EXPECT_EQ(sums[row], float(n));
    // The states of the parts go back when the stream is through with them.
    EXPECT_EQ(driver().log.back(), "free in 64 on 0");
    seqcTensorRelease(&out[0].as.tensor);
  };
  run(1, 100, 12); // As many as fit.
  run(5, 100, 2);
  run(100, 100, 1); // More rows than fit: one part each.
  run(1, 9, 3);     // As many as are worth it.
  run(2, 1, 1);
  run(2, 0, 1);
  // In a graph the allocations are nodes of it.
  driver().captured = stream;
  run(1, 100, 12);
  EXPECT_EQ(driver().synchronizations, 0);
}

/// sum, of which some kernels wait for those before them.
static std::string overlapping(bool first, bool second) {
  std::string kernels = kSumKernels;
  auto waits = [&](const std::string &name) {
    size_t at = kernels.find(name) + name.size();
    kernels.insert(at, R"("waits":true,)");
  };
  if (first)
    waits(R"("name":"sum_0",)");
  if (second)
    waits(R"("name":"sum_1",)");
  std::string metadata =
      std::string(R"({"functions":[)") + kSum +
      R"(],"targets":[{"name":"sm_90a","kind":"cuda","arch":"sm_90a",)"
      R"("min_driver":12000,"kernels":[)" +
      kernels + R"(],"plans":[)" + kSumPlan + "]}]}";
  std::vector<char> file =
      writeArtifact({{SectionKind::Metadata, kNoTarget, metadata},
                     {SectionKind::Cubin, 0, "cubin image"}},
                    SEQC_ABI_VERSION);
  return std::string(file.begin(), file.end());
}

TEST_F(Cuda, KernelsThatWaitOverlap) {
  std::vector<float> data(400, 1);
  auto run = [&](const Program &program, int64_t rows, int64_t n) {
    Tensor x(data.data(), SEQC_F32, {rows, n});
    SeqcValue in[1] = {x}, out[1] = {};
    onDevice(in[0], 0);
    driver().launches.clear();
    driver().log.clear();
    SeqcStatus status =
        callAsync(program, "sum", in, 1, out, 1, reinterpret_cast<void *>(64));
    seqcTensorRelease(&out[0].as.tensor);
    return status;
  };
  Program plain = load(overlapping(false, false), "sm_90a"),
          second = load(overlapping(false, true), "sm_90a"),
          both = load(overlapping(true, true), "sm_90a");
  ASSERT_TRUE(plain && second && both) << seqcLastErrorMessage();
  for (const Program *program : {&plain, &second, &both}) {
    ASSERT_EQ(run(*program, 4, 100), SEQC_OK) << seqcLastErrorMessage();
    ASSERT_EQ(driver().launches.size(), 2u);
    // What is in front of the first one may be anyone's.
    EXPECT_FALSE(driver().launches[0].overlaps);
    EXPECT_EQ(driver().launches[1].overlaps, program != &plain);
    EXPECT_EQ(driver().launches[1].kernel, "sum_1");
    EXPECT_EQ(driver().launches[1].grid[0], 4u);
    EXPECT_EQ(driver().launches[1].threads, 32u);
    EXPECT_EQ(driver().launches[1].stream, reinterpret_cast<void *>(64));
    // Nothing comes between the two.
    ASSERT_GE(driver().log.size(), 2u);
    EXPECT_EQ(driver().log[0].substr(0, 5), "alloc");
    EXPECT_EQ(driver().log[1].substr(0, 5), "alloc");
  }
  // Nothing to do at all.
  ASSERT_EQ(run(both, 0, 100), SEQC_OK) << seqcLastErrorMessage();
  EXPECT_TRUE(driver().launches.empty());
  driver().failures["cuLaunchKernelEx"] = 700;
  EXPECT_NE(run(second, 4, 100), SEQC_OK);
  EXPECT_TRUE(messageHas("launching kernel 'sum_1' of function 'sum'"))
      << seqcLastErrorMessage();
  EXPECT_FALSE(
      load(std::string(overlapping(false, true))
               .replace(overlapping(false, true).find("true"), 4, "1   "),
           "sm_90a"));
}

TEST_F(Cuda, TensorMapsAreMadeOnce) {
  Program program = build();
  driver().kernels["attend_0"] = [](void **p) {
    EXPECT_EQ(parameter<fake::MapRecord>(p, 0).rank, 4);
  };
  AttendArguments first(100, 70), second(64, 64);
  auto run = [&](AttendArguments &in) {
    SeqcValue out[1] = {};
    ASSERT_EQ(callAsync(program, "attend", in.values, 2, out, 1), SEQC_OK)
        << seqcLastErrorMessage();
    seqcTensorRelease(&out[0].as.tensor);
  };
  run(first);
  EXPECT_EQ(driver().encodings, 2);
  run(first);
  run(second);
  run(first);
  run(second);
  EXPECT_EQ(driver().encodings, 4);
  // Another size at the same address is another map.
  AttendArguments third(100, 70);
  third.values[0].as.tensor.data = first.values[0].as.tensor.data;
  int64_t shape[] = {2, 4, 99, 64};
  third.values[0].as.tensor.shape = shape;
  driver().kernels["attend_0"] = [](void **p) {
    EXPECT_EQ(parameter<fake::MapRecord>(p, 0).dims[1], 99u);
  };
  run(third);
  EXPECT_EQ(driver().encodings, 6);
}

TEST_F(Cuda, TensorMapsOfEmptyAndSingleSizes) {
  Program program = build();
  driver().kernels["attend_0"] = [](void **p) {
    EXPECT_EQ(parameter<fake::MapRecord>(p, 1).dims[1], 1u);
  };
  AttendArguments in(3, 0);
  in.values[1].as.tensor.data = nullptr;
  // Strides are not used without elements, nor those of sizes of 1.
  int64_t shape[] = {2, 2, 0, 64}, strides[] = {3, 7, 64, 1};
  in.values[1].as.tensor.shape = shape;
  in.values[1].as.tensor.strides = strides;
  SeqcValue out[1] = {};
  ASSERT_EQ(callAsync(program, "attend", in.values, 2, out, 1), SEQC_OK)
      << seqcLastErrorMessage();
  seqcTensorRelease(&out[0].as.tensor);
  shape[0] = shape[1] = 1;
  int64_t queries[] = {1, 4, 3, 64};
  in.values[0].as.tensor.shape = queries;
  ASSERT_EQ(callAsync(program, "attend", in.values, 2, out, 1), SEQC_OK)
      << seqcLastErrorMessage();
  seqcTensorRelease(&out[0].as.tensor);
}

TEST_F(Cuda, MisalignedArguments) {
  Program program = build();
  SeqcValue out[1] = {};
  auto refused = [&](AttendArguments &in, const char *part) {
    EXPECT_EQ(callAsync(program, "attend", in.values, 2, out, 1),
              SEQC_ERROR_MISALIGNED);
    EXPECT_TRUE(messageHas(part));
    EXPECT_TRUE(isOneLine(seqcLastErrorMessage()));
  };
  AttendArguments odd(100, 70);
  auto *data = static_cast<uint16_t *>(odd.values[1].as.tensor.data);
  odd.values[1].as.tensor.data = data + 1;
  refused(odd, "argument 1 'key': data is not aligned to 16 bytes");
  AttendArguments strided(100, 70, {25600, 6400, 65, 1});
  refused(strided, "argument 0 'query': stride of dimension 2 is 65 elements, "
                   "expected a multiple of 16 bytes (8 elements)");
  AttendArguments inner(100, 70, {51200, 12800, 128, 2});
  refused(inner, "stride of dimension 3 is 2 elements, expected 1");
  AttendArguments shared(100, 70, {6400, 0, 64, 1});
  refused(shared, "stride of dimension 1 is 0 elements, expected more than 0");
  EXPECT_TRUE(driver().memory.empty());
  EXPECT_STREQ(seqcStatusName(SEQC_ERROR_MISALIGNED), "misaligned argument");
}

//===----------------------------------------------------------------------===//
// Devices, contexts, modules
//===----------------------------------------------------------------------===//

TEST_F(Cuda, SeveralDevices) {
  Program program = build("sm_80");
  for (int device : {0, 1, 2, 0, 1, 2}) {
    ScaleArguments in(device);
    SeqcValue out[3] = {};
    ASSERT_EQ(callAsync(program, "scale", in.values, 3, out, 3), SEQC_OK)
        << seqcLastErrorMessage();
    EXPECT_EQ(out[0].as.tensor.device_id, device);
    EXPECT_EQ(driver().launches.back().device, device);
    seqcTensorRelease(&out[0].as.tensor);
    EXPECT_EQ(driver().log.back(), "free in 0 on " + std::to_string(device));
  }
  // Once for each device: machine code on the sm_80 alone.
  EXPECT_EQ(driver().modules,
            (std::vector<std::string>{"ptx:0:relaxed", "cubin:1:relaxed",
                                      "ptx:2:relaxed"}));
  EXPECT_EQ(driver().captureMode, 0);
}

TEST_F(Cuda, ArgumentsOnOneDevice) {
  Program program = build();
  AttendArguments in(100, 70);
  onDevice(in.values[1], 2);
  SeqcValue out[1] = {};
  EXPECT_EQ(callAsync(program, "attend", in.values, 2, out, 1),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas("argument 1 'key': is on CUDA device 2, expected "
                         "device 0 as argument 0 'query'"));
}

TEST_F(Cuda, HostMemoryIsRefused) {
  Program program = build();
  ScaleArguments in;
  in.values[0].as.tensor.device_type = SEQC_DEVICE_HOST;
  SeqcValue out[3] = {};
  EXPECT_EQ(callAsync(program, "scale", in.values, 3, out, 3),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas("device type is 0, only CUDA memory (2)"));
}

TEST_F(Cuda, CurrentContextStays) {
  Program program = build();
  fakeCudaSetDevice(2);
  ScaleArguments in(0);
  SeqcValue out[3] = {};
  ASSERT_EQ(callAsync(program, "scale", in.values, 3, out, 3), SEQC_OK);
  EXPECT_EQ(driver().launches.back().device, 0);
  seqcTensorRelease(&out[0].as.tensor);
  ScaleArguments other(2);
  ASSERT_EQ(callAsync(program, "scale", other.values, 3, out, 3), SEQC_OK);
  EXPECT_EQ(driver().launches.back().device, 2);
  seqcTensorRelease(&out[0].as.tensor);
}

TEST_F(Cuda, UnknownDevice) {
  Program program = build();
  ScaleArguments in(7);
  SeqcValue out[3] = {};
  EXPECT_EQ(callAsync(program, "scale", in.values, 3, out, 3),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas("CUDA device 7 is not one of the 3 visible ones"));
}

TEST_F(Cuda, WrongArchitecture) {
  Program program = build("sm_90a");
  ScaleArguments in(1);
  SeqcValue out[3] = {};
  EXPECT_EQ(callAsync(program, "scale", in.values, 3, out, 3),
            SEQC_ERROR_UNSUPPORTED);
  EXPECT_TRUE(messageHas(
      "device 1: compiled for sm_90a, the device 'Fake 1' is sm_80"));
}

TEST_F(Cuda, NoPtx) {
  Program program = load(artifact({target("sm_80")}, true, false), "sm_80");
  ASSERT_TRUE(program) << seqcLastErrorMessage();
  ScaleArguments in(0);
  SeqcValue out[3] = {};
  EXPECT_EQ(callAsync(program, "scale", in.values, 3, out, 3),
            SEQC_ERROR_UNSUPPORTED);
  EXPECT_TRUE(messageHas("no PTX"));
}

TEST_F(Cuda, JitLog) {
  Program program = load(artifact({target("sm_80")}, false, true), "sm_80");
  ASSERT_TRUE(program) << seqcLastErrorMessage();
  driver().failures["cuModuleLoadDataEx"] = 218;
  driver().jitLog = "ptxas error: line 3\nptxas fatal: aborted\n";
  ScaleArguments in(0);
  SeqcValue out[3] = {};
  EXPECT_EQ(callAsync(program, "scale", in.values, 3, out, 3),
            SEQC_ERROR_DEVICE);
  EXPECT_TRUE(messageHas("loading the PTX for sm_80 on device 0 'Fake 0'"));
  EXPECT_TRUE(messageHas("CUDA_ERROR_INVALID_PTX"));
  EXPECT_TRUE(messageHas("ptxas error: line 3;ptxas fatal: aborted"));
  EXPECT_TRUE(isOneLine(seqcLastErrorMessage()));
  // The next call tries again.
  ASSERT_EQ(callAsync(program, "scale", in.values, 3, out, 3), SEQC_OK);
  seqcTensorRelease(&out[0].as.tensor);
}

TEST_F(Cuda, OldFormatFallsBackToPtx) {
  Program program = build("sm_80");
  driver().failures["cuModuleLoadDataEx"] = 200;
  ScaleArguments in(1);
  SeqcValue out[3] = {};
  ASSERT_EQ(callAsync(program, "scale", in.values, 3, out, 3), SEQC_OK)
      << seqcLastErrorMessage();
  EXPECT_EQ(driver().modules.at(0), "ptx:1:relaxed");
  seqcTensorRelease(&out[0].as.tensor);
}

TEST_F(Cuda, TooMuchSharedMemory) {
  Program program = build("sm_80");
  AttendArguments in(100, 70);
  onDevice(in.values[0], 1);
  onDevice(in.values[1], 1);
  SeqcValue out[3] = {};
  EXPECT_EQ(callAsync(program, "attend", in.values, 2, out, 1),
            SEQC_ERROR_UNSUPPORTED);
  EXPECT_TRUE(messageHas("kernel 'attend_0' needs 200000 bytes of shared "
                         "memory, device 1 'Fake 1' has 166912"));
  EXPECT_TRUE(driver().memory.empty());
  // The program's other kernels run.
  ScaleArguments small(1);
  ASSERT_EQ(callAsync(program, "scale", small.values, 3, out, 3), SEQC_OK)
      << seqcLastErrorMessage();
  seqcTensorRelease(&out[0].as.tensor);
}

TEST_F(Cuda, ModulesAreUnloaded) {
  {
    Program program = build();
    ScaleArguments in;
    SeqcValue out[3] = {};
    ASSERT_EQ(callAsync(program, "scale", in.values, 3, out, 3), SEQC_OK);
    program.reset();
    EXPECT_EQ(driver().log.back(), "unload");
    // A result outlives the program.
    EXPECT_EQ(take<float>(out[0])[1], 7.0f);
  }
  EXPECT_TRUE(driver().memory.empty());
}

//===----------------------------------------------------------------------===//
// Failures
//===----------------------------------------------------------------------===//

TEST_F(Cuda, OutOfMemory) {
  Program program = build();
  ScaleArguments in;
  SeqcValue out[3] = {};
  driver().failures["cuMemAllocAsync"] = 2;
  EXPECT_EQ(callAsync(program, "scale", in.values, 3, out, 3),
            SEQC_ERROR_OUT_OF_MEMORY);
  EXPECT_TRUE(messageHas("allocating 9600 bytes on CUDA device 0 for result 0 "
                         "'out' of function 'scale'"));
}

TEST_F(Cuda, FailedLaunchFreesEverything) {
  Program program = build();
  ScaleArguments in;
  SeqcValue out[3] = {};
  driver().failures["cuLaunchKernel"] = 700;
  EXPECT_EQ(callAsync(program, "scale", in.values, 3, out, 3),
            SEQC_ERROR_DEVICE);
  EXPECT_TRUE(messageHas("launching kernel 'scale_0' of function 'scale'"));
  EXPECT_TRUE(messageHas("CUDA_ERROR_ILLEGAL_ADDRESS"));
  EXPECT_EQ(out[0].kind, 0);
  EXPECT_TRUE(driver().memory.empty());
}

TEST_F(Cuda, FailedWaitFreesResults) {
  Program program = build();
  ScaleArguments in;
  SeqcValue out[3] = {};
  driver().failures["cuStreamSynchronize"] = 700;
  EXPECT_EQ(callSync(program, "scale", in.values, 3, out, 3),
            SEQC_ERROR_DEVICE);
  EXPECT_TRUE(messageHas("CUDA_ERROR_ILLEGAL_ADDRESS"));
  EXPECT_TRUE(driver().memory.empty());
}

TEST_F(Cuda, GridLimits) {
  Program program = build();
  AttendArguments in(1, 1);
  int64_t shape[] = {65536, 4, 1, 64}, strides[] = {0, 64, 64, 1};
  int64_t keys[] = {65536, 1, 1, 64};
  for (SeqcValue &value : in.values) {
    value.as.tensor.shape = shape;
    value.as.tensor.strides = strides;
  }
  in.values[1].as.tensor.shape = keys;
  SeqcValue out[1] = {};
  EXPECT_EQ(callAsync(program, "attend", in.values, 2, out, 1),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas("the grid of kernel 'attend_0' has 65536 blocks in z, "
                         "at most 65535 are possible"));
  EXPECT_TRUE(driver().memory.empty());
}

TEST_F(Cuda, SizeLimits) {
  Program program = build();
  ScaleArguments in;
  int64_t shape[] = {int64_t(1) << 31, 8}, strides[] = {0, 1};
  in.values[0].as.tensor.shape = shape;
  in.values[0].as.tensor.strides = strides;
  SeqcValue out[3] = {};
  EXPECT_EQ(callAsync(program, "scale", in.values, 3, out, 3),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas("argument 0 'x': size of dimension 0 is 2147483648, "
                         "expected less than 2^31"));
}

TEST_F(Cuda, ConditionsOnSizes) {
  Program program = build();
  AttendArguments in(100, 70);
  int64_t shape[] = {2, 3, 70, 64};
  in.values[1].as.tensor.shape = shape;
  SeqcValue out[1] = {};
  EXPECT_EQ(callAsync(program, "attend", in.values, 2, out, 1),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas("a multiple of"));
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

TEST_F(Cuda, ManyThreads) {
  Program program = build("sm_80");
  driver().kernels["attend_0"] = [](void **p) {
    auto map = parameter<fake::MapRecord>(p, 0);
    auto *out = parameter<uint32_t *>(p, 2);
    out[0] = map.dims[1];
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        int device = (t + i) % 3;
        ScaleArguments in(device);
        SeqcValue out[3] = {};
        ASSERT_EQ(callAsync(program, "scale", in.values, 3, out, 3), SEQC_OK)
            << seqcLastErrorMessage();
        EXPECT_EQ(static_cast<float *>(out[0].as.tensor.data)[9], 23.0f);
        seqcTensorRelease(&out[0].as.tensor);
        AttendArguments both(40 + i % 7, 50);
        if (device == 1)
          continue; // Its shared memory is too small.
        SeqcValue result[1] = {};
        onDevice(both.values[0], device);
        onDevice(both.values[1], device);
        ASSERT_EQ(callAsync(program, "attend", both.values, 2, result, 1),
                  SEQC_OK)
            << seqcLastErrorMessage();
        EXPECT_EQ(static_cast<uint32_t *>(result[0].as.tensor.data)[0],
                  uint32_t(40 + i % 7));
        seqcTensorRelease(&result[0].as.tensor);
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(driver().modules.size(), 3u);
  EXPECT_TRUE(driver().memory.empty());
}

//===----------------------------------------------------------------------===//
// Marks and streams
//===----------------------------------------------------------------------===//

TEST_F(Cuda, MarksAndWaits) {
  int32_t count = 0, capability = 0;
  ASSERT_EQ(seqcDeviceCount(&count), SEQC_OK) << seqcLastErrorMessage();
  EXPECT_EQ(count, 3);
  ASSERT_EQ(seqcDeviceCapability(1, &capability), SEQC_OK);
  EXPECT_EQ(capability, 80);
  EXPECT_EQ(seqcDeviceCapability(3, &capability), SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas("device 3"));

  int32_t device = -1;
  ASSERT_EQ(seqcPointerDevice(&count, &device), SEQC_OK);
  EXPECT_EQ(device, 1);

  SeqcMark *mark = nullptr;
  ASSERT_EQ(seqcMarkCreate(0, reinterpret_cast<void *>(7), &mark), SEQC_OK);
  driver().eventsDone = false;
  EXPECT_EQ(seqcMarkIsDone(mark), 0);
  driver().eventsDone = true;
  EXPECT_EQ(seqcMarkIsDone(mark), 1);
  seqcMarkRelease(mark);
  seqcMarkRelease(nullptr);
  ASSERT_EQ(seqcStreamWait(0, reinterpret_cast<void *>(5),
                           reinterpret_cast<void *>(6)),
            SEQC_OK);
  std::vector<std::string> expected = {"event in 7", "event in 6", "wait in 5"};
  EXPECT_EQ(driver().log, expected);
}

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

TEST_F(Cuda, PicksTheTargetThatRunsHere) {
  Program program = load(artifact({target("sm_100a"), target("sm_90a")}));
  ASSERT_TRUE(program) << seqcLastErrorMessage();
  EXPECT_STREQ(seqcProgramTarget(program.get()), "sm_90a");
  EXPECT_FALSE(load(artifact({target("sm_100a")})));
  EXPECT_TRUE(messageHas("sm_100a: compiled for sm_100a, the device"));
  EXPECT_TRUE(load(artifact({target("sm_100a")}), "sm_100a"));
}

TEST_F(Cuda, BadPlans) {
  auto refused = [&](const std::string &from, const std::string &to,
                     const std::string &part) {
    std::string bad = target("sm_80");
    size_t at = bad.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    bad.replace(at, from.size(), to);
    EXPECT_FALSE(load(artifact({bad}), "sm_80")) << to;
    EXPECT_TRUE(messageHas(part)) << to;
    EXPECT_TRUE(messageHas("artifact is corrupt: metadata"));
    EXPECT_TRUE(isOneLine(seqcLastErrorMessage()));
  };
  refused(R"("arch":"sm_80")", R"("arch":"gfx90a")", "\"arch\" is 'gfx90a'");
  refused(R"("arch":"sm_80")", R"("arch":"sm_80aa")", "\"arch\" is");
  refused(R"("op":"ceildivs")", R"("op":"sqrt")", "unknown step 'sqrt'");
  refused(R"("op":"ceildivs","a":0,"b":2)", R"("op":"ceildivs","a":0,"b":3)",
          "before it is there");
  refused(R"("op":"ceildivs","a":0,"b":2)", R"("op":"cmp","a":0,"b":2)",
          "predicate");
  refused(R"("tensor":0,"dim":0)", R"("tensor":0,"dim":2)", "\"dim\"");
  refused(R"("tensor":0,"dim":0)", R"("tensor":1,"dim":0)",
          "tensor 1 is a scalar");
  refused(R"("argument":1)", R"("argument":0)", "argument 0 is a tensor");
  refused(R"("kernel":0)", R"("kernel":5)", "\"kernel\" is out of range");
  refused(R"("tensor":4,"dtype":"i32")", R"("tensor":9,"dtype":"i32")",
          "not numbered in order");
  refused(R"("shape":[0,1])", R"("shape":[0,1,1])",
          "result 0 is not of the function's type");
  refused(R"("shape":[0])", R"("shape":[5])", "value 5 is not an integer");
  refused(R"({"value":5},{"value":6},{"tensor":3}])",
          R"({"value":6},{"value":6},{"tensor":3}])",
          "an integer meets a float");
  refused(R"({"tensor":0},{"tensor":4})", R"({"value":0},{"tensor":4})",
          "the argument is a scalar");
  refused(R"({"value":6},{"tensor":3}])", R"({"value":6}])",
          "the launch has no such argument");
  refused(R"("box":[1,1,64,64])", R"("box":[1,64,64])", "another rank");
  refused(R"("box":[1,1,64,64])", R"("box":[1,1,64,640])", "sizes 1 to 256");
  refused(R"("swizzle":128)", R"("swizzle":100)", "\"swizzle\"");
  refused(R"("threads":128)", R"("threads":0)", "has no threads");
  refused(R"("aligned":[0,1,2])", R"("aligned":[0,1,9])", "names no tensor");
  refused(R"("kind":"grid","dim":0)", R"("kind":"grid","dim":3)", "\"dim\"");
  refused(R"("kind":"grid","dim":0)", R"("kind":"warp","arg":0)",
          "unknown kind");
  refused(R"("function":"scale")", R"("function":"other")",
          "no plan for function 'scale'");
  refused(R"({"value":0},{"value":5}]}]})", R"({"value":0}]}]})",
          "the return has 2 results");
}

TEST_F(Cuda, NoCode) {
  EXPECT_FALSE(load(artifact({target("sm_80")}, false, false), "sm_80"));
  EXPECT_TRUE(messageHas("no code for target 'sm_80'"));
}

//===----------------------------------------------------------------------===//
// Without a driver: each in a process of its own
//===----------------------------------------------------------------------===//

/// Ends the process with 0 if loading for any GPU, and calling, fail so.
[[noreturn]] void expectNoDriver(const char *part) {
  bool good = !load(artifact({target("sm_80")}));
  good &= bool(messageHas(part));
  Program program = load(artifact({target("sm_80")}), "sm_80");
  good &= bool(program);
  ScaleArguments in;
  SeqcValue out[3] = {};
  good &= callAsync(program, "scale", in.values, 3, out, 3) != SEQC_OK;
  good &= bool(messageHas(part)) && bool(messageHas("is for a GPU"));
  if (!good)
    std::fprintf(stderr, "message: %s\n", seqcLastErrorMessage());
  std::exit(good ? 0 : 1);
}

TEST(CudaDeathTest, NoDriver) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ::setenv("SEQC_CUDA_DRIVER", "/nonexistent/libcuda.so.1", 1);
        expectNoDriver("no CUDA driver: /nonexistent/libcuda.so.1");
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(CudaDeathTest, OldDriver) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ::setenv("FAKE_CUDA_VERSION", "11080", 1);
        expectNoDriver(
            "the CUDA driver supports CUDA 11.8, seqc needs one for 12.0");
      },
      ::testing::ExitedWithCode(0), "");
}

static bool launchesBothWithoutOverlap() {
  Program program = load(overlapping(true, true), "sm_90a");
  std::vector<float> data(400, 1);
  Tensor x(data.data(), SEQC_F32, {4, 100});
  SeqcValue in[1] = {x}, out[1] = {};
  onDevice(in[0], 0);
  if (!program ||
      callAsync(program, "sum", in, 1, out, 1, nullptr) != SEQC_OK ||
      driver().launches.size() != 2)
    return false;
  return !driver().launches[0].overlaps && !driver().launches[1].overlaps;
}

TEST(CudaDeathTest, GraphsOfOldDriversKnowNoOverlap) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ::setenv("FAKE_CUDA_VERSION", "12020", 1);
        std::exit(launchesBothWithoutOverlap() ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(CudaDeathTest, NoDevice) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ::setenv("FAKE_CUDA_INIT", "100", 1);
        expectNoDriver("no CUDA device is visible");
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(CudaDeathTest, TargetOfANewerDriver) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ::setenv("FAKE_CUDA_VERSION", "12000", 1);
        std::string newer = target("sm_90a");
        newer.replace(newer.find("12000"), 5, "13000");
        bool good = !load(artifact({newer})) &&
                    messageHas("the CUDA driver is too old");
        Program program = load(artifact({newer}), "sm_90a");
        ScaleArguments in;
        SeqcValue out[3] = {};
        callAsync(program, "scale", in.values, 3, out, 3);
        good &= bool(messageHas("target sm_90a needs a CUDA driver of version "
                                "13.0 or newer, this one has 12.0"));
        std::exit(good ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

//===----------------------------------------------------------------------===//
// Time
//===----------------------------------------------------------------------===//

TEST_F(Cuda, DISABLED_TimeOfACall) {
  Program program = build();
  driver().kernels.clear();
  AttendArguments in(100, 70);
  std::vector<uint16_t> memory(2 * 4 * 100 * 64 + 64);
  auto address = reinterpret_cast<uintptr_t>(memory.data());
  Tensor given(reinterpret_cast<void *>((address + 63) / 64 * 64), SEQC_BF16,
               {2, 4, 100, 64});
  SeqcValue out[1] = {given};
  onDevice(out[0], 0);
  const SeqcFunction *function = nullptr;
  ASSERT_EQ(seqcProgramLookup(program.get(), "attend", &function), SEQC_OK);
  constexpr int kCalls = 20000;
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kCalls; ++i) {
    ASSERT_EQ(seqcFunctionCallAsync(function, in.values, 2, out, 1, nullptr),
              SEQC_OK)
        << seqcLastErrorMessage();
    driver().launches.clear();
  }
  double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  std::printf("%.0f ns a call, without the driver's part\n",
              seconds / kCalls * 1e9);
}

} // namespace
