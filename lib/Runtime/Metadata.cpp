//===- Metadata.cpp - Functions, as an artifact describes them ------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Program.h"

using namespace seqc;

const Json &seqc::member(const Json &object, const char *key,
                         Json::value_t type) {
  static const char *const names[] = {"null",   "object",  "array",
                                      "string", "boolean", "integer"};
  auto it = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || it == object.end())
    throw BadMetadata(std::string("no \"") + key + "\"");
  bool matches =
      it->type() == type || (type == Json::value_t::number_integer &&
                             it->type() == Json::value_t::number_unsigned);
  if (!matches)
    throw BadMetadata(std::string("\"") + key + "\" is not of type " +
                      names[size_t(type)]);
  return *it;
}

std::string seqc::text(const Json &object, const char *key) {
  return member(object, key, Json::value_t::string).get<std::string>();
}

static size_t natural(const Json &value, size_t below, const char *what) {
  if (!value.is_number_integer() || value.get<int64_t>() < 0 ||
      value.get<uint64_t>() >= below)
    throw BadMetadata(std::string(what) + " is out of range");
  return value.get<size_t>();
}

static ValueSpec readValue(const Json &json) {
  ValueSpec spec;
  if (json.is_object() && json.contains("name"))
    spec.name = text(json, "name");
  std::string kind = text(json, "kind");
  if (kind != "tensor" && kind != "scalar")
    throw BadMetadata("unknown kind of value '" + kind + "'");
  spec.isTensor = kind == "tensor";
  std::string dtype = text(json, "dtype");
  if (dtype == "index") {
    spec.isIndex = true;
    spec.dtype = SEQC_I64;
  }
  for (SeqcDType d = SEQC_F16; d <= SEQC_I64; ++d)
    if (dtype == seqcDTypeName(d))
      spec.dtype = d;
  if (spec.dtype == 0)
    throw BadMetadata("unknown element type '" + dtype + "'");
  if (!spec.isTensor)
    return spec;
  for (const Json &size : member(json, "shape", Json::value_t::array)) {
    if (!size.is_null() &&
        (!size.is_number_integer() || size.get<int64_t>() < 0))
      throw BadMetadata("a size is neither null nor a natural number");
    spec.shape.push_back(size.is_null() ? kDynamic : size.get<int64_t>());
  }
  if (spec.rank() > kMaxRank)
    throw BadMetadata("a rank is over " + std::to_string(kMaxRank));
  return spec;
}

static size_t place(ValueSpec &spec, size_t &end) {
  size_t alignment = spec.alignment();
  spec.offset = (end + alignment - 1) / alignment * alignment;
  end = spec.offset + spec.bytes();
  return spec.offset;
}

SeqcFunction seqc::readFunction(const Json &json) {
  SeqcFunction function;
  function.name = text(json, "name");
  for (const Json &value : member(json, "arguments", Json::value_t::array))
    function.arguments.push_back(readValue(value));
  for (const Json &value : member(json, "results", Json::value_t::array))
    function.results.push_back(readValue(value));

  Json signature = {{"name", function.name},
                    {"arguments", json["arguments"]},
                    {"results", json["results"]}};
  auto readDimension = [&](const Json &pair) {
    if (!pair.is_array() || pair.size() != 2)
      throw BadMetadata("a dimension is not a pair");
    Dimension dimension;
    dimension.argument =
        natural(pair[0], function.arguments.size(), "an argument");
    dimension.index =
        natural(pair[1], function.arguments[dimension.argument].shape.size(),
                "a dimension");
    return dimension;
  };
  if (json.contains("equal")) {
    signature["equal"] = json["equal"];
    for (const Json &group : member(json, "equal", Json::value_t::array)) {
      std::vector<Dimension> dimensions;
      for (const Json &pair : group)
        dimensions.push_back(readDimension(pair));
      if (dimensions.size() > 1)
        function.equal.push_back(std::move(dimensions));
    }
  }
  if (json.contains("multiple")) {
    signature["multiple"] = json["multiple"];
    for (const Json &pair : member(json, "multiple", Json::value_t::array)) {
      if (!pair.is_array() || pair.size() != 2)
        throw BadMetadata("\"multiple\" holds something else than pairs");
      auto readTerm = [&](const Json &term) {
        if (!term.is_number_integer())
          return readDimension(term);
        Dimension constant;
        constant.constant = term.get<int64_t>();
        return constant;
      };
      function.multiple.emplace_back(readTerm(pair[0]), readTerm(pair[1]));
    }
  }
  function.signature = signature.dump();

  // The result structure starts the scratch memory, which is 16-aligned.
  size_t end = 0;
  for (ValueSpec &spec : function.results)
    place(spec, end);
  for (ValueSpec &spec : function.arguments)
    place(spec, end);
  function.scratchBytes = end;
  return function;
}
