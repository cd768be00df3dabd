//===- Signature.cpp - Names and types of a function ----------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Signature.h"

#include "File.h"

#include <nlohmann/json.hpp>

#include <charconv>

using namespace seqc::driver;

SeqcDType seqc::driver::parseDType(const std::string &name) {
  std::string known;
  for (SeqcDType dtype = SEQC_F16; dtype <= SEQC_I64; ++dtype) {
    if (name == seqcDTypeName(dtype))
      return dtype;
    known += (known.empty() ? "" : ", ") + std::string(seqcDTypeName(dtype));
  }
  throw UserError("the element type '" + name + "' is not one of " + known);
}

std::string Parameter::type() const {
  if (!isTensor)
    return dtypeName;
  std::string result = "tensor<";
  for (int64_t size : shape)
    result += (size == kDynamic ? "?" : std::to_string(size)) + "x";
  return result + dtypeName + ">";
}

std::string Parameter::describe(const char *what, size_t index) const {
  std::string result = what + (" " + std::to_string(index));
  return name.empty() ? result : result + " '" + name + "'";
}

static std::vector<Parameter> parseParameters(const nlohmann::json &json) {
  std::vector<Parameter> parameters;
  for (const nlohmann::json &entry : json) {
    Parameter parameter;
    parameter.name = entry.value("name", "");
    parameter.isTensor = entry.at("kind") == "tensor";
    parameter.dtypeName = entry.at("dtype").get<std::string>();
    parameter.dtype = parameter.dtypeName == "index"
                          ? SEQC_I64
                          : parseDType(parameter.dtypeName);
    if (parameter.isTensor)
      for (const nlohmann::json &size : entry.at("shape"))
        parameter.shape.push_back(size.is_null() ? kDynamic
                                                 : size.get<int64_t>());
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

Signature Signature::parse(const nlohmann::json &json) {
  try {
    return {json.at("name").get<std::string>(),
            parseParameters(json.at("arguments")),
            parseParameters(json.at("results"))};
  } catch (const nlohmann::json::exception &error) {
    throw UserError(std::string("the program's metadata is malformed: ") +
                    error.what());
  }
}

Signature Signature::parse(const SeqcFunction *function) {
  return parse(nlohmann::json::parse(seqcFunctionSignature(function)));
}

std::string Signature::print() const {
  auto join = [](const std::vector<Parameter> &parameters) {
    std::string result;
    for (const Parameter &parameter : parameters) {
      result += result.empty() ? "" : ", ";
      if (!parameter.name.empty())
        result += parameter.name + ": ";
      result += parameter.type();
    }
    return result;
  };
  return "@" + name + "(" + join(arguments) + ") -> (" + join(results) + ")";
}

size_t seqc::driver::findParameter(const std::vector<Parameter> &parameters,
                                   const std::string &key, const char *what) {
  std::string known;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].name.empty() && parameters[i].name == key)
      return i;
    if (!parameters[i].name.empty())
      known += (known.empty() ? "" : ", ") + parameters[i].name;
  }
  size_t index = 0;
  const char *end = key.data() + key.size();
  auto [last, error] = std::from_chars(key.data(), end, index);
  if (error == std::errc() && last == end && index < parameters.size())
    return index;
  std::string message = std::string("no ") + what + " '" + key + "'; there ";
  message += parameters.size() == 1
                 ? "is 1"
                 : "are " + std::to_string(parameters.size());
  throw UserError(known.empty() ? message : message + ", named " + known);
}
