//===- NpyTest.cpp - .npy files, good and bad -----------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Npy.h"

#include "gtest/gtest.h"

#include <cstring>
#include <filesystem>
#include <random>

using namespace seqc::driver;
namespace fs = std::filesystem;

namespace {

Bytes toBytes(const std::string &text) {
  Bytes bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

/// A file of version 1, 2 or 3 with that header and `size` bytes of elements
/// that count up from 0.
std::string makeFile(std::string header, size_t size, int major = 1,
                     size_t align = 64) {
  size_t lengthBytes = major == 1 ? 2 : 4;
  while ((8 + lengthBytes + header.size()) % align != 0)
    header += ' ';
  std::string file("\x93NUMPY", 6);
  file += char(major);
  file += '\0';
  for (size_t i = 0; i < lengthBytes; ++i)
    file += char(header.size() >> (8 * i) & 0xff);
  file += header;
  for (size_t i = 0; i < size; ++i)
    file += char(i);
  return file;
}

std::string dict(const std::string &descr, const std::string &shape,
                 const std::string &fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran +
         ", 'shape': " + shape + ", }";
}

NpyArray parse(const std::string &file) {
  return parseNpy(toBytes(file), "x.npy");
}

std::string errorOf(const std::string &file) {
  try {
    parse(file);
  } catch (const UserError &error) {
    return error.what();
  }
  return "no error";
}

using Sizes = std::vector<int64_t>;

/// A folder that goes away with the test.
struct TemporaryFolder {
  fs::path path;
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "npy-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() { fs::remove_all(path); }
  size_t numFiles() const {
    return size_t(std::distance(fs::directory_iterator(path), {}));
  }
};

} // namespace

TEST(Npy, ReadsEveryVersionAndType) {
  for (int major : {1, 2, 3}) {
    NpyArray array = parse(makeFile(dict("<f4", "(2, 3)"), 24, major));
    EXPECT_EQ(array.dtype, SEQC_F32);
    EXPECT_EQ(array.shape, (Sizes{2, 3}));
    EXPECT_EQ(array.strides, (Sizes{3, 1}));
    EXPECT_EQ(static_cast<const char *>(array.data)[5], 5);
  }
  for (auto [descr, dtype] :
       {std::pair("<f2", SEQC_F16), std::pair("<V2", SEQC_BF16),
        std::pair("|V2", SEQC_BF16), std::pair("=f8", SEQC_F64),
        std::pair("|b1", SEQC_I1), std::pair("|i1", SEQC_I8),
        std::pair("<i4", SEQC_I32), std::pair("<i8", SEQC_I64)}) {
    NpyArray array =
        parse(makeFile(dict(descr, "(4,)"), 4 * elementSize(dtype)));
    EXPECT_EQ(array.dtype, dtype) << descr;
    EXPECT_EQ(array.shape, (Sizes{4})) << descr;
  }
}

TEST(Npy, ReadsFortranOrderAsAView) {
  std::string file = makeFile(dict("<f8", "(2, 3, 4)", "True"), 192);
  Bytes bytes = toBytes(file);
  const char *begin = bytes.data();
  NpyArray array = parseNpy(std::move(bytes), "x.npy");
  EXPECT_EQ(array.strides, (Sizes{1, 2, 6}));
  EXPECT_EQ(static_cast<const char *>(array.data), begin + file.size() - 192);
}

TEST(Npy, AlignsAndSwaps) {
  // The elements start at an odd offset.
  NpyArray odd = parse(makeFile(dict("<i4", "(2,)"), 8, 1, 1));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(odd.data) % 4, 0u);
  EXPECT_EQ(static_cast<const int32_t *>(odd.data)[1], 0x07060504);
  NpyArray big = parse(makeFile(dict(">i4", "(2,)"), 8));
  EXPECT_EQ(static_cast<const int32_t *>(big.data)[1], 0x04050607);
  NpyArray flags = parse(makeFile(dict("|b1", "(3,)"), 3));
  EXPECT_EQ(std::memcmp(flags.data, "\0\1\1", 3), 0);
}

TEST(Npy, ReadsEmptyAndScalar) {
  EXPECT_EQ(parse(makeFile(dict("<f4", "(2, 0, 3)"), 0)).shape,
            (Sizes{2, 0, 3}));
  EXPECT_EQ(parse(makeFile(dict("<f4", "()"), 4)).shape, Sizes{});
  // Any order of keys, double quotes, Python 2's long integers.
  EXPECT_EQ(parse(makeFile("{\"shape\": (2L,3L), \"fortran_order\":False,"
                           "\"descr\":\"<f2\"}",
                           12))
                .shape,
            (Sizes{2, 3}));
}

TEST(Npy, TakesBitsAsAskedFor) {
  std::string file = makeFile(dict("<u2", "(4,)"), 8);
  EXPECT_EQ(parseNpy(toBytes(file), "x.npy", SEQC_BF16).dtype, SEQC_BF16);
  EXPECT_THROW(parseNpy(toBytes(file), "x.npy", SEQC_F32), UserError);
  EXPECT_NE(errorOf(file).find("'<u2' is not one of f2"), std::string::npos);
}

TEST(Npy, RejectsBadFiles) {
  struct {
    std::string file, message;
  } cases[] = {
      {"", "is not a .npy file"},
      {"seqc", "is not a .npy file"},
      {std::string("\x93NUMPY", 6), "is truncated in its .npy header"},
      {std::string("\x93NUMPY\1\0\xff", 9), "is truncated in its .npy header"},
      {std::string("\x93NUMPY\2\0\xff\xff\xff\xff", 12),
       "is truncated in its .npy header"},
      {std::string("\x93NUMPY\7\1\0\0", 10), "has .npy version 7.1"},
      {makeFile("", 0), "is malformed: expected '{'"},
      {makeFile("{'descr': '<f4'", 0), "is malformed: expected ','"},
      {makeFile("{'descr': '<f4}", 0), "has a string without an end"},
      {makeFile("{'descr': '<f4'}", 0), "lacks 'descr', 'fortran_order'"},
      {makeFile(dict("<f4", "(2,)") + "!", 8), "goes on after"},
      {makeFile("{'colour': 1}", 0), "has the unknown key 'colour'"},
      {makeFile("{'\n\x01': 1}", 0), "has the unknown key '?\?'"},
      {makeFile(dict("<f4", "(-3,)"), 0), "has the negative size -3"},
      {makeFile(dict("<f4", "(99999999999999999999,)"), 0),
       "does not fit in 64 bits"},
      {makeFile(dict("<f4", "(2.5,)"), 0), "is malformed"},
      {makeFile(dict("<f4", "[2]"), 0), "is malformed"},
      {makeFile(dict("<f4", "(x,)"), 0), "not a tuple of integers"},
      {makeFile(dict("<f4", "(2,)", "Maybe"), 8), "other than True and False"},
      {makeFile("{'descr': [('a', '<f4')]}", 0), "structured element type"},
      {makeFile(dict("<c8", "(2,)"), 16), "'<c8' is not one of"},
      {makeFile(dict("|O", "(2,)"), 16), "'|O' is not one of"},
      {makeFile(dict("<", "(2,)"), 16), "'<' is not one of"},
      {makeFile(dict("<f4", "(4294967296, 4294967296)"), 0),
       "more elements than 64 bits count"},
      {makeFile(dict("<f8", "(2305843009213693952,)"), 0),
       "more elements than 64 bits count"},
      {makeFile(dict("<f4", "(0, 4294967296, 4294967296)"), 0),
       "more elements than 64 bits count"},
      {makeFile(dict("<f4", "(1000000,)"), 8), "header asks for 4000000"},
      {makeFile(dict("<f4", "(1,)"), 8), "holds 8 bytes of elements"},
  };
  for (const auto &test : cases) {
    std::string error = errorOf(test.file);
    EXPECT_NE(error.find(test.message), std::string::npos)
        << "expected: " << test.message << "\n     got: " << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
  std::string deep = "(";
  for (int i = 0; i < 65; ++i)
    deep += "1, ";
  EXPECT_NE(errorOf(makeFile(dict("<f4", deep + ")"), 4))
                .find("more than 64 dimensions"),
            std::string::npos);
}

// Whatever the bytes are, the answer is an array or a UserError.
TEST(Npy, SurvivesMutations) {
  std::mt19937 random(7);
  std::string good = makeFile(dict("<f4", "(2, 3)"), 24);
  for (int round = 0; round < 20000; ++round) {
    std::string file = good;
    for (int i = 0, n = 1 + int(random() % 4); i < n; ++i)
      file[random() % file.size()] = char(random());
    if (random() % 4 == 0)
      file.resize(random() % file.size());
    try {
      NpyArray array = parse(file);
      EXPECT_EQ(array.shape.size(), array.strides.size());
    } catch (const UserError &error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
}

TEST(Npy, WritesAnyStrides) {
  TemporaryFolder folder;
  std::string path = (folder.path / "out.npy").string();
  std::vector<int32_t> elements(24);
  for (int32_t i = 0; i < 24; ++i)
    elements[size_t(i)] = i;
  int64_t shape[] = {2, 1, 3}, strides[] = {-12, 77, 4};
  SeqcTensor tensor = {};
  tensor.data = elements.data() + 12;
  tensor.dtype = SEQC_I32;
  tensor.rank = 3;
  tensor.shape = shape;
  tensor.strides = strides;
  FileWriter file(path);
  writeNpy(file, tensor);
  EXPECT_FALSE(fs::exists(path));
  file.commit();
  NpyArray array = readNpy(path);
  EXPECT_EQ(array.shape, (Sizes{2, 1, 3}));
  const int32_t expected[] = {12, 16, 20, 0, 4, 8};
  EXPECT_EQ(std::memcmp(array.data, expected, sizeof(expected)), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(array.data) % 64, 0u);
  EXPECT_EQ(folder.numFiles(), 1u);
}

TEST(Npy, WritesEmptyScalarAndBFloat) {
  TemporaryFolder folder;
  std::string path = (folder.path / "out.npy").string();
  int64_t shape[] = {3, 0};
  uint16_t element = 0x3f80;
  SeqcTensor tensor = {};
  tensor.dtype = SEQC_BF16;
  tensor.data = &element;
  for (int32_t rank : {0, 2}) {
    tensor.rank = rank;
    tensor.shape = shape;
    FileWriter file(path);
    writeNpy(file, tensor);
    file.commit();
    NpyArray array = readNpy(path);
    EXPECT_EQ(array.dtype, SEQC_BF16);
    EXPECT_EQ(array.shape.size(), size_t(rank));
  }
}

TEST(FileWriter, LeavesNothingBehind) {
  TemporaryFolder folder;
  std::string path = (folder.path / "out").string();
  {
    FileWriter first(path);
    first.write("old");
    first.commit();
    FileWriter second(path);
    EXPECT_EQ(folder.numFiles(), 1u);
    second.write("new");
    second.finish();
    EXPECT_EQ(folder.numFiles(), 2u);
  }
  EXPECT_EQ(folder.numFiles(), 1u);
  EXPECT_EQ(readFile(path).view(), "old");
  // Through a symbolic link, which stays one.
  fs::path link = folder.path / "link";
  fs::create_symlink(path, link);
  FileWriter third(link.string());
  third.write("new");
  third.commit();
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(readFile(path).view(), "new");
}

TEST(FileWriter, NamesWhatItCannotWrite) {
  TemporaryFolder folder;
  EXPECT_THROW(FileWriter{folder.path.string()}, UserError);
  EXPECT_THROW(FileWriter{(folder.path / "no" / "out").string()}, UserError);
  EXPECT_THROW(readFile(folder.path.string()), UserError);
  EXPECT_THROW(readFile((folder.path / "no").string()), UserError);
  FileWriter device("/dev/full");
  device.write("x");
  EXPECT_THROW(device.commit(), UserError);
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
  EXPECT_EQ(folder.numFiles(), 0u);
}
