//===- IOModel.cpp - Walks a module and reports on its operators ----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sizes come first. Every dimension of every tensor is a node; operators that
// force dimensions to be equal merge their nodes (linalg through its indexing
// maps, seqc's operators through the roles of their operands), and a class
// takes its size from a static member, from an assumption or from a default. So
// `S=1000` reaches the projections around an attention as well.
//
//===----------------------------------------------------------------------===//

#include "seqc/Analysis/IOModel.h"

#include "IOModelDetail.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/SmallVectorExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace mlir;
using namespace seqc;
using namespace seqc::io;

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

namespace {
/// Names that `assume` takes, what they fall back to, and their default.
struct Role {
  StringRef name, fallback;
  int64_t value;
};
constexpr Role roles[] = {
    {"B", "", 1},    {"H", "", 8},   {"Hkv", "H", 8},
    {"S", "", 2048}, {"Sq", "S", 0}, {"Sk", "S", 0},
    {"D", "", 1024}, {"L", "S", 0},  {"G", "", 1},
};
constexpr int64_t otherSize = 1024;
} // namespace

static const Role *findRole(StringRef name) {
  return llvm::find_if(roles, [&](const Role &r) { return r.name == name; });
}

static bool isShaped(Value v) {
  auto type = dyn_cast<ShapedType>(v.getType());
  return type && type.hasRank();
}

unsigned DimTable::node(Value value, unsigned dim) {
  auto [it, isNew] = ids.try_emplace({value, dim}, parents.size());
  if (isNew) {
    parents.push_back(parents.size());
    classes.emplace_back();
    classes.back().size = cast<ShapedType>(value.getType()).getDimSize(dim);
  }
  return it->second;
}

unsigned DimTable::find(unsigned n) {
  while (parents[n] != n)
    n = parents[n] = parents[parents[n]];
  return n;
}

void DimTable::unite(unsigned a, unsigned b) {
  a = find(a);
  b = find(b);
  if (a == b)
    return;
  parents[b] = a;
  Class &to = classes[a], &from = classes[b];
  if (ShapedType::isDynamic(to.size))
    to.size = from.size;
  to.roles.insert(from.roles.begin(), from.roles.end());
  if (to.product.empty())
    to.product = from.product;
}

void DimTable::uniteShapes(Value a, Value b) {
  if (!a || !b || !isShaped(a) || !isShaped(b))
    return;
  auto ta = cast<ShapedType>(a.getType()), tb = cast<ShapedType>(b.getType());
  if (ta.getRank() != tb.getRank())
    return;
  for (unsigned i = 0, e = ta.getRank(); i < e; ++i)
    unite(a, i, b, i);
}

void DimTable::addRole(Value value, unsigned dim, StringRef role) {
  if (value && isShaped(value) &&
      dim < cast<ShapedType>(value.getType()).getRank())
    classes[find(node(value, dim))].roles.insert(role.str());
}

void DimTable::addSize(unsigned n, Value index) {
  if (auto dim = index.getDefiningOp<tensor::DimOp>()) {
    if (std::optional<int64_t> i = dim.getConstantIndex())
      if (isShaped(dim.getSource()))
        unite(n, node(dim.getSource(), *i));
    return;
  }
  IntegerAttr constant;
  if (matchPattern(index, m_Constant(&constant))) {
    Class &c = classes[find(n)];
    if (ShapedType::isDynamic(c.size))
      c.size = constant.getInt();
    return;
  }
  if (auto mul = index.getDefiningOp<arith::MulIOp>()) {
    SmallVector<unsigned> factors;
    for (Value operand : mul.getOperands()) {
      parents.push_back(parents.size());
      classes.emplace_back();
      factors.push_back(parents.back());
      addSize(factors.back(), operand);
    }
    classes[find(n)].product = factors;
  }
}

void DimTable::visit(Operation *op) {
  // Roles of seqc's operands.
  auto mark = [&](Value v, ArrayRef<StringRef> names) {
    for (auto [i, name] : llvm::enumerate(names))
      if (!name.empty())
        addRole(v, i, name);
  };
  auto tie = [&](Value a, ArrayRef<unsigned> as, Value b,
                 ArrayRef<unsigned> bs) {
    if (!a || !b || !isShaped(a) || !isShaped(b))
      return;
    for (auto [i, j] : llvm::zip(as, bs))
      if (i < cast<ShapedType>(a.getType()).getRank() &&
          j < cast<ShapedType>(b.getType()).getRank())
        unite(a, i, b, j);
  };
  auto attention = [&](auto o) {
    mark(o.getQuery(), {"B", "H", "Sq"});
    mark(o.getKey(), {"B", "Hkv", "Sk"});
    tie(o.getQuery(), {0}, o.getKey(), {0});
    tie(o.getKey(), {0, 1, 2}, o.getValue(), {0, 1, 2});
    tie(o.getQuerySegments(), {0, 1}, o.getQuery(), {0, 2});
    tie(o.getKeySegments(), {0, 1}, o.getKey(), {0, 2});
  };
  auto scan = [&](auto o) {
    mark(o.getU(), {"B", "D", "L"});
    uniteShapes(o.getU(), o.getDelta());
    uniteShapes(o.getU(), o.getZ());
    tie(o.getU(), {1}, o.getA(), {0});
    for (Value m : {Value(o.getB()), Value(o.getC())}) {
      if (!m || !isShaped(m))
        continue;
      unsigned rank = cast<ShapedType>(m.getType()).getRank();
      if (rank == 2)
        tie(o.getU(), {1}, m, {0});
      else
        tie(o.getU(), {0, 2}, m, {0, rank - 1});
      if (rank == 4)
        addRole(m, 1, "G");
    }
  };
  llvm::TypeSwitch<Operation *>(op)
      .Case<AttentionOp>([&](AttentionOp o) {
        attention(o);
        tie(o.getQuery(), {0, 1, 2}, o.getOut(), {0, 1, 2});
        tie(o.getQuery(), {0, 1, 2}, o.getLse(), {0, 1, 2});
      })
      .Case<AttentionBackwardOp>([&](AttentionBackwardOp o) {
        attention(o);
        tie(o.getQuery(), {0, 1, 2}, o.getOut(), {0, 1, 2});
        uniteShapes(o.getOut(), o.getOutGrad());
        uniteShapes(o.getQuery(), o.getQueryGrad());
        uniteShapes(o.getKey(), o.getKeyGrad());
        uniteShapes(o.getValue(), o.getValueGrad());
      })
      .Case<OnlineAttentionOp>([&](OnlineAttentionOp o) {
        attention(o);
        tie(o.getQuery(), {0, 1, 2}, o.getAcc(), {0, 1, 2});
      })
      .Case<SelectiveScanOp>([&](SelectiveScanOp o) {
        scan(o);
        uniteShapes(o.getU(), o.getOut());
      })
      .Case<SelectiveScanBackwardOp>([&](SelectiveScanBackwardOp o) {
        scan(o);
        uniteShapes(o.getU(), o.getOutGrad());
        uniteShapes(o.getU(), o.getUGrad());
        uniteShapes(o.getU(), o.getDeltaGrad());
      })
      .Case<ChunkScanOp>([&](ChunkScanOp o) {
        scan(o);
        uniteShapes(o.getU(), o.getOut());
      })
      .Case<CausalConv1dOp>([&](CausalConv1dOp o) {
        mark(o.getX(), {"B", "D", "L"});
        uniteShapes(o.getX(), o.getOut());
        tie(o.getX(), {1}, o.getWeight(), {0});
      })
      .Case<linalg::LinalgOp>([&](linalg::LinalgOp o) {
        SmallVector<std::optional<unsigned>> loops(o.getNumLoops());
        for (OpOperand &operand : o->getOpOperands()) {
          if (!isShaped(operand.get()))
            continue;
          AffineMap map = o.getMatchingIndexingMap(&operand);
          for (auto [i, expr] : llvm::enumerate(map.getResults()))
            if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
              unsigned n = node(operand.get(), i);
              auto &loop = loops[dim.getPosition()];
              if (loop)
                unite(*loop, n);
              else
                loop = n;
            }
        }
      })
      .Case<tensor::EmptyOp>([&](tensor::EmptyOp o) {
        unsigned next = 0;
        for (auto [i, size] : llvm::enumerate(o.getType().getShape()))
          if (ShapedType::isDynamic(size))
            addSize(node(o, i), o.getDynamicSizes()[next++]);
      })
      .Case<tensor::CastOp>(
          [&](tensor::CastOp o) { uniteShapes(o.getSource(), o.getResult()); })
      .Case<tensor::CollapseShapeOp>([&](tensor::CollapseShapeOp o) {
        for (auto [i, group] : llvm::enumerate(o.getReassociationIndices())) {
          if (group.size() == 1) {
            unite(o.getSrc(), group[0], o.getResult(), i);
            continue;
          }
          SmallVector<unsigned> factors;
          for (int64_t d : group)
            factors.push_back(node(o.getSrc(), d));
          classes[find(node(o.getResult(), i))].product = factors;
        }
      })
      .Case<tensor::ExpandShapeOp>([&](tensor::ExpandShapeOp o) {
        unsigned next = 0;
        for (auto [i, size] : llvm::enumerate(o.getStaticOutputShape()))
          if (ShapedType::isDynamic(size))
            addSize(node(o.getResult(), i), o.getOutputShape()[next++]);
        for (auto [i, group] : llvm::enumerate(o.getReassociationIndices())) {
          if (group.size() == 1) {
            unite(o.getSrc(), i, o.getResult(), group[0]);
            continue;
          }
          SmallVector<unsigned> factors;
          for (int64_t d : group)
            factors.push_back(node(o.getResult(), d));
          classes[find(node(o.getSrc(), i))].product = factors;
        }
      })
      .Case<tensor::ExtractSliceOp>([&](tensor::ExtractSliceOp o) {
        if (o.getSourceType().getRank() != o.getType().getRank())
          return;
        unsigned next = 0;
        for (auto [i, size] : llvm::enumerate(o.getStaticSizes()))
          if (ShapedType::isDynamic(size))
            addSize(node(o.getResult(), i), o.getSizes()[next++]);
      })
      .Case<tensor::InsertSliceOp>([&](tensor::InsertSliceOp o) {
        uniteShapes(o.getDest(), o.getResult());
      })
      .Case<tensor::ConcatOp>([&](tensor::ConcatOp o) {
        for (Value input : o.getInputs())
          for (unsigned i = 0, e = o.getRank(); i < e; ++i)
            if (i != o.getDim())
              unite(input, i, o.getResult(), i);
      })
      .Case<scf::ForOp>([&](scf::ForOp o) {
        for (auto [init, arg, result] : llvm::zip(
                 o.getInitArgs(), o.getRegionIterArgs(), o.getResults())) {
          uniteShapes(init, arg);
          uniteShapes(init, result);
        }
      });

  // Destinations have the shapes of results; so do elementwise operands.
  if (auto dps = dyn_cast<DestinationStyleOpInterface>(op))
    for (OpOperand &init : dps.getDpsInitsMutable())
      if (OpResult result = dps.getTiedOpResult(&init))
        uniteShapes(init.get(), result);
  if (op->hasTrait<OpTrait::Elementwise>() && op->getNumResults() > 0)
    for (Value operand : op->getOperands())
      uniteShapes(operand, op->getResult(0));
}

std::optional<std::string> DimTable::build(ModuleOp module, StringRef text) {
  SmallVector<StringRef> parts;
  text.split(parts, ',', -1, /*KeepEmpty=*/false);
  for (StringRef part : parts) {
    auto [name, number] = part.split('=');
    name = name.trim();
    int64_t value = 0;
    if (number.trim().getAsInteger(10, value) || value < 0)
      return ("assumption '" + part.trim() +
              "' must be NAME=SIZE with a size of at least 0")
          .str();
    StringRef rest = name;
    unsigned argument, dim;
    bool isArgument = rest.consume_front("arg") &&
                      !rest.consumeInteger(10, argument) &&
                      rest.consume_front(".") && !rest.getAsInteger(10, dim);
    if (!isArgument && findRole(name) == std::end(roles))
      return ("assumption '" + part.trim() + "' names '" + name +
              "', which is none of B, H, Hkv, S, Sq, Sk, D, L, G and "
              "arg<i>.<dim>")
          .str();
    if (value > (int64_t(1) << 40))
      return ("assumption '" + part.trim() + "' must be at most 2^40").str();
    given[name] = value;
  }

  module->walk([&](Operation *op) { visit(op); });
  module->walk([&](FunctionOpInterface function) {
    if (function.isExternal())
      return;
    for (BlockArgument arg : function.getArguments()) {
      if (!isShaped(arg))
        continue;
      for (unsigned i = 0, e = cast<ShapedType>(arg.getType()).getRank(); i < e;
           ++i)
        addRole(arg, i,
                llvm::formatv("arg{0}.{1}", arg.getArgNumber(), i).str());
    }
  });
  return std::nullopt;
}

int64_t DimTable::assume(StringRef name, bool isGiven, int64_t size) {
  used.emplace(name.str(), llvm::formatv("{0}={1} ({2})", name, size,
                                         isGiven ? "given" : "default")
                               .str());
  return size;
}

int64_t DimTable::resolve(unsigned root, unsigned depth) {
  root = find(root);
  if (!ShapedType::isDynamic(classes[root].size))
    return classes[root].size;
  if (classes[root].resolving || depth > 64)
    return otherSize;
  classes[root].resolving = true;
  auto done = [&](int64_t size) {
    classes[root].resolving = false;
    return classes[root].size = size;
  };
  const std::set<std::string> names = classes[root].roles;
  // By argument first, then by role, then by what a role falls back to.
  for (const std::string &name : names)
    if (StringRef(name).starts_with("arg") && given.contains(name))
      return done(assume(name, true, given[name]));
  for (const std::string &name : names)
    if (given.contains(name))
      return done(assume(name, true, given[name]));
  for (const std::string &name : names)
    if (const Role *role = findRole(name);
        role != std::end(roles) && given.contains(role->fallback))
      return done(assume(role->fallback, true, given[role->fallback]));
  if (!classes[root].product.empty()) {
    int64_t size = 1;
    SmallVector<unsigned> factors = classes[root].product;
    for (unsigned factor : factors)
      if (llvm::MulOverflow(size, resolve(factor, depth + 1), size))
        return done(INT64_MAX);
    return done(size);
  }
  for (const std::string &name : names)
    if (const Role *role = findRole(name); role != std::end(roles)) {
      if (role->value == 0)
        role = findRole(role->fallback);
      return done(assume(role->name, false, role->value));
    }
  for (const std::string &name : names)
    return done(assume(name, false, otherSize));
  return done(assume("any other size", false, otherSize));
}

int64_t DimTable::size(Value value, unsigned dim) {
  auto type = cast<ShapedType>(value.getType());
  if (!type.isDynamicDim(dim))
    return type.getDimSize(dim);
  return resolve(node(value, dim), 0);
}

double DimTable::elements(Value value) {
  double n = 1;
  for (unsigned i = 0, e = cast<ShapedType>(value.getType()).getRank(); i < e;
       ++i)
    n *= size(value, i);
  return n;
}

std::vector<std::string> DimTable::getAssumptions() const {
  std::vector<std::string> lines;
  for (auto &[name, line] : used)
    lines.push_back(line);
  SmallVector<StringRef> unused;
  for (auto &entry : given)
    if (!used.count(entry.getKey().str()))
      unused.push_back(entry.getKey());
  llvm::sort(unused);
  for (StringRef name : unused)
    lines.push_back(
        llvm::formatv("{0}={1} (given, not used)", name, given.lookup(name))
            .str());
  return lines;
}

//===----------------------------------------------------------------------===//
// Scalar code
//===----------------------------------------------------------------------===//

ScalarWork seqc::io::countScalarWork(Operation *op) {
  // flops, ops, exps, specials
  return llvm::TypeSwitch<Operation *, ScalarWork>(op)
      .Case<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::MaximumFOp,
            arith::MinimumFOp, arith::MaxNumFOp, arith::MinNumFOp,
            arith::NegFOp, math::AbsFOp, math::FloorOp, math::CeilOp>(
          [](auto) { return ScalarWork{1, 1, 0, 0}; })
      .Case<arith::DivFOp, arith::RemFOp>(
          [](auto) { return ScalarWork{1, 1, 0, 1}; })
      .Case<math::FmaOp>([](auto) { return ScalarWork{2, 1, 0, 0}; })
      .Case<math::ExpOp, math::Exp2Op, math::ExpM1Op>(
          [](auto) { return ScalarWork{0, 0, 1, 1}; })
      .Case<math::SqrtOp, math::RsqrtOp, math::LogOp, math::Log2Op,
            math::Log10Op, math::Log1pOp, math::TanhOp, math::SinOp,
            math::CosOp, math::ErfOp, math::AtanOp>(
          [](auto) { return ScalarWork{0, 0, 0, 1}; })
      .Case<math::PowFOp, math::Atan2Op>(
          [](auto) { return ScalarWork{0, 0, 1, 2}; })
      .Default([](Operation *op) {
        // Comparisons, selects, conversions and integer work cost time only.
        bool works = op->getNumResults() == 1 &&
                     !op->hasTrait<OpTrait::ConstantLike>() &&
                     isa_and_nonnull<arith::ArithDialect, math::MathDialect>(
                         op->getDialect());
        return ScalarWork{0, works ? 1.0 : 0.0, 0, 0};
      });
}

ScalarWork seqc::io::countScalarWork(Region &region) {
  ScalarWork total;
  region.walk([&](Operation *op) {
    ScalarWork w = countScalarWork(op);
    total.flops += w.flops;
    total.ops += w.ops;
    total.exps += w.exps;
    total.specials += w.specials;
  });
  return total;
}

//===----------------------------------------------------------------------===//
// Upstream operators
//===----------------------------------------------------------------------===//

static void addScalarWork(Counts &c, const ScalarWork &w, double times) {
  c.vectorFlops += w.flops * times;
  c.vectorOps += w.ops * times;
  c.exps += w.exps * times;
  c.specials += w.specials * times;
}

/// True for a fill or a splat: its users initialise with it and read nothing.
static bool isFill(Value v) {
  if (v.getDefiningOp<linalg::FillOp>() || v.getDefiningOp<tensor::EmptyOp>())
    return true;
  DenseElementsAttr dense;
  return matchPattern(v, m_Constant(&dense)) && dense && dense.isSplat();
}

static std::string describeShapes(Operation *op, DimTable &dims) {
  std::string text;
  llvm::raw_string_ostream os(text);
  auto print = [&](Value v) {
    auto type = cast<ShapedType>(v.getType());
    for (unsigned i = 0, e = type.getRank(); i < e; ++i)
      os << dims.size(v, i) << "x";
    os << type.getElementType();
  };
  bool first = true;
  for (Value v : op->getResults()) {
    if (!isShaped(v))
      continue;
    os << (first ? "" : " ");
    print(v);
    first = false;
  }
  return text;
}

/// Counts for an operator of an upstream dialect, or none if it moves nothing.
static std::optional<FormReport> upstreamForm(Operation *op, DimTable &dims,
                                              const ChipInfo &chip) {
  FormReport form;
  form.name = "fused";
  Counts &c = form.counts;
  Type type;
  auto readOnce = [&](Value v) {
    if (isShaped(v) && !isFill(v))
      c.dram.read += dims.bytes(v);
  };
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op)) {
    // A fill writes where its users start: it is counted with them.
    if (isa<linalg::FillOp>(op))
      return std::nullopt;
    double points = 1;
    SmallVector<bool> seen(linalgOp.getNumLoops());
    for (OpOperand &operand : op->getOpOperands()) {
      if (!isShaped(operand.get()))
        continue;
      AffineMap map = linalgOp.getMatchingIndexingMap(&operand);
      for (auto [i, expr] : llvm::enumerate(map.getResults()))
        if (auto dim = dyn_cast<AffineDimExpr>(expr))
          if (!seen[dim.getPosition()]) {
            seen[dim.getPosition()] = true;
            points *= dims.size(operand.get(), i);
          }
    }
    SmallPtrSet<Value, 4> operands;
    for (OpOperand *input : linalgOp.getDpsInputOperands())
      if (operands.insert(input->get()).second)
        readOnce(input->get());
    for (OpOperand &init : linalgOp.getDpsInitsMutable()) {
      if (!isShaped(init.get()))
        continue;
      type = getElementTypeOrSelf(init.get().getType());
      c.dram.written += dims.bytes(init.get());
      if (linalgOp.payloadUsesValueFromOperand(&init))
        readOnce(init.get());
    }
    bool contraction = linalg::isaContractionOpInterface(linalgOp);
    if (contraction) {
      c.matrixFlops = 2 * points;
      for (OpOperand *input : linalgOp.getDpsInputOperands())
        type = getElementTypeOrSelf(input->get().getType());
    } else {
      addScalarWork(c, countScalarWork(op->getRegion(0)), points);
    }
  } else if (isa<tensor::PadOp, tensor::ConcatOp, tensor::GatherOp>(op) ||
             isa_and_nonnull<linalg::LinalgDialect>(op->getDialect())) {
    for (Value v : op->getOperands())
      readOnce(v);
    for (Value v : op->getResults())
      if (isShaped(v)) {
        c.dram.written += dims.bytes(v);
        type = getElementTypeOrSelf(v.getType());
      }
    if (auto softmax = dyn_cast<linalg::SoftmaxOp>(op)) {
      double n = dims.elements(softmax.getInput());
      c.vectorFlops = c.vectorOps = 4 * n;
      c.exps = c.specials = n;
    }
  } else if (op->hasTrait<OpTrait::Elementwise>() && op->getNumResults() == 1 &&
             isShaped(op->getResult(0)) &&
             !op->hasTrait<OpTrait::ConstantLike>()) {
    SmallPtrSet<Value, 4> operands;
    for (Value v : op->getOperands())
      if (operands.insert(v).second)
        readOnce(v);
    Value result = op->getResult(0);
    type = getElementTypeOrSelf(result.getType());
    c.dram.written = dims.bytes(result);
    addScalarWork(c, countScalarWork(op), dims.elements(result));
  } else {
    return std::nullopt;
  }
  if (c.dram.total() == 0)
    return std::nullopt;
  c.cache = c.dram;
  if (!type)
    type = Float32Type::get(op->getContext());
  setTime(form, chip, type, chip.cores);
  return form;
}

//===----------------------------------------------------------------------===//
// The walk
//===----------------------------------------------------------------------===//

static std::string locationString(Operation *op) {
  if (auto file = op->getLoc()->findInstanceOf<FileLineColLoc>())
    return llvm::formatv("{0}:{1}:{2}", file.getFilename().getValue(),
                         file.getLine(), file.getColumn())
        .str();
  return "";
}

static std::string typeString(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

static std::string describe(const AttentionShape &s) {
  std::string text = llvm::formatv("B={0} Hq={1} Hkv={2} Sq={3} Sk={4} D={5}",
                                   s.B, s.Hq, s.Hkv, s.Sq, s.Sk, s.D)
                         .str();
  if (s.Dv != s.D)
    text += " Dv=" + std::to_string(s.Dv);
  text += " " + typeString(s.type);
  if (s.causal)
    text += " causal";
  if (s.windowLeft || s.windowRight)
    text += " window";
  if (s.bias)
    text += " bias";
  if (s.segments)
    text += " segments";
  if (s.prefix)
    text += " prefix";
  if (s.dropout)
    text += " dropout";
  if (s.scoreRegion)
    text += " score";
  if (s.maskRegion)
    text += " mask";
  return text;
}

static std::string describe(const ScanShape &s) {
  std::string text = llvm::formatv("B={0} D={1} L={2} N={3} {4}", s.B, s.Dm,
                                   s.L, s.N, typeString(s.type))
                         .str();
  if (s.softplus)
    text += " softplus";
  if (s.z)
    text += " z";
  return text;
}

static std::string describe(const ConvShape &s) {
  return llvm::formatv("B={0} D={1} L={2} W={3} {4}{5}", s.B, s.Dm, s.L, s.W,
                       typeString(s.type), s.silu ? " silu" : "")
      .str();
}

/// How often `op` runs in one call of its function, as far as it is known.
static double countTrips(Operation *op, OpReport &report) {
  double trips = 1;
  for (Operation *parent = op->getParentOp();
       parent && !isa<FunctionOpInterface>(parent);
       parent = parent->getParentOp()) {
    auto loop = dyn_cast<LoopLikeOpInterface>(parent);
    if (!loop)
      continue;
    auto lower = loop.getLoopLowerBounds(), upper = loop.getLoopUpperBounds(),
         step = loop.getLoopSteps();
    bool isKnown = lower && upper && step;
    if (isKnown)
      for (auto [l, u, s] : llvm::zip(*lower, *upper, *step)) {
        auto from = getConstantIntValue(l), to = getConstantIntValue(u),
             by = getConstantIntValue(s);
        if (!from || !to || !by || *by <= 0) {
          isKnown = false;
          break;
        }
        trips *= std::max<int64_t>(0, ceilDiv(*to - *from, *by));
      }
    if (!isKnown)
      report.notes.push_back(
          llvm::formatv("inside {0} of unknown trip count, counted as one",
                        parent->getName().getStringRef())
              .str());
  }
  return trips;
}

static TileSchedule requestedSchedule(Operation *op,
                                      const ExplainOptions &options) {
  TileSchedule t{options.tileM, options.tileN, options.splits};
  if (auto attr = op->getAttrOfType<ScheduleAttr>("schedule")) {
    t.tileM = t.tileM ? t.tileM : attr.getTileM();
    t.tileN = t.tileN ? t.tileN : attr.getTileN();
    t.splits = t.splits ? t.splits : attr.getSplits();
  }
  return t;
}

template <typename ShapeT>
static void modelOp(Operation *op, const ShapeT &s, const ChipInfo &chip,
                    const ExplainOptions &options, OpReport &report) {
  TileSchedule t = chooseSchedule(op, chip, requestedSchedule(op, options));
  constexpr int64_t largest = int64_t(1) << 20;
  t = {std::min(t.tileM, largest), std::min(t.tileN, largest),
       std::min(t.splits, largest)};
  // Splits that the shape alone did not tell, but the assumptions do, stay 1:
  // the report shows what the compiler will do.
  report.shape = describe(s);
  report.fused = fusedForm(s, t, chip, options);
  report.unfused = unfusedForm(s, chip);
  report.hasUnfused = true;
  if (options.tilings)
    for (TileSchedule tiling : enumerateSchedules(op, chip)) {
      tiling.splits = t.splits;
      report.tilings.push_back(fusedForm(s, tiling, chip, options));
    }
}

static bool hasEmptyShape(const AttentionShape &s) {
  return s.B <= 0 || s.Hq <= 0 || s.Hkv <= 0 || s.Sq <= 0 || s.Sk <= 0;
}

/// Reports on `op`, or returns false if it does no work worth a line.
static bool reportOp(Operation *op, DimTable &dims, const ChipInfo &chip,
                     const ExplainOptions &options, OpReport &report) {
  auto size = [&](Value v, unsigned d) { return dims.size(v, d); };
  // A finish whose state this function computes is counted with the attention.
  if (auto finish = dyn_cast<SoftmaxFinishOp>(op)) {
    if (finish.getAcc().getDefiningOp<OnlineAttentionOp>())
      return false;
    FormReport &form = report.fused;
    form.name = "fused";
    Counts &c = form.counts;
    for (Value v : {Value(finish.getMax()), Value(finish.getSum()),
                    Value(finish.getAcc())})
      c.dram.read += dims.bytes(v);
    for (Value v : finish->getResults())
      c.dram.written += dims.bytes(v);
    c.cache = c.dram;
    double rows = dims.elements(finish.getSum());
    c.vectorFlops = c.vectorOps = dims.elements(finish.getAcc()) + rows;
    c.specials = 2 * rows;
    report.shape = describeShapes(op, dims);
    setTime(form, chip, getElementTypeOrSelf(finish.getAcc().getType()),
            chip.cores);
  } else if (auto attention = getAttentionShape(op, size)) {
    if (hasEmptyShape(*attention)) {
      report.shape = describe(*attention);
      report.fused.name = "fused";
      report.notes.push_back("empty: nothing to compute");
      return true;
    }
    modelOp(op, *attention, chip, options, report);
    report.totalPairs = attention->heads() * attention->Sq * attention->Sk;
    report.visiblePairs =
        attention->heads() *
        countTiles(*attention, report.fused.tileM, report.fused.tileN)
            .visiblePairs;
    if (attention->prefix)
      report.notes.push_back("the prefix lengths are data: counted as 0");
    if (attention->segments)
      report.notes.push_back("the segments are data: counted as one segment");
    if (attention->mask)
      report.notes.push_back("the mask region is counted by whole tiles");
    else if (attention->maskRegion)
      report.notes.push_back("the mask region depends on data, batch or head: "
                             "counted as keeping everything");
  } else if (auto scan = getScanShape(op, size)) {
    modelOp(op, *scan, chip, options, report);
  } else if (auto conv = getConvShape(op, size)) {
    modelOp(op, *conv, chip, options, report);
  } else {
    auto form = upstreamForm(op, dims, chip);
    if (!form)
      return false;
    report.fused = *form;
    report.shape = describeShapes(op, dims);
  }
  if (report.hasUnfused && !report.fused.fits)
    report.notes.push_back(
        llvm::formatv("a tile of {0} x {1} does not fit on chip: {2} bytes",
                      report.fused.tileM, report.fused.tileN,
                      static_cast<int64_t>(report.fused.onChipBytes))
            .str());
  return true;
}

FailureOr<Report> seqc::analyze(ModuleOp module,
                                const ExplainOptions &options) {
  std::optional<ChipInfo> chip = getChipInfo(options.chip, /*measure=*/true);
  if (!chip)
    return emitError(module.getLoc()) << unknownChipMessage(options.chip);
  for (auto [name, value] :
       {std::pair("tile-m", options.tileM), std::pair("tile-n", options.tileN),
        std::pair("splits", options.splits)})
    if (value < 0)
      return emitError(module.getLoc())
             << "option '" << name << "' must not be negative, but is "
             << value;
  DimTable dims;
  if (auto message = dims.build(module, options.assume))
    return emitError(module.getLoc()) << *message;

  Report report;
  report.chip = *chip;
  module.walk<WalkOrder::PreOrder>([&](FunctionOpInterface function) {
    if (function.isExternal())
      return WalkResult::skip();
    FunctionReport f;
    f.name = function.getName().str();
    function.getFunctionBody().walk<WalkOrder::PreOrder>([&](Operation *op) {
      OpReport r;
      // A tile inside a loop is no kernel, and its padding stays on chip.
      bool tile = op->getParentOfType<LoopLikeOpInterface>() != nullptr;
      ChipInfo perOp = *chip;
      if (tile)
        perOp.launchSeconds = 0;
      if (tile && isa<tensor::PadOp>(op))
        return WalkResult::skip();
      if (reportOp(op, dims, perOp, options, r)) {
        r.function = f.name;
        r.op = op->getName().getStringRef().str();
        r.location = locationString(op);
        r.loc = op->getLoc();
        r.trips = countTrips(op, r);
        if (r.trips == 0)
          return WalkResult::skip();
        if (!r.hasUnfused) {
          r.unfused = r.fused;
          r.unfused.name = "unfused";
        } else if (tile) {
          r.notes.push_back("a tile inside a loop: for the whole operator, "
                            "report before seqc-tile");
        }
        Counts fused = r.fused.counts, unfused = r.unfused.counts;
        fused.scale(r.trips);
        unfused.scale(r.trips);
        f.fused += fused;
        f.unfused += unfused;
        f.fusedSeconds += r.trips * r.fused.seconds;
        f.unfusedSeconds += r.trips * r.unfused.seconds;
        f.ops.push_back(std::move(r));
      }
      // What is inside these belongs to them.
      if (isa<linalg::LinalgOp, AttentionOp, AttentionBackwardOp,
              OnlineAttentionOp, tensor::PadOp, tensor::GenerateOp>(op))
        return WalkResult::skip();
      return WalkResult::advance();
    });
    report.functions.push_back(std::move(f));
    return WalkResult::skip();
  });
  report.assumptions = dims.getAssumptions();
  return report;
}
