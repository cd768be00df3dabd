//===- HostPlan.cpp - From a host function to the steps of a call ---------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A function of a GPU program is a straight line: sizes, arithmetic on them,
// tensors to write to, launches. Walking it once gives each value of it a
// number in the order in which steps define them, and each tensor a number of
// its own: the arguments' first, then those that the plan allocates.
//
// Tensors are values in the IR and memory in the plan. A `tensor.empty` is
// allocated anew for every launch that writes it, since after CSE two launches
// may name the same one. A launch that writes the result of another does so in
// place, which is right if nothing reads that result afterwards; else it is an
// error, and so is writing an argument, which belongs to the caller.
//
// Arithmetic of the plan is on signed 64-bit integers. Narrower integers are
// kept sign-extended (i1: 0 or 1), so every step that could leave their range
// is followed by one that wraps.
//
//===----------------------------------------------------------------------===//

#include "seqc/Target/PTX/HostPlan.h"

#include "seqc/Dialect/Tile/IR/Tile.h"
#include "seqc/Target/PTX/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/raw_ostream.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCPRINTHOSTPLAN
#include "seqc/Target/PTX/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
namespace json = llvm::json;

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// Integers, strings, flags, arrays and dictionaries.
static std::optional<json::Value> toJSON(Attribute attr) {
  if (auto text = dyn_cast<StringAttr>(attr))
    return json::Value(text.getValue().str());
  if (auto flag = dyn_cast<BoolAttr>(attr))
    return json::Value(flag.getValue());
  if (auto number = dyn_cast<IntegerAttr>(attr))
    return json::Value(number.getValue().getSExtValue());
  if (auto numbers = dyn_cast<DenseI64ArrayAttr>(attr)) {
    json::Array array;
    for (int64_t number : numbers.asArrayRef())
      array.push_back(number);
    return json::Value(std::move(array));
  }
  if (auto list = dyn_cast<ArrayAttr>(attr)) {
    json::Array array;
    for (Attribute element : list) {
      std::optional<json::Value> value = toJSON(element);
      if (!value)
        return std::nullopt;
      array.push_back(std::move(*value));
    }
    return json::Value(std::move(array));
  }
  if (auto dictionary = dyn_cast<DictionaryAttr>(attr)) {
    json::Object object;
    for (NamedAttribute entry : dictionary) {
      std::optional<json::Value> value = toJSON(entry.getValue());
      if (!value)
        return std::nullopt;
      object[entry.getName().getValue()] = std::move(*value);
    }
    return json::Value(std::move(object));
  }
  return std::nullopt;
}

/// Checks one entry of `seqc.params`.
static LogicalResult verifyParameter(LLVM::LLVMFuncOp function, Attribute attr,
                                     unsigned index) {
  auto fail = [&]() {
    return function.emitError("kernel '")
           << function.getName() << "': entry " << index << " of seqc.params, "
           << attr << ", ";
  };
  auto entry = dyn_cast<DictionaryAttr>(attr);
  auto kind = entry ? entry.getAs<StringAttr>("kind") : StringAttr();
  if (!kind)
    return fail() << "is not a dictionary with a string \"kind\"";
  SmallVector<StringRef> needed;
  if (kind == "pointer" || kind == "tensor_map" || kind == "scalar")
    needed = {"arg"};
  else if (kind == "size" || kind == "stride")
    needed = {"arg", "dim"};
  else if (kind == "grid")
    needed = {"dim"};
  else if (kind != "slot")
    return fail() << "has a kind that is none of pointer, size, stride, "
                     "scalar, tensor_map, grid and slot";
  for (StringRef name : needed) {
    auto number = entry.getAs<IntegerAttr>(name);
    if (!number || number.getValue().isNegative())
      return fail() << "needs a number '" << name << "' that is not negative";
  }
  if (kind == "scalar" && !entry.getAs<StringAttr>("type"))
    return fail() << "needs a string 'type'";
  if (kind == "tensor_map" && !entry.get("box"))
    return fail() << "needs an array 'box'";
  if (!toJSON(attr))
    return fail() << "has an attribute that is not a number, string, array or "
                     "dictionary";
  return success();
}

static FailureOr<KernelInfo> readKernel(gpu::GPUModuleOp module,
                                        LLVM::LLVMFuncOp function) {
  auto fail = [&]() {
    return function.emitError("kernel '") << function.getName() << "' ";
  };
  KernelInfo info;
  info.symbol = module.getName().str();
  info.name = function.getName().str();
  info.op = function;
  auto shared = function->getAttrOfType<IntegerAttr>("seqc.shared_bytes");
  if (!shared || shared.getValue().isNegative())
    return fail() << "has no attribute seqc.shared_bytes: a number of bytes";
  info.sharedBytes = shared.getInt();
  auto threads = function->getAttrOfType<IntegerAttr>("seqc.threads");
  if (!threads || threads.getInt() < 1 || threads.getInt() > 1024)
    return fail() << "has no attribute seqc.threads: a number from 1 to 1024";
  info.threads = threads.getInt();
  info.params = function->getAttrOfType<ArrayAttr>("seqc.params");
  if (!info.params)
    return fail() << "has no attribute seqc.params: an array";
  for (auto [i, entry] : llvm::enumerate(info.params))
    if (failed(verifyParameter(function, entry, i)))
      return failure();
  if (info.params.size() != function.getNumArguments())
    return fail() << "has " << function.getNumArguments()
                  << " parameters, but seqc.params describes "
                  << info.params.size();
  return info;
}

FailureOr<std::vector<KernelInfo>> seqc::collectKernels(ModuleOp module) {
  std::vector<KernelInfo> kernels;
  llvm::StringMap<bool> names;
  for (auto gpuModule : module.getOps<gpu::GPUModuleOp>()) {
    LLVM::LLVMFuncOp kernel;
    for (auto function : gpuModule.getOps<LLVM::LLVMFuncOp>()) {
      if (!function->hasAttr(NVVM::NVVMDialect::getKernelFuncAttrName()))
        continue;
      if (kernel)
        return function.emitError("kernel '")
               << function.getName() << "' shares gpu.module '"
               << gpuModule.getName() << "' with kernel '" << kernel.getName()
               << "': a launch could not tell them apart";
      kernel = function;
    }
    if (!kernel)
      continue;
    FailureOr<KernelInfo> info = readKernel(gpuModule, kernel);
    if (failed(info))
      return failure();
    if (!names.try_emplace(info->name, true).second)
      return kernel.emitError("two kernels are called '") << info->name << "'";
    kernels.push_back(std::move(*info));
  }
  return kernels;
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

/// The runtime's name of an element type, or "".
static StringRef dtypeName(Type type) {
  if (type.isF16())
    return "f16";
  if (type.isBF16())
    return "bf16";
  if (type.isF32())
    return "f32";
  if (type.isF64())
    return "f64";
  for (auto [width, name] :
       {std::pair(1u, "i1"), {8u, "i8"}, {32u, "i32"}, {64u, "i64"}})
    if (type.isSignlessInteger(width))
      return name;
  return "";
}

namespace {

/// Writes the plan of one function.
class PlanBuilder {
public:
  PlanBuilder(func::FuncOp function, ArrayRef<KernelInfo> kernels)
      : function(function) {
    for (auto [i, kernel] : llvm::enumerate(kernels))
      kernelsByName[kernel.symbol] = {i, &kernel};
  }

  FailureOr<json::Object> build();

private:
  //===--------------------------------------------------------------------===//
  // Numbering
  //===--------------------------------------------------------------------===//

  /// Appends a step that defines a value, or finds the same one.
  int64_t define(std::initializer_list<json::Object::KV> entries) {
    json::Object step(entries);
    std::string key;
    llvm::raw_string_ostream(key) << json::Value(json::Object(step));
    auto [it, inserted] = known.try_emplace(key, numValues);
    if (!inserted)
      return it->second;
    steps.push_back(std::move(step));
    return numValues++;
  }
  int64_t constant(int64_t value) {
    return define({{"op", "const"}, {"value", value}});
  }
  int64_t binary(StringRef op, int64_t a, int64_t b) {
    return define({{"op", op.str()}, {"a", a}, {"b", b}});
  }
  int64_t compare(StringRef predicate, int64_t a, int64_t b) {
    return define(
        {{"op", "cmp"}, {"predicate", predicate.str()}, {"a", a}, {"b", b}});
  }
  int64_t select(int64_t c, int64_t a, int64_t b) {
    return define({{"op", "select"}, {"c", c}, {"a", a}, {"b", b}});
  }

  /// `a` modulo 2^width.
  int64_t zeroExtend(int64_t a, unsigned width) {
    return width >= 63 ? a : binary("mods", a, constant(int64_t(1) << width));
  }
  /// `a` wrapped to what `type` holds.
  int64_t wrap(int64_t a, Type type) {
    unsigned width = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
    if (width >= 64)
      return a;
    if (width == 1)
      return zeroExtend(a, 1);
    int64_t half = constant(int64_t(1) << (width - 1));
    return binary("sub", zeroExtend(binary("add", a, half), width), half);
  }

  //===--------------------------------------------------------------------===//
  // Operands
  //===--------------------------------------------------------------------===//

  /// The number of a scalar.
  int64_t value(Value v) {
    auto it = values.find(v);
    if (it != values.end())
      return it->second;
    // Scalar arguments are read where they are first used. Everything else
    // has been visited.
    int64_t id =
        define({{"op", "arg"},
                {"argument", int64_t(cast<BlockArgument>(v).getArgNumber())}});
    values[v] = id;
    return id;
  }

  /// The memory that a tensor is in; allocates it at the first use.
  FailureOr<int64_t> tensor(Value v, Operation *user);

  /// The size of one dimension of a tensor.
  FailureOr<int64_t> size(Value v, int64_t dim, Operation *user);

  /// Allocates a tensor like `empty`.
  FailureOr<int64_t> allocate(tensor::EmptyOp empty);

  //===--------------------------------------------------------------------===//
  // Operators
  //===--------------------------------------------------------------------===//

  LogicalResult visit(Operation &op);
  LogicalResult visitConstant(arith::ConstantOp op);
  LogicalResult visitDim(tensor::DimOp op);
  LogicalResult visitLaunch(tile::LaunchOp op);
  LogicalResult visitReturn(func::ReturnOp op);
  /// Arithmetic on integers; nothing if `op` is something else.
  std::optional<int64_t> arithmetic(Operation &op);
  int64_t expand(AffineExpr expr, ArrayRef<int64_t> dims,
                 ArrayRef<int64_t> symbols);
  SmallVector<int64_t> expand(AffineMap map, ValueRange operands);
  LogicalResult unsupported(Operation &op);

  func::FuncOp function;
  llvm::StringMap<std::pair<int64_t, const KernelInfo *>> kernelsByName;
  json::Array steps;
  llvm::StringMap<int64_t> known;
  DenseMap<Value, int64_t> values;
  DenseMap<Value, int64_t> tensors;
  int64_t numValues = 0, numTensors = 0;
};

} // namespace

FailureOr<int64_t> PlanBuilder::size(Value v, int64_t dim, Operation *user) {
  auto type = cast<RankedTensorType>(v.getType());
  if (!type.isDynamicDim(dim))
    return constant(type.getDimSize(dim));
  if (auto empty = v.getDefiningOp<tensor::EmptyOp>())
    return value(empty.getDynamicSize(dim));
  if (auto cast = v.getDefiningOp<tensor::CastOp>())
    return size(cast.getSource(), dim, user);
  if (auto launch = v.getDefiningOp<tile::LaunchOp>())
    return size(launch.getOutputs()[::cast<OpResult>(v).getResultNumber()], dim,
                user);
  FailureOr<int64_t> id = tensor(v, user);
  if (failed(id))
    return failure();
  return define({{"op", "dim"}, {"tensor", *id}, {"dim", dim}});
}

FailureOr<int64_t> PlanBuilder::allocate(tensor::EmptyOp empty) {
  RankedTensorType type = empty.getType();
  StringRef dtype = dtypeName(type.getElementType());
  if (dtype.empty())
    return empty.emitOpError("makes a ")
           << type << ", an element type that the runtime does not have";
  json::Array shape;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    FailureOr<int64_t> extent = size(empty, i, empty);
    if (failed(extent))
      return failure();
    shape.push_back(*extent);
  }
  steps.push_back(json::Object{{"op", "alloc"},
                               {"tensor", numTensors},
                               {"dtype", dtype.str()},
                               {"shape", std::move(shape)}});
  return numTensors++;
}

FailureOr<int64_t> PlanBuilder::tensor(Value v, Operation *user) {
  auto it = tensors.find(v);
  if (it != tensors.end())
    return it->second;
  if (auto empty = v.getDefiningOp<tensor::EmptyOp>()) {
    FailureOr<int64_t> id = allocate(empty);
    if (succeeded(id))
      tensors[v] = *id;
    return id;
  }
  return user->emitOpError("uses a tensor that nothing on the host makes");
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

int64_t PlanBuilder::expand(AffineExpr expr, ArrayRef<int64_t> dims,
                            ArrayRef<int64_t> symbols) {
  if (auto number = dyn_cast<AffineConstantExpr>(expr))
    return constant(number.getValue());
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return dims[dim.getPosition()];
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return symbols[symbol.getPosition()];
  auto pair = cast<AffineBinaryOpExpr>(expr);
  int64_t a = expand(pair.getLHS(), dims, symbols);
  // a + b * -1 is a difference.
  if (pair.getKind() == AffineExprKind::Add)
    if (auto product = dyn_cast<AffineBinaryOpExpr>(pair.getRHS());
        product && product.getKind() == AffineExprKind::Mul)
      if (auto factor = dyn_cast<AffineConstantExpr>(product.getRHS());
          factor && factor.getValue() == -1)
        return binary("sub", a, expand(product.getLHS(), dims, symbols));
  int64_t b = expand(pair.getRHS(), dims, symbols);
  switch (pair.getKind()) {
  case AffineExprKind::Add:
    return binary("add", a, b);
  case AffineExprKind::Mul:
    return binary("mul", a, b);
  case AffineExprKind::Mod:
    return binary("mods", a, b);
  case AffineExprKind::FloorDiv:
    return binary("floordivs", a, b);
  case AffineExprKind::CeilDiv:
    return binary("ceildivs", a, b);
  default:
    llvm_unreachable("not a binary expression");
  }
}

SmallVector<int64_t> PlanBuilder::expand(AffineMap map, ValueRange operands) {
  SmallVector<int64_t> dims, symbols;
  for (auto [i, operand] : llvm::enumerate(operands))
    (i < map.getNumDims() ? dims : symbols).push_back(value(operand));
  SmallVector<int64_t> results;
  for (AffineExpr expr : map.getResults())
    results.push_back(expand(expr, dims, symbols));
  return results;
}

std::optional<int64_t> PlanBuilder::arithmetic(Operation &op) {
  if (op.getNumResults() != 1 ||
      !op.getResult(0).getType().isSignlessIntOrIndex() ||
      !llvm::all_of(op.getOperandTypes(),
                    [](Type t) { return t.isSignlessIntOrIndex(); }))
    return std::nullopt;
  Type type = op.getResult(0).getType();
  auto fold = [&](AffineMap map, StringRef with) {
    SmallVector<int64_t> terms = expand(map, op.getOperands());
    int64_t result = terms[0];
    for (int64_t term : ArrayRef(terms).drop_front())
      result = binary(with, result, term);
    return result;
  };
  if (auto apply = dyn_cast<affine::AffineApplyOp>(op))
    return fold(apply.getAffineMap(), "");
  if (auto min = dyn_cast<affine::AffineMinOp>(op))
    return fold(min.getAffineMap(), "min");
  if (auto max = dyn_cast<affine::AffineMaxOp>(op))
    return fold(max.getAffineMap(), "max");

  SmallVector<int64_t> in;
  // Of an unsigned operator on a narrow type: the operand as such a number.
  auto unsignedIn = [&](unsigned i) {
    Type t = op.getOperand(i).getType();
    return t.isIndex() ? in[i] : zeroExtend(in[i], t.getIntOrFloatBitWidth());
  };
  auto bit = [&]() { return type.isInteger(1); };
  bool isKnown =
      isa<arith::AddIOp, arith::SubIOp, arith::MulIOp, arith::DivSIOp,
          arith::DivUIOp, arith::CeilDivSIOp, arith::CeilDivUIOp,
          arith::FloorDivSIOp, arith::RemSIOp, arith::RemUIOp, arith::MinSIOp,
          arith::MaxSIOp, arith::MinUIOp, arith::MaxUIOp, arith::CmpIOp,
          arith::SelectOp, arith::IndexCastOp, arith::IndexCastUIOp,
          arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp>(op) ||
      (bit() && isa<arith::AndIOp, arith::OrIOp, arith::XOrIOp>(op));
  if (!isKnown)
    return std::nullopt;
  for (Value operand : op.getOperands())
    in.push_back(value(operand));

  return TypeSwitch<Operation *, int64_t>(&op)
      .Case([&](arith::AddIOp) {
        return wrap(binary("add", in[0], in[1]), type);
      })
      .Case([&](arith::SubIOp) {
        return wrap(binary("sub", in[0], in[1]), type);
      })
      .Case([&](arith::MulIOp) {
        return wrap(binary("mul", in[0], in[1]), type);
      })
      .Case([&](arith::DivSIOp) {
        return wrap(binary("divs", in[0], in[1]), type);
      })
      .Case([&](arith::CeilDivSIOp) {
        return wrap(binary("ceildivs", in[0], in[1]), type);
      })
      .Case([&](arith::FloorDivSIOp) {
        return wrap(binary("floordivs", in[0], in[1]), type);
      })
      .Case([&](arith::RemSIOp) { return binary("rems", in[0], in[1]); })
      .Case([&](arith::DivUIOp) {
        return wrap(binary("divu", unsignedIn(0), unsignedIn(1)), type);
      })
      .Case([&](arith::RemUIOp) {
        return wrap(binary("remu", unsignedIn(0), unsignedIn(1)), type);
      })
      .Case([&](arith::CeilDivUIOp) {
        int64_t a = unsignedIn(0), b = unsignedIn(1);
        int64_t rest = compare("ne", binary("remu", a, b), constant(0));
        return wrap(binary("add", binary("divu", a, b), rest), type);
      })
      .Case([&](arith::MinSIOp) { return binary("min", in[0], in[1]); })
      .Case([&](arith::MaxSIOp) { return binary("max", in[0], in[1]); })
      .Case([&](arith::MinUIOp) {
        return select(compare("ult", in[0], in[1]), in[0], in[1]);
      })
      .Case([&](arith::MaxUIOp) {
        return select(compare("ugt", in[0], in[1]), in[0], in[1]);
      })
      .Case([&](arith::AndIOp) { return binary("mul", in[0], in[1]); })
      .Case([&](arith::OrIOp) { return binary("max", in[0], in[1]); })
      .Case([&](arith::XOrIOp) { return compare("ne", in[0], in[1]); })
      .Case([&](arith::CmpIOp cmp) {
        StringRef predicate = arith::stringifyCmpIPredicate(cmp.getPredicate());
        // True is -1 to a signed comparison, and 1 here.
        bool isBit = cmp.getLhs().getType().isInteger(1);
        if (isBit && predicate.starts_with("s"))
          return compare(predicate, in[1], in[0]);
        return compare(predicate, in[0], in[1]);
      })
      .Case([&](arith::SelectOp) { return select(in[0], in[1], in[2]); })
      .Case<arith::ExtSIOp, arith::IndexCastOp>([&](auto cast) {
        if (cast.getIn().getType().isInteger(1))
          return binary("sub", constant(0), in[0]);
        return wrap(in[0], type);
      })
      .Case<arith::ExtUIOp, arith::IndexCastUIOp>(
          [&](auto) { return wrap(unsignedIn(0), type); })
      .Case([&](arith::TruncIOp) { return wrap(in[0], type); })
      .DefaultUnreachable("arithmetic that is not in the list above");
}

LogicalResult PlanBuilder::visitConstant(arith::ConstantOp op) {
  if (auto number = dyn_cast<IntegerAttr>(op.getValue())) {
    const APInt &bits = number.getValue();
    values[op] = constant(op.getType().isInteger(1) ? bits.getZExtValue()
                                                    : bits.getSExtValue());
    return success();
  }
  auto number = dyn_cast<FloatAttr>(op.getValue());
  if (!number)
    return unsupported(*op);
  const APFloat &exact = number.getValue();
  json::Value printed = nullptr;
  if (exact.isNaN())
    printed = "nan";
  else if (exact.isInfinity())
    printed = exact.isNegative() ? "-inf" : "inf";
  else
    printed = number.getValueAsDouble();
  values[op] = define({{"op", "fconst"}, {"value", std::move(printed)}});
  return success();
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

LogicalResult PlanBuilder::visitDim(tensor::DimOp op) {
  std::optional<int64_t> dim = op.getConstantIndex();
  auto type = dyn_cast<RankedTensorType>(op.getSource().getType());
  if (!dim || !type)
    return op.emitOpError("on the host needs a ranked tensor and a constant "
                          "dimension, but got ")
           << op.getSource().getType();
  if (*dim < 0 || *dim >= type.getRank())
    return op.emitOpError("asks for dimension ") << *dim << " of a " << type;
  FailureOr<int64_t> id = size(op.getSource(), *dim, op);
  if (failed(id))
    return failure();
  values[op] = *id;
  return success();
}

/// Whether nothing but its size is asked of `v` by an operator after `op`, or a
/// second time by `op` itself. Casts count as what they cast.
static bool isLastUse(Value v, Operation *op) {
  unsigned inOp = 0;
  for (Operation *user : v.getUsers()) {
    if (isa<tensor::DimOp>(user))
      continue;
    if (auto cast = dyn_cast<tensor::CastOp>(user)) {
      // The cast itself may be what `op` writes; then it is asked below.
      if (llvm::is_contained(op->getOperands(), cast.getResult()))
        ++inOp;
      else if (!isLastUse(cast, op))
        return false;
      continue;
    }
    if (user == op ? ++inOp > 1 : op->isBeforeInBlock(user))
      return false;
  }
  return inOp <= 1;
}

LogicalResult PlanBuilder::visitLaunch(tile::LaunchOp op) {
  auto found = kernelsByName.find(op.getKernel());
  if (found == kernelsByName.end())
    return op.emitOpError("names kernel '")
           << op.getKernel() << "', which no gpu.module of the program holds";
  auto [index, kernel] = found->second;

  json::Array grid;
  if (op.getGrid().size() > 3)
    return op.emitOpError("has a grid of ")
           << op.getGrid().size() << " dimensions; a GPU has 3";
  for (auto [i, extent] : llvm::enumerate(op.getGrid())) {
    APInt number;
    int64_t most = i == 0 ? INT32_MAX : maxGridYZ;
    if (matchPattern(extent, m_ConstantInt(&number)) &&
        number.getSExtValue() > most)
      return op.emitOpError("has ")
             << number.getSExtValue() << " blocks in dimension "
             << StringRef("xyz").substr(i, 1) << " of its grid; a GPU has "
             << most << " at most";
    grid.push_back(value(extent));
  }
  while (grid.size() < 3)
    grid.push_back(constant(1));

  // What kind of argument each parameter of the kernel needs.
  unsigned numArgs = op.getInputs().size() + op.getOutputs().size();
  auto argument = [&](unsigned i) {
    return i < op.getInputs().size()
               ? op.getInputs()[i]
               : op.getOutputs()[i - op.getInputs().size()];
  };
  for (unsigned i = 0; i < kernel->params.size(); ++i) {
    auto entry = cast<DictionaryAttr>(kernel->params[i]);
    auto arg = entry.getAs<IntegerAttr>("arg");
    if (!arg)
      continue;
    auto fail = [&]() {
      return op.emitOpError("calls kernel '")
             << op.getKernel() << "', whose parameter " << i << ", " << entry
             << ", ";
    };
    if (arg.getInt() >= numArgs)
      return fail() << "stands for argument " << arg.getInt() << " of "
                    << numArgs;
    Type type = argument(arg.getInt()).getType();
    bool isScalar = entry.getAs<StringAttr>("kind") == "scalar";
    if (isScalar == isa<RankedTensorType>(type))
      return fail() << "does not fit an argument of type " << type;
    auto dim = entry.getAs<IntegerAttr>("dim");
    if (dim && dim.getInt() >= cast<RankedTensorType>(type).getRank())
      return fail() << "does not fit an argument of type " << type;
  }

  json::Array args;
  for (Value input : op.getInputs()) {
    if (!isa<RankedTensorType>(input.getType())) {
      args.push_back(json::Object{{"value", value(input)}});
      continue;
    }
    FailureOr<int64_t> id = tensor(input, op);
    if (failed(id))
      return failure();
    args.push_back(json::Object{{"tensor", *id}});
  }
  for (auto [i, output] : llvm::enumerate(op.getOutputs())) {
    FailureOr<int64_t> id = failure();
    Value written = output;
    while (auto cast = written.getDefiningOp<tensor::CastOp>())
      written = cast.getSource();
    if (auto empty = written.getDefiningOp<tensor::EmptyOp>()) {
      id = allocate(empty);
    } else if (isa<BlockArgument>(written)) {
      return op.emitOpError("writes argument ")
             << cast<BlockArgument>(written).getArgNumber()
             << " of the function, which belongs to the caller";
    } else if (!isLastUse(written, op) ||
               (written != output && !isLastUse(output, op))) {
      return op.emitOpError("writes output ")
             << i << " in place, but another operator reads what it held";
    } else {
      id = tensor(output, op);
    }
    if (failed(id))
      return failure();
    args.push_back(json::Object{{"tensor", *id}});
    tensors[op.getResults()[i]] = *id;
  }
  steps.push_back(json::Object{{"op", "launch"},
                               {"kernel", index},
                               {"grid", std::move(grid)},
                               {"args", std::move(args)}});
  return success();
}

LogicalResult PlanBuilder::visitReturn(func::ReturnOp op) {
  json::Array results;
  for (Value operand : op.getOperands()) {
    if (!isa<RankedTensorType>(operand.getType())) {
      results.push_back(json::Object{{"value", value(operand)}});
      continue;
    }
    FailureOr<int64_t> id = tensor(operand, op);
    if (failed(id))
      return failure();
    results.push_back(json::Object{{"tensor", *id}});
  }
  steps.push_back(
      json::Object{{"op", "return"}, {"results", std::move(results)}});
  return success();
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

LogicalResult PlanBuilder::unsupported(Operation &op) {
  InFlightDiagnostic diagnostic = op.emitError("'");
  diagnostic << op.getName() << "' cannot be part of a GPU program's host plan";
  if (op.getNumResults() == 1)
    diagnostic << " (result type " << op.getResult(0).getType() << ")";
  return diagnostic << ": only sizes, integer arithmetic, new tensors and "
                       "launches of kernels can";
}

LogicalResult PlanBuilder::visit(Operation &op) {
  return TypeSwitch<Operation *, LogicalResult>(&op)
      .Case([&](arith::ConstantOp o) { return visitConstant(o); })
      .Case([&](tensor::DimOp o) { return visitDim(o); })
      // Allocated where it is used.
      .Case([&](tensor::EmptyOp) { return success(); })
      .Case([&](tensor::CastOp o) -> LogicalResult {
        if (!isa<RankedTensorType>(o.getSource().getType()) ||
            !isa<RankedTensorType>(o.getType()))
          return unsupported(op);
        // A cast of something new is allocated with its launch.
        if (o.getSource().getDefiningOp<tensor::EmptyOp>() &&
            llvm::all_of(o->getUsers(), [&](Operation *user) {
              auto launch = dyn_cast<tile::LaunchOp>(user);
              return isa<tensor::DimOp>(user) ||
                     (launch &&
                      !llvm::is_contained(launch.getInputs(), o.getResult()));
            }))
          return success();
        FailureOr<int64_t> id = tensor(o.getSource(), &op);
        if (failed(id))
          return failure();
        tensors[o] = *id;
        return success();
      })
      .Case([&](tile::LaunchOp o) { return visitLaunch(o); })
      .Case([&](func::ReturnOp o) { return visitReturn(o); })
      .Default([&](Operation *o) -> LogicalResult {
        // A choice between scalars of any type; they are 64 bits wide.
        if (auto choice = dyn_cast<arith::SelectOp>(o);
            choice && isa<FloatType>(choice.getType())) {
          values[choice] =
              select(value(choice.getCondition()), value(choice.getTrueValue()),
                     value(choice.getFalseValue()));
          return success();
        }
        std::optional<int64_t> id = arithmetic(*o);
        if (!id)
          return unsupported(*o);
        values[o->getResult(0)] = *id;
        return success();
      });
}

FailureOr<json::Object> PlanBuilder::build() {
  if (!function.getBody().hasOneBlock())
    return function.emitOpError("'")
           << function.getName()
           << "' branches, which a GPU program's host plan cannot";
  numTensors = function.getNumArguments();
  for (BlockArgument argument : function.getArguments())
    if (isa<RankedTensorType>(argument.getType()))
      tensors[argument] = argument.getArgNumber();
  for (Operation &op : function.getBody().front())
    if (failed(visit(op)))
      return failure();
  return json::Object{{"function", function.getName().str()},
                      {"steps", std::move(steps)}};
}

FailureOr<json::Object> seqc::buildHostPlan(ModuleOp module,
                                            ArrayRef<KernelInfo> kernels) {
  json::Array kernelList, plans;
  for (const KernelInfo &kernel : kernels) {
    json::Object object{{"name", kernel.name}};
    // Threads, shared memory and parameters, and whatever else there is.
    for (NamedAttribute attr : kernel.op->getDiscardableAttrs()) {
      StringRef name = attr.getName();
      if (!name.consume_front("seqc."))
        continue;
      std::optional<json::Value> value = toJSON(attr.getValue());
      if (!value)
        return kernel.op->emitError("kernel '")
               << kernel.name << "': attribute '" << attr.getName()
               << "' is not a number, string, array or dictionary";
      object[name] = std::move(*value);
    }
    kernelList.push_back(std::move(object));
  }
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isPrivate())
      continue;
    FailureOr<json::Object> plan = PlanBuilder(function, kernels).build();
    if (failed(plan))
      return failure();
    plans.push_back(std::move(*plan));
  }
  return json::Object{{"kernels", std::move(kernelList)},
                      {"plans", std::move(plans)}};
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct PrintHostPlanPass
    : seqc::impl::SeqcPrintHostPlanBase<PrintHostPlanPass> {
  void runOnOperation() override {
    markAllAnalysesPreserved();
    FailureOr<std::vector<KernelInfo>> kernels = collectKernels(getOperation());
    if (failed(kernels))
      return signalPassFailure();
    FailureOr<json::Object> plan = buildHostPlan(getOperation(), *kernels);
    if (failed(plan))
      return signalPassFailure();
    numKernels += kernels->size();
    numPlans += plan->getArray("plans")->size();
    // One step per line, so that a person can read it.
    llvm::raw_ostream &os = llvm::outs();
    for (json::Value &kernel : *plan->getArray("kernels"))
      os << "kernel " << kernel << "\n";
    for (json::Value &value : *plan->getArray("plans")) {
      os << "plan " << *value.getAsObject()->get("function") << "\n";
      for (json::Value &step : *value.getAsObject()->getArray("steps"))
        os << "  " << step << "\n";
    }
  }
};
} // namespace
