//===- Signature.cpp - What an artifact says about its functions ----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Beside types, a signature holds the conditions on sizes that types cannot
// express and that compiled code relies on: the key and the value of an
// attention have one length, query heads are a multiple of key heads, and so
// on. They are derived from the source. Every dimension of every tensor value
// is a node; an operator joins the dimensions that it needs to be equal (for
// linalg, those that one loop runs over), and what is left of the classes when
// only function arguments are looked at becomes part of the signature. Where a
// class has a static size, that becomes the argument's size. The runtime checks
// all of it before a call.
//
// The conditions of operators in branches, loops and functions that are called
// count as well, whether they run or not: compiled code does not check them. A
// function has nodes of its own for each place that it is called from. What
// enters or leaves a loop or a branch is not joined, because its size may
// change there.
//
//===----------------------------------------------------------------------===//

#include "Compilation.h"

#include "seqc/Dialect/Seqc/IR/Seqc.h"

#include "mlir/AsmParser/AsmParserState.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace seqc;

//===----------------------------------------------------------------------===//
// Dimensions that have one size
//===----------------------------------------------------------------------===//

namespace {

/// A dimension of a value, in one call of the function that it belongs to.
using Dim = std::pair<std::pair<void *, unsigned>, int64_t>;

class SizeClasses {
public:
  explicit SizeClasses(func::FuncOp function) : function(function) {
    addFunction(function);
  }

  /// The static size that a dimension must have, or kDynamic.
  int64_t getStaticSize(Value value, int64_t dim) {
    int64_t leader = find(dimOf(value, dim));
    auto it = staticSizes.find(leader);
    return it == staticSizes.end() ? ShapedType::kDynamic : it->second;
  }

  /// Groups of two or more dynamic argument dimensions, as (argument, dim).
  std::vector<std::vector<std::pair<unsigned, int64_t>>> getEqual() {
    llvm::MapVector<int64_t, std::vector<std::pair<unsigned, int64_t>>> groups;
    for (BlockArgument argument : function.getArguments())
      if (auto type = dyn_cast<RankedTensorType>(argument.getType()))
        for (int64_t dim = 0; dim < type.getRank(); ++dim)
          if (getStaticSize(argument, dim) == ShapedType::kDynamic)
            groups[find(dimOf(argument, dim))].push_back(
                {argument.getArgNumber(), dim});
    std::vector<std::vector<std::pair<unsigned, int64_t>>> result;
    for (auto &group : groups)
      if (group.second.size() > 1)
        result.push_back(std::move(group.second));
    return result;
  }

  struct Term {
    std::optional<std::pair<unsigned, int64_t>> argument;
    int64_t size = 0;
  };

  /// Pairs whose first is a multiple of the second; not both are static.
  std::vector<std::pair<Term, Term>> getMultiples() {
    std::vector<std::pair<Term, Term>> result;
    for (auto [multiple, divisor] : multiples) {
      std::optional<Term> first = getTerm(multiple), second = getTerm(divisor);
      if (first && second && (first->argument || second->argument))
        result.push_back({*first, *second});
    }
    return result;
  }

private:
  Dim dimOf(Value value, int64_t dim) const {
    return {{value.getAsOpaquePointer(), call}, dim};
  }

  int64_t node(Dim dim) {
    auto [it, inserted] = nodes.try_emplace(dim, int64_t(parent.size()));
    if (!inserted)
      return it->second;
    parent.push_back(it->second);
    auto type = cast<RankedTensorType>(
        Value::getFromOpaquePointer(dim.first.first).getType());
    if (!type.isDynamicDim(dim.second))
      staticSizes[it->second] = type.getDimSize(dim.second);
    return it->second;
  }

  int64_t find(int64_t n) {
    while (parent[n] != n)
      n = parent[n] = parent[parent[n]];
    return n;
  }
  int64_t find(Dim dim) { return find(node(dim)); }

  void join(Dim a, Dim b) {
    int64_t x = find(a), y = find(b);
    if (x == y)
      return;
    if (y < x)
      std::swap(x, y);
    parent[y] = x;
    auto size = staticSizes.find(y);
    if (size == staticSizes.end())
      return;
    // A copy: inserting may move what the iterator points to.
    int64_t known = size->second;
    staticSizes.try_emplace(x, known);
  }

  std::optional<Term> getTerm(int64_t n) {
    int64_t leader = find(n);
    auto size = staticSizes.find(leader);
    if (size != staticSizes.end())
      return Term{std::nullopt, size->second};
    for (BlockArgument argument : function.getArguments())
      if (auto type = dyn_cast<RankedTensorType>(argument.getType()))
        for (int64_t dim = 0; dim < type.getRank(); ++dim)
          if (find(dimOf(argument, dim)) == leader)
            return Term{std::pair(argument.getArgNumber(), dim), 0};
    return std::nullopt;
  }

  /// Names the dimensions of a value: those of one operator that have the same
  /// letter are joined. A space stands for a dimension without conditions.
  void name(llvm::DenseMap<char, Dim> &letters, Value value, StringRef dims) {
    if (!value)
      return;
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || size_t(type.getRank()) != dims.size())
      return;
    for (auto [i, letter] : llvm::enumerate(dims)) {
      if (letter == ' ')
        continue;
      Dim dim = dimOf(value, int64_t(i));
      auto [it, inserted] = letters.try_emplace(letter, dim);
      if (!inserted)
        join(it->second, dim);
    }
  }

  void joinAll(ValueRange values) {
    Value first;
    for (Value value : values) {
      auto type = dyn_cast<RankedTensorType>(value.getType());
      if (!type)
        continue;
      if (!first) {
        first = value;
        continue;
      }
      auto other = cast<RankedTensorType>(first.getType());
      for (int64_t i = 0; i < std::min(type.getRank(), other.getRank()); ++i)
        join(dimOf(first, i), dimOf(value, i));
    }
  }

  /// The four letters of a bias, without those of the sizes it broadcasts.
  static std::string biasDims(Value bias, StringRef dims) {
    std::string result = dims.str();
    if (bias)
      if (auto type = dyn_cast<RankedTensorType>(bias.getType()))
        for (int64_t i = 0; i < type.getRank() && i < 4; ++i)
          if (type.getDimSize(i) == 1)
            result[size_t(i)] = ' ';
    return result;
  }

  void addMultiple(Value value, Value divisor, int64_t dim, int64_t other) {
    multiples.push_back({node(dimOf(value, dim)), node(dimOf(divisor, other))});
  }

  void addAttention(AttentionOp op) {
    llvm::DenseMap<char, Dim> letters;
    name(letters, op.getQuery(), "bhid");
    name(letters, op.getKey(), "bgjd");
    name(letters, op.getValue(), "bgjv");
    name(letters, op.getBias(), biasDims(op.getBias(), "bhij"));
    name(letters, op.getQuerySegments(), "bi");
    name(letters, op.getKeySegments(), "bj");
    name(letters, op.getPrefix(), "b");
    name(letters, op.getKeyLengths(), "b");
    name(letters, op.getSinks(), "h");
    name(letters, op.getOut(), "bhiv");
    name(letters, op.getLse(), "bhi");
    addMultiple(op.getQuery(), op.getKey(), 1, 1);
  }

  void addPaged(PagedOp op) {
    llvm::DenseMap<char, Dim> letters;
    name(letters, op.getPages(), " gsd");
    name(letters, op.getTable(), "bm");
    name(letters, op.getOut(), "bg d");
  }

  void addScan(SelectiveScanOp op) {
    llvm::DenseMap<char, Dim> letters;
    for (Value value : {Value(op.getU()), Value(op.getDelta()),
                        Value(op.getZ()), Value(op.getOut())})
      name(letters, value, "bct");
    name(letters, op.getA(), "cn");
    for (Value value : {Value(op.getB()), Value(op.getC())}) {
      int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
      // B and C have groups of their own.
      name(letters, value, rank == 2 ? "cn" : rank == 3 ? "bnt" : "b nt");
      if (rank == 4)
        addMultiple(op.getU(), value, 1, 1);
    }
    name(letters, op.getD(), "c");
    name(letters, op.getDeltaBias(), "c");
    StringRef state = op.getCuSeqlens() ? "qcn" : "bcn";
    name(letters, op.getInitialState(), state);
    name(letters, op.getFinalState(), state);
  }

  void addScanBackward(SelectiveScanBackwardOp op) {
    llvm::DenseMap<char, Dim> letters;
    for (Value value : {Value(op.getU()), Value(op.getDelta()),
                        Value(op.getZ()), Value(op.getOutGrad())})
      name(letters, value, "bct");
    name(letters, op.getA(), "cn");
    for (Value value : {Value(op.getB()), Value(op.getC())}) {
      int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
      name(letters, value, rank == 2 ? "cn" : rank == 3 ? "bnt" : "b nt");
      if (rank == 4)
        addMultiple(op.getU(), value, 1, 1);
    }
    for (Value value : {Value(op.getD()), Value(op.getDeltaBias())})
      name(letters, value, "c");
    for (Value value :
         {Value(op.getInitialState()), Value(op.getFinalStateGrad())})
      name(letters, value, op.getCuSeqlens() ? "qcn" : "bcn");
    for (auto [value, gradient] :
         {std::pair<Value, Value>{op.getU(), op.getUGrad()},
          {op.getDelta(), op.getDeltaGrad()},
          {op.getA(), op.getAGrad()},
          {op.getB(), op.getBGrad()},
          {op.getC(), op.getCGrad()},
          {op.getD(), op.getDGrad()},
          {op.getZ(), op.getZGrad()},
          {op.getDeltaBias(), op.getDeltaBiasGrad()},
          {op.getInitialState(), op.getInitialStateGrad()}})
      if (gradient)
        joinAll({value, gradient});
  }

  void addConvBackward(CausalConv1dBackwardOp op) {
    llvm::DenseMap<char, Dim> letters;
    for (Value value :
         {Value(op.getX()), Value(op.getOutGrad()), Value(op.getXGrad())})
      name(letters, value, "bct");
    for (Value value : {Value(op.getWeight()), Value(op.getWeightGrad())})
      name(letters, value, "cw");
    for (Value value : {Value(op.getBias()), Value(op.getBiasGrad())})
      name(letters, value, "c");
    for (Value value :
         {Value(op.getInitialState()), Value(op.getFinalStateGrad()),
          Value(op.getInitialStateGrad())})
      name(letters, value, op.getCuSeqlens() ? "qcs" : "bcs");
  }

  void addConv(CausalConv1dOp op) {
    llvm::DenseMap<char, Dim> letters;
    name(letters, op.getX(), "bct");
    name(letters, op.getWeight(), "cw");
    name(letters, op.getBias(), "c");
    StringRef state = op.getCuSeqlens() ? "qcs" : "bcs";
    name(letters, op.getInitialState(), state);
    name(letters, op.getOut(), "bct");
    name(letters, op.getFinalState(), state);
  }

  void addLinalg(linalg::LinalgOp op) {
    llvm::DenseMap<unsigned, Dim> loops;
    for (OpOperand &operand : op->getOpOperands()) {
      if (!isa<RankedTensorType>(operand.get().getType()))
        continue;
      AffineMap map = op.getMatchingIndexingMap(&operand);
      for (auto [i, expression] : llvm::enumerate(map.getResults())) {
        auto loop = dyn_cast<AffineDimExpr>(expression);
        if (!loop)
          continue;
        Dim dim = dimOf(operand.get(), int64_t(i));
        auto [it, inserted] = loops.try_emplace(loop.getPosition(), dim);
        if (!inserted)
          join(it->second, dim);
      }
    }
    addDestinations(op);
  }

  void addDestinations(Operation *op) {
    auto style = dyn_cast<DestinationStyleOpInterface>(op);
    if (!style)
      return;
    for (OpResult result : op->getResults())
      if (isa<RankedTensorType>(result.getType()))
        joinAll({style.getTiedOpOperand(result)->get(), result});
  }

  /// Joins the dimensions of a result to those that its sizes are read from.
  void addSizes(Value result, ArrayRef<OpFoldResult> sizes) {
    for (auto [i, size] : llvm::enumerate(sizes)) {
      auto value = dyn_cast<Value>(size);
      auto source = value ? value.getDefiningOp<tensor::DimOp>() : nullptr;
      if (source && source.getConstantIndex() &&
          isa<RankedTensorType>(source.getSource().getType()))
        join(dimOf(result, int64_t(i)),
             dimOf(source.getSource(), *source.getConstantIndex()));
    }
  }

  void addFunction(func::FuncOp called) {
    active.push_back(called);
    called.getBody().walk([&](Operation *op) { addOperator(op); });
    active.pop_back();
  }

  void addCall(func::CallOp op) {
    auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
        op, op.getCalleeAttr());
    // Recursion may change sizes, and a tree of calls can be large.
    if (!callee || callee.isExternal() || llvm::is_contained(active, callee) ||
        numCalls == kMaxCalls)
      return;
    unsigned caller = call, inner = ++numCalls;
    auto joinValues = [&](Value outside, Value inside) {
      auto type = dyn_cast<RankedTensorType>(outside.getType());
      for (int64_t i = 0; type && i < type.getRank(); ++i)
        join({{outside.getAsOpaquePointer(), caller}, i},
             {{inside.getAsOpaquePointer(), inner}, i});
    };
    for (auto [operand, argument] :
         llvm::zip(op.getOperands(), callee.getArguments()))
      joinValues(operand, argument);
    if (callee.getBody().hasOneBlock())
      for (auto [result, returned] : llvm::zip(
               op.getResults(), callee.front().getTerminator()->getOperands()))
        joinValues(result, returned);
    call = inner;
    addFunction(callee);
    call = caller;
  }

  void addOperator(Operation *op) {
    if (auto call = dyn_cast<func::CallOp>(op))
      return addCall(call);
    if (auto attention = dyn_cast<AttentionOp>(op))
      return addAttention(attention);
    if (auto paged = dyn_cast<PagedOp>(op))
      return addPaged(paged);
    if (auto scan = dyn_cast<SelectiveScanOp>(op))
      return addScan(scan);
    if (auto conv = dyn_cast<CausalConv1dOp>(op))
      return addConv(conv);
    if (auto backward = dyn_cast<SelectiveScanBackwardOp>(op))
      return addScanBackward(backward);
    if (auto backward = dyn_cast<CausalConv1dBackwardOp>(op))
      return addConvBackward(backward);
    if (auto linalg = dyn_cast<linalg::LinalgOp>(op))
      return addLinalg(linalg);
    if (auto empty = dyn_cast<tensor::EmptyOp>(op))
      return addSizes(empty, empty.getMixedSizes());
    if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
      // A slice of a lower rank leaves out dimensions of one.
      if (slice.getType().getRank() == int64_t(slice.getMixedSizes().size()))
        addSizes(slice, slice.getMixedSizes());
      return;
    }
    if (isa<tensor::CastOp>(op) || op->hasTrait<OpTrait::Elementwise>()) {
      SmallVector<Value> values(op->getOperands());
      llvm::append_range(values, op->getResults());
      return joinAll(values);
    }
  }

  static constexpr unsigned kMaxCalls = 1 << 14;

  func::FuncOp function;
  /// The functions being walked, and the number of the innermost call.
  std::vector<func::FuncOp> active;
  unsigned call = 0, numCalls = 0;
  llvm::DenseMap<Dim, int64_t> nodes;
  std::vector<int64_t> parent;
  llvm::DenseMap<int64_t, int64_t> staticSizes;
  std::vector<std::pair<int64_t, int64_t>> multiples;
};

} // namespace

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

/// The runtime's name of an element or scalar type, or "".
static StringRef dtypeName(Type type) {
  if (type.isF16())
    return "f16";
  if (type.isBF16())
    return "bf16";
  if (type.isF32())
    return "f32";
  if (type.isF64())
    return "f64";
  if (type.isSignlessInteger(1))
    return "i1";
  if (type.isSignlessInteger(8))
    return "i8";
  if (type.isSignlessInteger(32))
    return "i32";
  if (type.isSignlessInteger(64))
    return "i64";
  return type.isIndex() ? "index" : "";
}

static bool isSupported(Type type) {
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    return !tensor.getEncoding() && !dtypeName(tensor.getElementType()).empty();
  return !dtypeName(type).empty();
}

static LogicalResult checkType(func::FuncOp function, StringRef what,
                               unsigned number, Type type) {
  if (isSupported(type))
    return success();
  return function.emitError()
         << "function '" << function.getName() << "', " << what << " " << number
         << " has type " << type
         << ", expected a ranked tensor or a scalar of f16, bf16, f32, f64, "
            "i1, i8, i32, i64 or index";
}

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

/// "query" for an argument written as %query; "" for %0 and %arg0.
static std::string sourceName(BlockArgument argument,
                              const AsmParserState *state) {
  if (!state)
    return "";
  const AsmParserState::BlockDefinition *block =
      state->getBlockDef(argument.getOwner());
  if (!block || argument.getArgNumber() >= block->arguments.size())
    return "";
  llvm::SMRange range = block->arguments[argument.getArgNumber()].loc;
  if (!range.isValid())
    return "";
  StringRef text(range.Start.getPointer(),
                 size_t(range.End.getPointer() - range.Start.getPointer()));
  if (!text.consume_front("%"))
    return "";
  StringRef digits = text;
  digits.consume_front("arg");
  return !digits.empty() && llvm::all_of(digits, llvm::isDigit) ? ""
                                                                : text.str();
}

//===----------------------------------------------------------------------===//
// Signatures
//===----------------------------------------------------------------------===//

static void writeValue(llvm::json::OStream &json, StringRef name, Type type,
                       function_ref<int64_t(int64_t)> size) {
  json.object([&] {
    if (!name.empty())
      json.attribute("name", llvm::json::fixUTF8(name));
    auto tensor = dyn_cast<RankedTensorType>(type);
    json.attribute("kind", tensor ? "tensor" : "scalar");
    json.attribute("dtype", dtypeName(getElementTypeOrSelf(type)));
    if (!tensor)
      return;
    json.attributeArray("shape", [&] {
      for (int64_t dim = 0; dim < tensor.getRank(); ++dim) {
        int64_t value =
            tensor.isDynamicDim(dim) ? size(dim) : tensor.getDimSize(dim);
        if (value == ShapedType::kDynamic)
          json.value(nullptr);
        else
          json.value(value);
      }
    });
  });
}

static std::string describe(func::FuncOp function,
                            const AsmParserState *state) {
  SizeClasses classes(function);
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::json::OStream json(os);
  auto writePair = [&](std::pair<unsigned, int64_t> pair) {
    json.array([&] {
      json.value(pair.first);
      json.value(pair.second);
    });
  };
  json.object([&] {
    json.attribute("name", llvm::json::fixUTF8(function.getName()));
    json.attributeArray("arguments", [&] {
      for (BlockArgument argument : function.getArguments()) {
        unsigned number = argument.getArgNumber();
        auto given = function.getArgAttrOfType<StringAttr>(number, "seqc.name");
        writeValue(
            json, given ? given.getValue().str() : sourceName(argument, state),
            argument.getType(),
            [&](int64_t dim) { return classes.getStaticSize(argument, dim); });
      }
    });
    Operation *terminator = function.front().getTerminator();
    json.attributeArray("results", [&] {
      for (auto [i, type] : llvm::enumerate(function.getResultTypes())) {
        auto given =
            function.getResultAttrOfType<StringAttr>(unsigned(i), "seqc.name");
        writeValue(json, given ? given.getValue() : StringRef(), type,
                   [&, number = unsigned(i)](int64_t dim) -> int64_t {
                     // Only a function of one block returns in one place.
                     if (!function.getBody().hasOneBlock())
                       return ShapedType::kDynamic;
                     return classes.getStaticSize(
                         terminator->getOperand(number), dim);
                   });
      }
    });
    auto equal = classes.getEqual();
    if (!equal.empty())
      json.attributeArray("equal", [&] {
        for (auto &group : equal)
          json.array([&] {
            for (auto pair : group)
              writePair(pair);
          });
      });
    auto multiples = classes.getMultiples();
    if (!multiples.empty())
      json.attributeArray("multiple", [&] {
        for (auto &pair : multiples)
          json.array([&] {
            for (const SizeClasses::Term &term : {pair.first, pair.second}) {
              if (term.argument)
                writePair(*term.argument);
              else
                json.value(term.size);
            }
          });
      });
  });
  os.flush();
  return text;
}

FailureOr<std::vector<Signature>>
seqc::describeFunctions(ModuleOp module, const AsmParserState *state) {
  std::vector<Signature> signatures;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isExternal()) {
      function.emitError() << "function '" << function.getName()
                           << "' has no body: an artifact cannot call "
                              "functions from outside";
      return failure();
    }
    if (!function.isPublic())
      continue;
    for (auto [i, type] : llvm::enumerate(function.getArgumentTypes()))
      if (failed(checkType(function, "argument", unsigned(i), type)))
        return failure();
    for (auto [i, type] : llvm::enumerate(function.getResultTypes()))
      if (failed(checkType(function, "result", unsigned(i), type)))
        return failure();
    signatures.push_back({function.getName().str(), describe(function, state)});
  }
  if (signatures.empty()) {
    module.emitError() << "module has no public function to compile";
    return failure();
  }
  return signatures;
}
