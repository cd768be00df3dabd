//===- OperandConstraints.cpp - Constraints that both levels share --------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// attention, attention_backward and online_attention demand the same of their
// queries, keys, values and options, under the same numbers; so do
// selective_scan, selective_scan_backward and chunk_scan of their sequences and
// parameters. docs/spec.md has the text.
//
//===----------------------------------------------------------------------===//

#include "Constraints.h"

using namespace mlir;
using namespace seqc;

SmallVector<Type> seqc::withAccumulator(Type element) {
  SmallVector<Type> types = {element};
  if (Type acc = getAccumulatorType(element); acc != element)
    types.push_back(acc);
  return types;
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// A bias has, in each dimension, the full size or a static 1.
static LogicalResult verifyBias(const Constraints &check, Value bias,
                                ArrayRef<int64_t> full,
                                ArrayRef<Type> elements) {
  SmallVector<int64_t> shape(full);
  if (bias)
    if (auto type = cast<RankedTensorType>(bias.getType()); type.getRank() == 4)
      for (auto [wanted, size] : llvm::zip_equal(shape, type.getShape()))
        if (size == 1)
          wanted = 1;
  return check.tensor(10, "bias", bias, shape,
                      "(batch or 1, query heads or 1, queries or 1, keys or 1)",
                      elements);
}

/// A region is empty, or one block that takes `arguments` and yields `results`
/// without side effects.
static LogicalResult verifyRegion(const Constraints &check, unsigned number,
                                  StringRef name, Region &region,
                                  ArrayRef<Type> arguments,
                                  ArrayRef<Type> results) {
  if (region.empty())
    return success();
  auto fail = [&]() -> InFlightDiagnostic {
    InFlightDiagnostic diag = check.fail(number);
    diag << "the " << name << " region to be one block (";
    llvm::interleaveComma(arguments, diag);
    diag << ") that yields ";
    llvm::interleaveComma(results, diag);
    diag << ", but got ";
    return diag;
  };
  if (!region.hasOneBlock())
    return fail() << region.getBlocks().size() << " blocks";
  Block &block = region.front();
  if (!llvm::equal(block.getArgumentTypes(), arguments)) {
    InFlightDiagnostic diag = fail() << "a block (";
    llvm::interleaveComma(block.getArgumentTypes(), diag);
    return diag << ")";
  }
  auto yield = dyn_cast<YieldOp>(block.back());
  if (!yield)
    return fail() << "a block that ends in '" << block.back().getName() << "'";
  if (!llvm::equal(yield->getOperandTypes(), results)) {
    InFlightDiagnostic diag = fail() << "a block that yields ";
    llvm::interleaveComma(yield->getOperandTypes(), diag);
    return diag << (yield->getNumOperands() ? "" : "nothing");
  }
  for (Operation &inner : block)
    if (!isMemoryEffectFree(&inner))
      return check.fail(20) << "operations without side effects in the " << name
                            << " region, but got '" << inner.getName() << "'";
  return success();
}

LogicalResult seqc::verifyAttentionData(const Constraints &check,
                                        const AttentionOperands &operands) {
  SmallVector<Type> dataTypes = getDataTypes(operands.query.getContext());
  constexpr StringLiteral queryDims = "(batch, query heads, queries, head_dim)";
  constexpr StringLiteral keyDims = "(batch, key/value heads, keys, head_dim)";
  constexpr StringLiteral valueDims =
      "(batch, key/value heads, keys, value head_dim)";

  if (failed(
          check.hasRank(1, "query", operands.query, 4, queryDims, dataTypes)))
    return failure();
  auto query = cast<RankedTensorType>(operands.query.getType());
  Type element = query.getElementType();

  if (failed(check.hasRank(1, "key", operands.key, 4, keyDims, dataTypes)) ||
      failed(
          check.hasRank(1, "value", operands.value, 4, valueDims, dataTypes)))
    return failure();
  auto key = cast<RankedTensorType>(operands.key.getType());
  auto value = cast<RankedTensorType>(operands.value.getType());
  for (auto [name, type] :
       {std::pair<StringRef, RankedTensorType>{"key", key}, {"value", value}})
    if (type.getElementType() != element)
      return check.fail(2) << name << " to have the element type of query ("
                           << element << "), but got query " << query << " and "
                           << name << " " << type;

  AttentionSizes sizes(query, key, value);
  if (!ShapedType::isDynamic(sizes.queryHeads) &&
      !ShapedType::isDynamic(sizes.keyHeads) &&
      (sizes.keyHeads == 0 ? sizes.queryHeads != 0
                           : sizes.queryHeads % sizes.keyHeads != 0))
    return check.fail(3) << "query heads (" << sizes.queryHeads
                         << ") to be a multiple of key/value heads ("
                         << sizes.keyHeads << "), but got query " << query
                         << " and key " << key;
  for (auto [name, type] :
       {std::pair<StringRef, RankedTensorType>{"key", key}, {"value", value}})
    if (!compatibleDims(type.getDimSize(0), sizes.batch))
      return check.fail(4) << name << " to have the batch size of query ("
                           << sizes.batch << "), but got query " << query
                           << " and " << name << " " << type;
  for (auto [what, dim] :
       {std::pair<StringRef, unsigned>{"heads", 1}, {"length", 2}})
    if (!compatibleDims(key.getDimSize(dim), value.getDimSize(dim)))
      return check.fail(5) << "key and value to have the same " << what
                           << ", but got key " << key << " and value " << value;
  if (sizes.headDim < 1 || key.getDimSize(3) != sizes.headDim)
    return check.fail(6)
           << "query and key to have the same static head_dim of at least 1, "
              "but got query "
           << query << " and key " << key;
  if (sizes.valueDim < 1)
    return check.fail(7) << "value to have a static head_dim of at least 1, "
                            "but got value "
                         << value;
  return success();
}

LogicalResult seqc::verifyAttentionOptions(const Constraints &check,
                                           const AttentionOperands &operands) {
  auto query = cast<RankedTensorType>(operands.query.getType());
  AttentionSizes sizes(query, cast<RankedTensorType>(operands.key.getType()),
                       cast<RankedTensorType>(operands.value.getType()));
  if (failed(
          verifyBias(check, operands.bias,
                     {sizes.batch, sizes.queryHeads, sizes.queries, sizes.keys},
                     withAccumulator(query.getElementType()))))
    return failure();

  Value querySegments = operands.querySegments;
  Value keySegments = operands.keySegments;
  Type i32 = IntegerType::get(query.getContext(), 32);
  if (!querySegments != !keySegments)
    return check.fail(11)
           << "query_segments and key_segments together, but got only "
           << (querySegments ? "query_segments " : "key_segments ")
           << (querySegments ? querySegments : keySegments).getType();
  if (failed(check.tensor(11, "query_segments", querySegments,
                          {sizes.batch, sizes.queries}, "(batch, queries)",
                          i32)) ||
      failed(check.tensor(11, "key_segments", keySegments,
                          {sizes.batch, sizes.keys}, "(batch, keys)", i32)) ||
      failed(check.tensor(12, "prefix", operands.prefix, {sizes.batch},
                          "(batch)", i32)))
    return failure();

  if (operands.scale && !operands.scale.getValue().isFinite())
    return check.fail(14) << "scale to be finite, but got " << operands.scale;
  for (auto [name, window] :
       {std::pair<StringRef, IntegerAttr>{"window_left", operands.windowLeft},
        {"window_right", operands.windowRight}})
    if (window && window.getInt() < 0)
      return check.fail(15)
             << name << " not to be negative, but got " << window.getInt();
  if (FloatAttr dropout = operands.dropout) {
    double probability = dropout.getValueAsDouble();
    if (!(probability >= 0.0 && probability < 1.0))
      return check.fail(16) << "dropout to be in [0, 1), but got " << dropout;
    if (!operands.seed)
      return check.fail(17)
             << "a seed with dropout " << dropout << ", but got none";
  } else if (operands.seed) {
    return check.fail(17) << "no seed without dropout, but got seed "
                          << operands.seed.getType();
  }
  return success();
}

LogicalResult seqc::verifyAttentionRegions(const Constraints &check,
                                           Value query, Region &score,
                                           Region &mask,
                                           unsigned scoreResults) {
  MLIRContext *context = query.getContext();
  Type index = IndexType::get(context);
  Type acc = getAccumulatorType(getElementTypeOrSelf(query.getType()));
  Type i1 = IntegerType::get(context, 1);
  if (failed(verifyRegion(check, 18, "score", score,
                          {acc, index, index, index, index},
                          SmallVector<Type>(scoreResults, acc))))
    return failure();
  return verifyRegion(check, 19, "mask", mask, {index, index, index, index},
                      i1);
}

LogicalResult seqc::verifyKeyLengths(const Constraints &check, Value query,
                                     Value keyLengths) {
  auto type = cast<RankedTensorType>(query.getType());
  return check.tensor(21, "key_lengths", keyLengths, {type.getDimSize(0)},
                      "(batch)", IntegerType::get(query.getContext(), 32));
}

//===----------------------------------------------------------------------===//
// Scans
//===----------------------------------------------------------------------===//

/// The operand B (6) or C (7): constant, or variable in time, in groups of
/// channels or not.
static LogicalResult verifyProjection(const Constraints &check, unsigned number,
                                      StringRef name, Value value,
                                      const ScanSizes &sizes, Type element) {
  if (!value)
    return success();
  auto type = cast<RankedTensorType>(value.getType());
  switch (type.getRank()) {
  case 2:
    return check.tensor(number, name, value, {sizes.channels, sizes.stateDim},
                        "(channels, d_state)", withAccumulator(element));
  case 3:
    return check.tensor(number, name, value,
                        {sizes.batch, sizes.stateDim, sizes.length},
                        "(batch, d_state, length)", element);
  case 4: {
    int64_t groups = type.getDimSize(1);
    if (failed(check.tensor(number, name, value,
                            {sizes.batch, groups, sizes.stateDim, sizes.length},
                            "(batch, groups, d_state, length)", element)))
      return failure();
    if (groups < 1)
      return check.fail(8) << name
                           << " to have a static number of groups of at least "
                              "1, but got "
                           << type;
    if (!ShapedType::isDynamic(sizes.channels) && sizes.channels % groups != 0)
      return check.fail(8) << "the groups of " << name << " (" << groups
                           << ") to divide the channels of u ("
                           << sizes.channels << "), but got " << type;
    return success();
  }
  default:
    return check.fail(number)
           << name
           << " to be (channels, d_state), (batch, d_state, length) or (batch, "
              "groups, d_state, length), but got "
           << type;
  }
}

LogicalResult seqc::verifyScan(const Constraints &check,
                               const ScanOperands &operands,
                               ArrayRef<NamedValue> sameAsU,
                               ArrayRef<NamedValue> states, Value sequences) {
  if (failed(check.hasRank(1, "u", operands.u, 3, "(batch, channels, length)",
                           getDataTypes(operands.u.getContext()))))
    return failure();
  Type element = getElementTypeOrSelf(operands.u.getType());
  SmallVector<Type> elementOrAcc = withAccumulator(element);
  Type acc = elementOrAcc.back();

  // `delta` and `A` may know sizes that `u` does not, once their ranks are
  // right.
  if (failed(check.hasRank(2, "delta", operands.delta, 3,
                           "(batch, channels, length)", element)) ||
      failed(check.hasRank(3, "A", operands.A, 2, "(channels, d_state)",
                           elementOrAcc)))
    return failure();
  ScanSizes sizes(cast<RankedTensorType>(operands.u.getType()),
                  cast<RankedTensorType>(operands.delta.getType()),
                  cast<RankedTensorType>(operands.A.getType()));
  SmallVector<int64_t> dataShape = {sizes.batch, sizes.channels, sizes.length};
  SmallVector<NamedValue> data = {{"delta", operands.delta}, {"z", operands.z}};
  llvm::append_range(data, sameAsU);
  for (auto [name, value] : data)
    if (failed(check.tensor(2, name, value, dataShape,
                            "(batch, channels, length)", element)))
      return failure();
  if (failed(check.tensor(3, "A", operands.A, {sizes.channels, sizes.stateDim},
                          "(channels, d_state)", elementOrAcc)))
    return failure();
  if (sizes.stateDim < 1)
    return check.fail(4) << "A to have a static d_state of at least 1, but got "
                         << operands.A.getType();
  if (failed(check.tensor(5, "D", operands.D, {sizes.channels}, "(channels)",
                          elementOrAcc)) ||
      failed(check.tensor(5, "delta_bias", operands.deltaBias, {sizes.channels},
                          "(channels)", elementOrAcc)) ||
      failed(verifyProjection(check, 6, "B", operands.B, sizes, element)) ||
      failed(verifyProjection(check, 7, "C", operands.C, sizes, element)))
    return failure();
  int64_t count = sequences ? getNumStates(operands.u, sequences) : sizes.batch;
  for (auto [name, value] : states)
    if (failed(check.tensor(9, name, value,
                            {count, sizes.channels, sizes.stateDim},
                            sequences ? "(sequences, channels, d_state)"
                                      : "(batch, channels, d_state)",
                            acc)))
      return failure();
  return success();
}

int64_t seqc::getNumStates(Value data, Value sequences) {
  auto type = cast<RankedTensorType>((sequences ? sequences : data).getType());
  if (type.getRank() == 0 || type.isDynamicDim(0))
    return ShapedType::kDynamic;
  return sequences ? type.getDimSize(0) - 1 : type.getDimSize(0);
}

LogicalResult seqc::verifySequences(const Constraints &check, unsigned number,
                                    StringRef dataName, Value data,
                                    Value sequences) {
  if (!sequences)
    return success();
  Type i32 = IntegerType::get(data.getContext(), 32);
  if (failed(check.hasRank(number, "cu_seqlens", sequences, 1,
                           "(sequences + 1)", i32)))
    return failure();
  auto type = cast<RankedTensorType>(sequences.getType());
  if (!type.isDynamicDim(0) && type.getDimSize(0) < 2)
    return check.fail(number)
           << "cu_seqlens of at least one sequence, two elements, but got "
           << type;
  auto dataType = cast<RankedTensorType>(data.getType());
  if (!compatibleDims(dataType.getDimSize(0), 1))
    return check.fail(number)
           << dataName
           << " of batch 1 with cu_seqlens, which packs sequences along the "
              "time dimension, but got "
           << dataType;
  return success();
}

//===----------------------------------------------------------------------===//
// Convolutions
//===----------------------------------------------------------------------===//

LogicalResult seqc::verifyConv(const Constraints &check, Value x, Value weight,
                               Value bias, Value initialState,
                               ArrayRef<NamedValue> sameAsX, Value sequences) {
  constexpr StringLiteral dataDims = "(batch, channels, length)";
  if (failed(
          check.hasRank(1, "x", x, 3, dataDims, getDataTypes(x.getContext()))))
    return failure();
  auto xType = cast<RankedTensorType>(x.getType());
  Type element = xType.getElementType();
  SmallVector<Type> elementOrAcc = withAccumulator(element);
  for (auto [name, value] : sameAsX)
    if (failed(
            check.tensor(2, name, value, xType.getShape(), dataDims, element)))
      return failure();
  if (failed(check.hasRank(3, "weight", weight, 2, "(channels, width)",
                           elementOrAcc)))
    return failure();
  auto weightType = cast<RankedTensorType>(weight.getType());
  ConvSizes sizes(xType, weightType);
  if (failed(check.tensor(3, "weight", weight,
                          {xType.getDimSize(1), sizes.width},
                          "(channels, width)", elementOrAcc)))
    return failure();
  if (sizes.width < 1)
    return check.fail(4)
           << "weight to have a static width of at least 1, but got "
           << weightType;
  return failure(
      failed(check.tensor(5, "bias", bias, {sizes.channels}, "(channels)",
                          elementOrAcc)) ||
      failed(check.tensor(6, "initial_state", initialState,
                          sizes.state(x, sequences),
                          sequences ? "(sequences, channels, width - 1)"
                                    : "(batch, channels, width - 1)",
                          element)));
}
