//===- Npy.cpp - NumPy's .npy files ---------------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Npy.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>

using namespace seqc::driver;

namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
/// numpy's own limit.
constexpr size_t kMaxRank = 64;

struct ElementType {
  std::string_view code; ///< numpy's kind and size.
  SeqcDType dtype;
  size_t size;
  const char *descr;
};

constexpr ElementType kElementTypes[] = {
    {"f2", SEQC_F16, 2, "<f2"}, {"V2", SEQC_BF16, 2, "<V2"},
    {"f4", SEQC_F32, 4, "<f4"}, {"f8", SEQC_F64, 8, "<f8"},
    {"b1", SEQC_I1, 1, "|b1"},  {"i1", SEQC_I8, 1, "|i1"},
    {"i4", SEQC_I32, 4, "<i4"}, {"i8", SEQC_I64, 8, "<i8"},
};

const ElementType &getElementType(SeqcDType dtype) {
  for (const ElementType &type : kElementTypes)
    if (type.dtype == dtype)
      return type;
  throw UserError("element type " + std::to_string(dtype) +
                  " has no place in a .npy file");
}

/// Keeps a message on one line whatever the file holds.
std::string printable(std::string_view s) {
  std::string result(s.substr(0, 40));
  for (char &c : result)
    if (!std::isprint(static_cast<unsigned char>(c)))
      c = '?';
  return result;
}

struct Header {
  std::string descr;
  std::optional<bool> fortranOrder;
  std::optional<std::vector<int64_t>> shape;
};

/// Reads the dictionary of a header. Python writes it with repr(), so this
/// takes what repr() makes of strings, booleans and tuples of integers.
class HeaderParser {
public:
  HeaderParser(std::string_view text, const std::string &name)
      : text(text), name(name) {}

  Header parse() {
    Header header;
    expect('{');
    while (!accept('}')) {
      std::string key = parseString();
      expect(':');
      if (key == "descr")
        header.descr = parseDescr();
      else if (key == "fortran_order")
        header.fortranOrder = parseBool();
      else if (key == "shape")
        header.shape = parseShape();
      else
        fail("has the unknown key '" + printable(key) + "'");
      if (accept('}'))
        break;
      expect(',');
    }
    skipSpace();
    if (!text.empty())
      fail("goes on after its dictionary");
    if (header.descr.empty() || !header.fortranOrder || !header.shape)
      fail("lacks 'descr', 'fortran_order' or 'shape'");
    return header;
  }

private:
  [[noreturn]] void fail(const std::string &what) const {
    throw UserError("'" + name + "': the .npy header " + what);
  }

  void skipSpace() {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text[0])))
      text.remove_prefix(1);
  }
  bool accept(char c) {
    skipSpace();
    if (text.empty() || text[0] != c)
      return false;
    text.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c))
      fail(std::string("is malformed: expected '") + c + "' before '" +
           printable(text.substr(0, 10)) + "'");
  }
  bool acceptWord(std::string_view word) {
    skipSpace();
    if (text.substr(0, word.size()) != word)
      return false;
    text.remove_prefix(word.size());
    return true;
  }

  std::string parseString() {
    char quote = accept('"') ? '"' : '\'';
    if (quote == '\'')
      expect('\'');
    size_t end = text.find(quote);
    if (end == std::string_view::npos)
      fail("has a string without an end");
    std::string result(text.substr(0, end));
    text.remove_prefix(end + 1);
    return result;
  }

  std::string parseDescr() {
    skipSpace();
    if (!text.empty() && (text[0] == '[' || text[0] == '('))
      fail("describes a structured element type, which is not supported");
    return parseString();
  }

  bool parseBool() {
    if (acceptWord("True"))
      return true;
    if (!acceptWord("False"))
      fail("has a 'fortran_order' other than True and False");
    return false;
  }

  std::vector<int64_t> parseShape() {
    std::vector<int64_t> shape;
    expect('(');
    while (!accept(')')) {
      skipSpace();
      int64_t size = 0;
      auto [end, error] =
          std::from_chars(text.data(), text.data() + text.size(), size);
      if (error == std::errc::result_out_of_range)
        fail("has a size in 'shape' that does not fit in 64 bits");
      if (error != std::errc())
        fail("has a 'shape' that is not a tuple of integers");
      if (size < 0)
        fail("has the negative size " + std::to_string(size) + " in 'shape'");
      if (shape.size() == kMaxRank)
        fail("has more than 64 dimensions");
      shape.push_back(size);
      text.remove_prefix(size_t(end - text.data()));
      accept('L'); // Python 2 wrote long integers so.
      if (accept(')'))
        break;
      expect(',');
    }
    return shape;
  }

  std::string_view text;
  const std::string &name;
};

/// The element type of `descr`, or `wanted` where it has the same size, and
/// whether the file has the other byte order.
const ElementType &parseElementType(const std::string &descr,
                                    const std::string &name,
                                    std::optional<SeqcDType> wanted,
                                    bool &swapped) {
  std::string_view code(descr);
  swapped = false;
  if (!code.empty() &&
      std::string_view("<>|=").find(code[0]) != std::string_view::npos) {
    swapped = code[0] == '>';
    code.remove_prefix(1);
  }
  if (wanted) {
    const ElementType &type = getElementType(*wanted);
    size_t size = 0;
    if (!code.empty())
      std::from_chars(code.data() + 1, code.data() + code.size(), size);
    if (size != type.size)
      throw UserError("'" + name + "': elements '" + printable(descr) +
                      "' do not have " + std::to_string(type.size) +
                      " bytes and cannot be read " +
                      "as the type that was asked for");
    return type;
  }
  for (const ElementType &type : kElementTypes)
    if (type.code == code)
      return type;
  std::string known;
  for (const ElementType &type : kElementTypes)
    known += (known.empty() ? "" : ", ") + std::string(type.code);
  throw UserError("'" + name + "': the element type '" + printable(descr) +
                  "' is not one of " + known + " (V2 is bfloat16)");
}

/// The strides of a dense array and its number of elements; false where either
/// does not fit in 64 bits.
bool computeStrides(const std::vector<int64_t> &shape, bool fortranOrder,
                    std::vector<int64_t> &strides, int64_t &count) {
  strides.resize(shape.size());
  int64_t step = 1;
  count = 1;
  for (size_t i = 0, rank = shape.size(); i < rank; ++i) {
    size_t dim = fortranOrder ? i : rank - 1 - i;
    strides[dim] = step;
    if (shape[dim] == 0)
      count = 0;
    if (__builtin_mul_overflow(step, std::max<int64_t>(shape[dim], 1), &step))
      return false;
  }
  if (count != 0)
    count = step;
  return true;
}

void swapBytes(char *data, size_t count, size_t size) {
  for (size_t i = 0; i < count; ++i)
    std::reverse(data + i * size, data + (i + 1) * size);
}

} // namespace

size_t seqc::driver::elementSize(SeqcDType dtype) {
  return getElementType(dtype).size;
}

const char *seqc::driver::npyDescr(SeqcDType dtype) {
  return getElementType(dtype).descr;
}

NpyArray seqc::driver::parseNpy(Bytes bytes, const std::string &name,
                                std::optional<SeqcDType> dtype) {
  auto fail = [&](const std::string &what) {
    throw UserError("'" + name + "' " + what);
  };
  std::string_view file = bytes.view();
  if (file.substr(0, kMagic.size()) != kMagic)
    fail("is not a .npy file");
  size_t start = kMagic.size() + 2;
  if (file.size() < start + 2)
    fail("is truncated in its .npy header");
  auto byteAt = [&](size_t i) { return size_t(static_cast<uint8_t>(file[i])); };
  size_t major = byteAt(kMagic.size()), minor = byteAt(kMagic.size() + 1);
  if (major < 1 || major > 3 || minor != 0)
    fail("has .npy version " + std::to_string(major) + "." +
         std::to_string(minor) + "; 1.0, 2.0 and 3.0 are known");

  size_t lengthBytes = major == 1 ? 2 : 4;
  if (file.size() < start + lengthBytes)
    fail("is truncated in its .npy header");
  size_t length = 0;
  for (size_t i = 0; i < lengthBytes; ++i)
    length |= byteAt(start + i) << (8 * i);
  start += lengthBytes;
  if (length > file.size() - start)
    fail("is truncated in its .npy header");
  Header header = HeaderParser(file.substr(start, length), name).parse();
  start += length;

  bool swapped;
  const ElementType &type =
      parseElementType(header.descr, name, dtype, swapped);
  NpyArray array;
  array.dtype = type.dtype;
  array.shape = std::move(*header.shape);
  int64_t count = 0, size = 0;
  if (!computeStrides(array.shape, *header.fortranOrder, array.strides,
                      count) ||
      __builtin_mul_overflow(count, int64_t(type.size), &size))
    fail("has a .npy shape with more elements than 64 bits count");
  if (size_t(size) != file.size() - start)
    fail("holds " + std::to_string(file.size() - start) +
         " bytes of elements, but its .npy header asks for " +
         std::to_string(size));

  array.storage = std::move(bytes);
  char *data = array.storage.data() + start;
  if (start % type.size != 0) {
    std::memmove(array.storage.data(), data, size_t(size));
    data = array.storage.data();
  }
  if (swapped && type.size > 1)
    swapBytes(data, size_t(count), type.size);
  if (type.dtype == SEQC_I1)
    for (int64_t i = 0; i < count; ++i)
      data[i] = data[i] != 0;
  array.data = data;
  return array;
}

NpyArray seqc::driver::readNpy(const std::string &path,
                               std::optional<SeqcDType> dtype) {
  return parseNpy(readFile(path), path, dtype);
}

/// Writes what lies below `dim`, with `data` at its first element.
static void writeElements(FileWriter &file, const SeqcTensor &tensor,
                          const std::vector<int64_t> &strides,
                          int32_t denseFrom, int32_t dim, const char *data,
                          size_t denseBytes) {
  if (dim == denseFrom) {
    file.write({data, denseBytes});
    return;
  }
  int64_t step = strides[dim] * int64_t(elementSize(tensor.dtype));
  for (int64_t i = 0; i < tensor.shape[dim]; ++i)
    writeElements(file, tensor, strides, denseFrom, dim + 1, data + i * step,
                  denseBytes);
}

void seqc::driver::writeNpy(FileWriter &file, const SeqcTensor &tensor) {
  std::vector<int64_t> shape(tensor.shape, tensor.shape + tensor.rank);
  std::vector<int64_t> dense;
  int64_t count;
  if (!computeStrides(shape, /*fortranOrder=*/false, dense, count))
    throw UserError("a result has more elements than 64 bits count");

  std::string header = "{'descr': '" + std::string(npyDescr(tensor.dtype)) +
                       "', 'fortran_order': False, 'shape': (";
  for (int64_t size : shape)
    header += std::to_string(size) + ", ";
  if (shape.size() > 1)
    header.resize(header.size() - 2);
  else if (shape.size() == 1)
    header.pop_back();
  header += "), }";
  // Elements start at a multiple of 64; a line break ends the padding.
  size_t prefix = kMagic.size() + 4;
  header.append(63 - (prefix + header.size()) % 64, ' ');
  header += '\n';
  char version[] = {1, 0, char(header.size() & 0xff), char(header.size() >> 8)};
  file.write(kMagic);
  file.write({version, sizeof(version)});
  file.write(header);
  if (count == 0)
    return;

  // The innermost dimensions that are dense go out in one piece.
  std::vector<int64_t> strides =
      tensor.strides
          ? std::vector<int64_t>(tensor.strides, tensor.strides + tensor.rank)
          : dense;
  int32_t denseFrom = tensor.rank;
  size_t denseBytes = elementSize(tensor.dtype);
  while (denseFrom > 0 && (strides[denseFrom - 1] == dense[denseFrom - 1] ||
                           shape[denseFrom - 1] == 1))
    denseBytes *= size_t(shape[--denseFrom]);
  writeElements(file, tensor, strides, denseFrom, 0,
                static_cast<const char *>(tensor.data), denseBytes);
}
