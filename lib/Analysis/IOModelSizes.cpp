//===- IOModelSizes.cpp - The size of every dimension ---------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every dimension of every tensor is a node; operators that force dimensions to
// be equal merge their nodes (linalg through its indexing maps, seqc's
// operators through the roles of their operands), and a class takes its size
// from a static member, from an assumption or from a default. So `S=1000`
// reaches the projections around an attention as well.
//
//===----------------------------------------------------------------------===//

#include "IOModelDetail.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
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
      .Case<BlockAttentionBackwardOp>([&](BlockAttentionBackwardOp o) {
        attention(o);
        tie(o.getQuery(), {0, 1, 2}, o.getOutGrad(), {0, 1, 2});
        tie(o.getQuery(), {0, 1, 2}, o.getLse(), {0, 1, 2});
        tie(o.getQuery(), {0, 1, 2}, o.getDelta(), {0, 1, 2});
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
      .Case<CausalConv1dBackwardOp>([&](CausalConv1dBackwardOp o) {
        mark(o.getX(), {"B", "D", "L"});
        uniteShapes(o.getX(), o.getOutGrad());
        uniteShapes(o.getX(), o.getXGrad());
        tie(o.getX(), {1}, o.getWeight(), {0});
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
