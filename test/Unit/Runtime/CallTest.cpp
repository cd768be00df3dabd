//===- CallTest.cpp - Calling compiled functions --------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Fixture.h"

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <thread>

using namespace seqc::test;

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

/// y = x + x, elementwise, in any shape of that rank.
static std::string twice(const std::string &rank, const std::string &type) {
  std::string dims, sizes, names, iterators;
  int n = std::stoi(rank);
  std::string body = "func.func @twice(%x: T) -> T {\n";
  for (int i = 0; i < n; ++i) {
    std::string d = std::to_string(i);
    body += "  %c" + d + " = arith.constant " + d + " : index\n  %n" + d +
            " = tensor.dim %x, %c" + d + " : T\n";
    dims += "?x";
    sizes += (i ? ", %n" : "%n") + d;
    names += (i ? ", d" : "d") + d;
    iterators += std::string(i ? ", " : "") + "\"parallel\"";
  }
  std::string map = "affine_map<(" + names + ") -> (" + names + ")>";
  body +=
      "  %e = tensor.empty(" + sizes + ") : T\n" +
      "  %r = linalg.generic {indexing_maps = [" + map + ", " + map +
      "], iterator_types = [" + iterators +
      "]} ins(%x : T) outs(%e : T) {\n  ^bb0(%u: E, %o: E):\n" +
      "    %s = arith.add" + (type[0] == 'i' ? "i" : "f") +
      " %u, %u : E\n    linalg.yield %s : E\n  } -> T\n  return %r : T\n}\n";
  std::string source;
  for (char c : body) {
    if (c == 'T')
      source += "tensor<" + dims + type + ">";
    else if (c == 'E')
      source += type;
    else
      source += c;
  }
  return source;
}

static const SeqcProgram *twiceMatrix() {
  static const Program program = build(twice("2", "f32"));
  return program.get();
}

static std::vector<float> callTwice(const SeqcValue &argument) {
  SeqcValue result;
  SeqcStatus status =
      seqcProgramCall(twiceMatrix(), "twice", &argument, 1, &result, 1);
  EXPECT_EQ(status, SEQC_OK) << seqcLastErrorMessage();
  return status == SEQC_OK ? take<float>(result) : std::vector<float>();
}

static const SeqcProgram *mixed() {
  static const Program program = build(R"(
    func.func @mixed(%x: tensor<?x4xf32>, %n: i32, %p: i1, %q: i8, %i: index,
                     %l: i64, %s: f32, %d: f64, %h: f16, %b: bf16)
        -> (tensor<?x4xf32>, i32, i1, i8, index, i64, f32, f64, f16, bf16) {
      return %x, %n, %p, %q, %i, %l, %s, %d, %h, %b
          : tensor<?x4xf32>, i32, i1, i8, index, i64, f32, f64, f16, bf16
    }
    func.func @nothing() {
      return
    }
    func.func @one(%h: f16) -> f16 {
      return %h : f16
    })");
  return program.get();
}

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

TEST(Call, Dense) {
  float x[] = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(callTwice(Tensor(x, SEQC_F32, {2, 3})),
            (std::vector<float>{2, 4, 6, 8, 10, 12}));
}

TEST(Call, TransposedAndStepped) {
  float x[] = {1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(callTwice(Tensor(x, SEQC_F32, {2, 3}, {1, 2})),
            (std::vector<float>{2, 6, 10, 4, 8, 12}));
  EXPECT_EQ(callTwice(Tensor(x, SEQC_F32, {2, 2}, {4, 2})),
            (std::vector<float>{2, 6, 10, 14}));
}

TEST(Call, NegativeStrides) {
  float x[] = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(callTwice(Tensor(x + 5, SEQC_F32, {2, 3}, {-3, -1})),
            (std::vector<float>{12, 10, 8, 6, 4, 2}));
  EXPECT_EQ(callTwice(Tensor(x + 2, SEQC_F32, {2, 3}, {3, -1})),
            (std::vector<float>{6, 4, 2, 12, 10, 8}));
}

TEST(Call, ZeroStrides) {
  float x[] = {1, 2, 3};
  EXPECT_EQ(callTwice(Tensor(x, SEQC_F32, {2, 3}, {0, 1})),
            (std::vector<float>{2, 4, 6, 2, 4, 6}));
}

TEST(Call, ArgumentsAreNotWritten) {
  const float x[] = {1, 2, 3, 4};
  float copy[4];
  std::memcpy(copy, x, sizeof(x));
  callTwice(Tensor(copy, SEQC_F32, {2, 2}));
  EXPECT_EQ(std::memcmp(copy, x, sizeof(x)), 0);
}

TEST(Call, EmptyTensors) {
  for (auto shape : {std::vector<int64_t>{0, 3}, {3, 0}, {0, 0}}) {
    Tensor argument(nullptr, SEQC_F32, shape);
    SeqcValue result;
    ASSERT_EQ(
        seqcProgramCall(twiceMatrix(), "twice", &argument.value, 1, &result, 1),
        SEQC_OK)
        << seqcLastErrorMessage();
    EXPECT_EQ(result.as.tensor.shape[0], shape[0]);
    EXPECT_EQ(result.as.tensor.shape[1], shape[1]);
    EXPECT_TRUE(take<float>(result).empty());
  }
}

TEST(Call, EveryRank) {
  std::vector<float> x(64, 1.5f);
  for (int rank = 1; rank <= 6; ++rank) {
    Program program = build(twice(std::to_string(rank), "f32"));
    ASSERT_TRUE(program);
    Tensor argument(x.data(), SEQC_F32, std::vector<int64_t>(size_t(rank), 2));
    SeqcValue result;
    ASSERT_EQ(
        seqcProgramCall(program.get(), "twice", &argument.value, 1, &result, 1),
        SEQC_OK)
        << seqcLastErrorMessage();
    EXPECT_EQ(take<float>(result), std::vector<float>(size_t(1) << rank, 3.0f));
  }
}

TEST(Call, RankZero) {
  Program program = build("func.func @id(%x: tensor<f64>) -> tensor<f64> {\n"
                          "  return %x : tensor<f64>\n}\n");
  ASSERT_TRUE(program);
  double x = 7;
  Tensor argument(&x, SEQC_F64, {});
  argument.value.as.tensor.shape = nullptr;
  SeqcValue result;
  ASSERT_EQ(
      seqcProgramCall(program.get(), "id", &argument.value, 1, &result, 1),
      SEQC_OK)
      << seqcLastErrorMessage();
  EXPECT_NE(result.as.tensor.data, &x);
  EXPECT_EQ(take<double>(result), std::vector<double>{7});
}

TEST(Call, EveryElementType) {
  struct Case {
    const char *name;
    SeqcDType dtype;
    uint64_t one, two;
  };
  const Case cases[] = {
      {"f16", SEQC_F16, 0x3C00, 0x4000},
      {"bf16", SEQC_BF16, 0x3F80, 0x4000},
      {"f32", SEQC_F32, 0x3F800000, 0x40000000},
      {"f64", SEQC_F64, 0x3FF0000000000000, 0x4000000000000000},
      {"i8", SEQC_I8, 1, 2},
      {"i32", SEQC_I32, 1, 2},
      {"i64", SEQC_I64, 1, 2},
  };
  for (const Case &c : cases) {
    SCOPED_TRACE(c.name);
    Program program = build(twice("1", c.name));
    ASSERT_TRUE(program);
    size_t size = seqcDTypeSize(c.dtype);
    alignas(8) char x[8 * 37], expected[8 * 37];
    for (size_t i = 0; i < 37; ++i) {
      std::memcpy(x + i * size, &c.one, size);
      std::memcpy(expected + i * size, &c.two, size);
    }
    Tensor argument(x, c.dtype, {37});
    SeqcValue result;
    ASSERT_EQ(
        seqcProgramCall(program.get(), "twice", &argument.value, 1, &result, 1),
        SEQC_OK)
        << seqcLastErrorMessage();
    ASSERT_EQ(result.as.tensor.strides[0], 1);
    EXPECT_EQ(std::memcmp(result.as.tensor.data, expected, 37 * size), 0);
    seqcTensorRelease(&result.as.tensor);
    EXPECT_EQ(result.as.tensor.owner, nullptr);
  }
}

//===----------------------------------------------------------------------===//
// Scalars and several results
//===----------------------------------------------------------------------===//

TEST(Call, EveryScalarTypeThereAndBack) {
  float x[] = {1, 2, 3, 4};
  Tensor tensor(x, SEQC_F32, {1, 4});
  SeqcValue arguments[] = {
      tensor,      integer(-5), integer(1), integer(-128), integer(1l << 40),
      integer(-7), real(0.1),   real(0.1),  real(0.1),     real(0.1)};
  SeqcValue results[10];
  ASSERT_EQ(seqcProgramCall(mixed(), "mixed", arguments, 10, results, 10),
            SEQC_OK)
      << seqcLastErrorMessage();
  EXPECT_EQ(results[1].as.i64, -5);
  EXPECT_EQ(results[2].as.i64, 1);
  EXPECT_EQ(results[3].as.i64, -128);
  EXPECT_EQ(results[4].as.i64, 1l << 40);
  EXPECT_EQ(results[5].as.i64, -7);
  EXPECT_EQ(results[6].as.f64, double(0.1f));
  EXPECT_EQ(results[7].as.f64, 0.1);
  EXPECT_EQ(results[8].as.f64, 0.0999755859375);
  EXPECT_EQ(results[9].as.f64, 0.10009765625);
  // The tensor was returned as it came: the result is a copy.
  EXPECT_NE(results[0].as.tensor.data, x);
  EXPECT_EQ(take<float>(results[0]), (std::vector<float>{1, 2, 3, 4}));
}

TEST(Call, HalfPrecisionScalarsRoundToNearestEven) {
  struct Case {
    double given, expected;
  };
  const double infinity = std::numeric_limits<double>::infinity();
  const Case cases[] = {
      {0, 0},
      {1, 1},
      {-2.5, -2.5},
      {65504, 65504},
      {65519.9, 65504},
      {65520, infinity},
      {1e300, infinity},
      {-infinity, -infinity},
      // Halfway cases go to even; anything above goes up, even where a first
      // rounding to f32 would lose it.
      {1 + 0x1p-11, 1},
      {1 + 3 * 0x1p-11, 1 + 0x1p-9},
      {1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-10},
      // Subnormals.
      {0x1p-24, 0x1p-24},
      {0x1p-25, 0},
      {0x1p-25 + 0x1p-60, 0x1p-24},
      {0x1p-14 - 0x1p-26, 0x1p-14},
      {5e-324, 0},
  };
  for (const Case &c : cases) {
    SeqcValue argument = real(c.given), result;
    ASSERT_EQ(seqcProgramCall(mixed(), "one", &argument, 1, &result, 1),
              SEQC_OK);
    EXPECT_EQ(result.as.f64, c.expected) << c.given;
  }
  SeqcValue argument = real(std::nan("")), result;
  ASSERT_EQ(seqcProgramCall(mixed(), "one", &argument, 1, &result, 1), SEQC_OK);
  EXPECT_TRUE(std::isnan(result.as.f64));
}

TEST(Call, NoArgumentsNoResults) {
  EXPECT_EQ(seqcProgramCall(mixed(), "nothing", nullptr, 0, nullptr, 0),
            SEQC_OK);
}

TEST(Call, ResultsThatShareMemoryAreSeparated) {
  Program program = build(R"(
    func.func @same(%x: tensor<?xf32>)
        -> (tensor<?xf32>, tensor<?xf32>, tensor<3xf32>) {
      %k = arith.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
      return %x, %x, %k : tensor<?xf32>, tensor<?xf32>, tensor<3xf32>
    })");
  ASSERT_TRUE(program);
  float x[] = {3, 2, 1, 0};
  Tensor argument(x + 3, SEQC_F32, {4}, {-1});
  SeqcValue results[3];
  ASSERT_EQ(
      seqcProgramCall(program.get(), "same", &argument.value, 1, results, 3),
      SEQC_OK)
      << seqcLastErrorMessage();
  auto *first = static_cast<float *>(results[0].as.tensor.data);
  auto *second = static_cast<float *>(results[1].as.tensor.data);
  EXPECT_NE(first, second);
  first[0] = 100;
  EXPECT_EQ(second[0], 0);
  EXPECT_EQ(x[3], 0);
  // Results outlive the program.
  program.reset();
  EXPECT_EQ(take<float>(results[1]), (std::vector<float>{0, 1, 2, 3}));
  EXPECT_EQ(take<float>(results[2]), (std::vector<float>{1, 2, 3}));
  take<float>(results[0]);
}

TEST(Call, ManyArgumentsNeedTheHeap) {
  std::string source = "func.func @sum(";
  for (int i = 0; i < 100; ++i)
    source += (i ? ", %x" : "%x") + std::to_string(i) + ": tensor<?x?xf32>";
  source += ") -> f32 {\n  %c = arith.constant 0 : index\n"
            "  %s0 = arith.constant 0.0 : f32\n";
  for (int i = 0; i < 100; ++i) {
    std::string n = std::to_string(i);
    source += "  %e" + n + " = tensor.extract %x" + n +
              "[%c, %c] : tensor<?x?xf32>\n  %s" + std::to_string(i + 1) +
              " = arith.addf %s" + n + ", %e" + n + " : f32\n";
  }
  source += "  return %s100 : f32\n}\n";
  Program program = build(source);
  ASSERT_TRUE(program);
  std::vector<float> x(100);
  std::vector<std::unique_ptr<Tensor>> tensors;
  std::vector<SeqcValue> arguments;
  for (size_t i = 0; i < 100; ++i) {
    x[i] = float(i);
    tensors.push_back(
        std::make_unique<Tensor>(&x[i], SEQC_F32, std::vector<int64_t>{1, 1}));
    arguments.push_back(*tensors.back());
  }
  SeqcValue result;
  ASSERT_EQ(
      seqcProgramCall(program.get(), "sum", arguments.data(), 100, &result, 1),
      SEQC_OK)
      << seqcLastErrorMessage();
  EXPECT_EQ(result.as.f64, 4950);
}

//===----------------------------------------------------------------------===//
// Bad arguments
//===----------------------------------------------------------------------===//

static void expectRejected(const SeqcValue *arguments, size_t count,
                           const std::string &part, size_t numResults = 10) {
  SeqcValue results[16];
  std::memset(results, 0x5A, sizeof(results));
  SeqcStatus status =
      seqcProgramCall(mixed(), "mixed", arguments, count, results, numResults);
  EXPECT_EQ(status, SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas(part));
  EXPECT_TRUE(isOneLine(seqcLastErrorMessage()));
  EXPECT_EQ(results[0].kind, 0x5A5A5A5A);
}

TEST(Call, BadArguments) {
  alignas(8) float x[9] = {};
  Tensor good(x, SEQC_F32, {1, 4});
  std::vector<SeqcValue> arguments = {
      good,       integer(1), integer(1), integer(1), integer(1),
      integer(1), real(1),    real(1),    real(1),    real(1)};
  auto with = [&](size_t number, const SeqcValue &value,
                  const std::string &part) {
    std::vector<SeqcValue> changed = arguments;
    changed[number] = value;
    expectRejected(changed.data(), changed.size(), part);
  };

  with(0, Tensor(x, SEQC_F64, {1, 4}),
       "argument 0 'x': is tensor<1x4xf64>, expected tensor<?x4xf32>: element "
       "type is f64, not f32");
  with(0, Tensor(x, 77, {1, 4}), "unknown");
  with(0, Tensor(x, SEQC_F32, {4}), "rank is 1, not 2");
  with(0, Tensor(x, SEQC_F32, {1, 1, 4}), "rank is 3, not 2");
  with(0, Tensor(x, SEQC_F32, {1, 5}), "dimension 1 is 5, not 4");
  with(0, Tensor(x, SEQC_F32, {-1, 4}), "size of dimension 0 is -1");
  with(0, Tensor(nullptr, SEQC_F32, {1, 4}), "data is null");
  with(0, Tensor(reinterpret_cast<char *>(x) + 2, SEQC_F32, {1, 4}),
       "not aligned to 4 bytes");
  Tensor noShape(x, SEQC_F32, {1, 4});
  noShape.value.as.tensor.shape = nullptr;
  with(0, noShape, "shape is null");
  Tensor badRank(x, SEQC_F32, {1, 4});
  badRank.value.as.tensor.rank = -2;
  with(0, badRank, "rank is -2");
  badRank.value.as.tensor.rank = 1 << 30;
  with(0, badRank, "rank is 1073741824");
  Tensor device(x, SEQC_F32, {1, 4});
  device.value.as.tensor.device_type = 2;
  with(0, device, "device type is 2");
  with(0, integer(3), "is the integer 3, expected tensor<?x4xf32>");
  with(1, good, "argument 1 'n': is a tensor, expected i32");
  with(1, real(0.5), "is the float 0.5");
  with(1, integer(1l << 31), "value 2147483648 does not fit in i32");
  with(2, integer(2), "value 2 does not fit in i1");
  with(3, integer(-129), "does not fit in i8");
  with(6, integer(1), "argument 6 's': is the integer 1, expected f32");
  SeqcValue unknown = SeqcValue();
  unknown.kind = 9;
  with(5, unknown, "unknown kind 9");

  expectRejected(arguments.data(), 9, "has 10 arguments, got 9");
  expectRejected(arguments.data(), 10, "has 10 results, got 4", 4);
  expectRejected(nullptr, 10, "arguments is null");

  SeqcValue result;
  EXPECT_EQ(seqcProgramCall(mixed(), "mixt", nullptr, 0, &result, 1),
            SEQC_ERROR_NOT_FOUND);
  EXPECT_TRUE(messageHas("no function 'mixt'; the program has mixed, nothing"));
  EXPECT_EQ(seqcProgramCall(nullptr, "f", nullptr, 0, &result, 1),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(seqcFunctionCall(nullptr, nullptr, 0, &result, 1),
            SEQC_ERROR_INVALID_ARGUMENT);
}

static const char *const attention = R"(
  func.func @attend(%query: tensor<?x?x?x8xf32>, %key: tensor<?x?x?x8xf32>,
                    %value: tensor<?x?x?x8xf32>) -> tensor<?x?x?x8xf32> {
    %out = seqc.attention query(%query) key(%key) value(%value)
        : (tensor<?x?x?x8xf32>, tensor<?x?x?x8xf32>, tensor<?x?x?x8xf32>)
        -> tensor<?x?x?x8xf32>
    return %out : tensor<?x?x?x8xf32>
  })";

TEST(Call, SizesThatMustAgree) {
  Program program = build(attention);
  ASSERT_TRUE(program);
  std::vector<float> x(4096, 1.0f);
  auto attend = [&](std::vector<int64_t> q, std::vector<int64_t> k,
                    std::vector<int64_t> v) {
    Tensor query(x.data(), SEQC_F32, q), key(x.data(), SEQC_F32, k),
        value(x.data(), SEQC_F32, v);
    SeqcValue arguments[] = {query, key, value}, result;
    SeqcStatus status =
        seqcProgramCall(program.get(), "attend", arguments, 3, &result, 1);
    if (status == SEQC_OK) {
      for (float y : take<float>(result))
        EXPECT_FLOAT_EQ(y, 1);
    } else {
      EXPECT_TRUE(isOneLine(seqcLastErrorMessage()));
    }
    return status;
  };
  EXPECT_EQ(attend({2, 4, 5, 8}, {2, 2, 7, 8}, {2, 2, 7, 8}), SEQC_OK)
      << seqcLastErrorMessage();
  EXPECT_EQ(attend({2, 4, 5, 8}, {2, 2, 7, 8}, {2, 2, 6, 8}),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas("argument 2 'value': is tensor<2x2x6x8xf32>: "
                         "dimension 2 is 6, expected the size of dimension 2 "
                         "of argument 1 'key'"));
  EXPECT_EQ(attend({2, 4, 5, 8}, {1, 2, 7, 8}, {2, 2, 7, 8}),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(attend({2, 3, 5, 8}, {2, 2, 7, 8}, {2, 2, 7, 8}),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas("argument 0 'query'"));
  EXPECT_TRUE(messageHas("a multiple of dimension 1 of argument 1 'key'"));
  EXPECT_EQ(attend({2, 4, 5, 8}, {2, 0, 7, 8}, {2, 0, 7, 8}),
            SEQC_ERROR_INVALID_ARGUMENT);
}

//===----------------------------------------------------------------------===//
// Signatures
//===----------------------------------------------------------------------===//

TEST(Signature, Json) {
  const SeqcFunction *function = nullptr;
  ASSERT_EQ(seqcProgramLookup(mixed(), "one", &function), SEQC_OK);
  EXPECT_STREQ(seqcFunctionName(function), "one");
  EXPECT_EQ(seqcFunctionNumArguments(function), 1u);
  EXPECT_EQ(seqcFunctionNumResults(function), 1u);
  EXPECT_STREQ(
      seqcFunctionSignature(function),
      R"({"name":"one","arguments":[{"name":"h","kind":"scalar","dtype":"f16"}],)"
      R"("results":[{"kind":"scalar","dtype":"f16"}]})");
}

TEST(Signature, SizesFromOperators) {
  // The static size of one operand holds for the dynamic ones it is tied to.
  Program program = build(R"(
    func.func @f(%a: tensor<?x?xf32>, %1: tensor<?x16xf32>,
                 %c: tensor<?x?xf32> {seqc.name = "acc"})
        -> (tensor<?x?xf32> {seqc.name = "out"}) {
      %r = linalg.matmul ins(%a, %1 : tensor<?x?xf32>, tensor<?x16xf32>)
                         outs(%c : tensor<?x?xf32>) -> tensor<?x?xf32>
      return %r : tensor<?x?xf32>
    })");
  ASSERT_TRUE(program);
  EXPECT_STREQ(
      seqcFunctionSignature(seqcProgramFunction(program.get(), 0)),
      R"({"name":"f","arguments":[)"
      R"({"name":"a","kind":"tensor","dtype":"f32","shape":[null,null]},)"
      R"({"kind":"tensor","dtype":"f32","shape":[null,16]},)"
      R"({"name":"acc","kind":"tensor","dtype":"f32","shape":[null,16]}],)"
      R"("results":[)"
      R"({"name":"out","kind":"tensor","dtype":"f32","shape":[null,16]}],)"
      R"("equal":[[[0,0],[2,0]],[[0,1],[1,0]]]})");
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

TEST(Signature, SizesFromCallsBranchesAndSlices) {
  Program program = build(R"(
    !t = tensor<1x2x?x16xf32>
    func.func private @attend(%q: !t, %k: !t, %v: !t) -> !t {
      %r = seqc.attention query(%q) key(%k) value(%v) : (!t, !t, !t) -> !t
      return %r : !t
    }
    func.func private @through(%v: !t, %k: !t, %q: !t) -> !t {
      %r = call @attend(%q, %k, %v) : (!t, !t, !t) -> !t
      return %r : !t
    }
    func.func @called(%q: !t, %k: !t, %v: !t) -> !t {
      %r = call @through(%v, %k, %q) : (!t, !t, !t) -> !t
      return %r : !t
    }
    func.func @twice(%q: !t, %k: !t, %c: !t) -> (!t, !t) {
      %r = call @attend(%q, %k, %k) : (!t, !t, !t) -> !t
      %s = call @attend(%q, %c, %c) : (!t, !t, !t) -> !t
      return %r, %s : !t, !t
    }
    func.func @branch(%q: !t, %k: !t, %v: !t, %c: i1) -> !t {
      %r = scf.if %c -> !t {
        %a = seqc.attention query(%q) key(%k) value(%v) : (!t, !t, !t) -> !t
        scf.yield %a : !t
      } else {
        scf.yield %q : !t
      }
      return %r : !t
    }
    func.func @slice(%q: !t, %k: !t, %v: !t) -> !t {
      %c2 = arith.constant 2 : index
      %n = tensor.dim %q, %c2 : !t
      %part = tensor.extract_slice %k[0, 0, 0, 0] [1, 2, %n, 16] [1, 1, 1, 1]
          : !t to !t
      %r = seqc.attention query(%q) key(%part) value(%v) : (!t, !t, !t) -> !t
      return %r : !t
    })");
  ASSERT_TRUE(program);
  std::vector<float> data(size_t(1 * 2 * 9 * 16), 1);
  auto run = [&](const char *name, int64_t q, int64_t k, int64_t v,
                 bool isBranch = false) {
    Tensor query(data.data(), SEQC_F32, {1, 2, q, 16}),
        key(data.data(), SEQC_F32, {1, 2, k, 16}),
        value(data.data(), SEQC_F32, {1, 2, v, 16});
    SeqcValue arguments[] = {query, key, value, integer(0)}, results[2] = {};
    const SeqcFunction *function = nullptr;
    EXPECT_EQ(seqcProgramLookup(program.get(), name, &function), SEQC_OK);
    SeqcStatus status =
        seqcFunctionCall(function, arguments, isBranch ? 4 : 3, results,
                         seqcFunctionNumResults(function));
    for (SeqcValue &result : results)
      if (status == SEQC_OK && result.kind == SEQC_VALUE_TENSOR)
        seqcTensorRelease(&result.as.tensor);
    return status;
  };
  EXPECT_EQ(run("called", 3, 5, 5), SEQC_OK) << seqcLastErrorMessage();
  EXPECT_EQ(run("called", 3, 5, 4), SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas("dimension 2 is 4, expected the size of dimension 2 "
                         "of argument 1 'k'"));
  // Each call has conditions of its own.
  EXPECT_EQ(run("twice", 3, 5, 7), SEQC_OK) << seqcLastErrorMessage();
  EXPECT_EQ(run("branch", 3, 5, 5, true), SEQC_OK) << seqcLastErrorMessage();
  EXPECT_EQ(run("branch", 3, 5, 4, true), SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(run("slice", 3, 5, 3), SEQC_OK) << seqcLastErrorMessage();
  EXPECT_EQ(run("slice", 3, 5, 2), SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas("argument 2 'v'"));
}

TEST(Threads, ManyCallersOfOneProgram) {
  const SeqcFunction *function = nullptr;
  ASSERT_EQ(seqcProgramLookup(twiceMatrix(), "twice", &function), SEQC_OK);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      std::vector<float> x(64 * 64, float(t));
      for (int i = 0; i < 50; ++i) {
        Tensor argument(x.data(), SEQC_F32, {64, 64});
        SeqcValue result;
        if (seqcFunctionCall(function, &argument.value, 1, &result, 1)) {
          ++wrong;
          continue;
        }
        for (float y : take<float>(result))
          wrong += y != 2.0f * float(t);
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Threads, EachHasItsOwnMessage) {
  seqcProgramCall(nullptr, "here", nullptr, 0, nullptr, 0);
  std::string other;
  std::thread([&] {
    other = seqcLastErrorMessage();
    seqcSetNumThreads(-3);
  }).join();
  EXPECT_EQ(other, "");
  EXPECT_TRUE(messageHas("program is null"));
}

TEST(Threads, Count) {
  EXPECT_EQ(seqcSetNumThreads(-1), SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas("-1"));
  int32_t all = seqcGetNumThreads();
  EXPECT_GE(all, 1);
  ASSERT_EQ(seqcSetNumThreads(3), SEQC_OK);
  EXPECT_EQ(seqcGetNumThreads(), 3);
  std::vector<float> x(64 * 64, 1.0f);
  for (float y : callTwice(Tensor(x.data(), SEQC_F32, {64, 64})))
    ASSERT_EQ(y, 2.0f);
  ASSERT_EQ(seqcSetNumThreads(0), SEQC_OK);
  EXPECT_EQ(seqcGetNumThreads(), all);
}
