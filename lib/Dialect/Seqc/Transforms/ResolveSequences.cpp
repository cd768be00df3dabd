//===- ResolveSequences.cpp - The order and the parts of time -------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An operator that goes through time has a direction, and its time dimension
// may hold several sequences. Neither is a matter of how it computes, only of
// where its steps lie in memory, and both are views:
//
//   reverse      step t is element L - 1 - t, a view with a stride of -1
//   cu_seqlens   sequence s is the slice of steps [cu[s], cu[s + 1])
//
// so that everything behind this pass has operators that go forwards through
// one sequence. A reversed operator reads and writes views; nothing is copied:
//
//   %v = tensor.extract_slice %u[0, 0, L - 1] [B, D, L] [1, 1, -1]
//   %w = operator %v
//   %r = tensor.insert_slice %w into %empty[0, 0, L - 1] [B, D, L] [1, 1, -1]
//
// Packed sequences are a parallel loop over them. seqc-tile puts the grid of
// one sequence into it, and seqc-collapse-grid makes one grid of both, in which
// a block has the channels of its sequence. A sequence starts from its own
// state, so there is nothing to reset.
//
// A sequence of the view in reverse order starts where in memory it ends: at
// L - cu[s + 1].
//
// The backward of a scan sums over the sequences and keeps states between
// chunks, for which seqc-recompute-backward has the packed operator as it is
// (RecomputeScanGrids.cpp).
//
//===----------------------------------------------------------------------===//

#include "Sequences.h"

#include "seqc/Dialect/Seqc/IR/Seqc.h"
#include "seqc/Dialect/Seqc/Transforms/Passes.h"

#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCRESOLVESEQUENCES
#include "seqc/Dialect/Seqc/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

static int64_t lastDim(Value v) {
  return cast<RankedTensorType>(v.getType()).getRank() - 1;
}

/// Whether `v` has one step or none, whose order is any.
static bool hasOneStep(Value v) {
  int64_t steps = cast<RankedTensorType>(v.getType()).getDimSize(lastDim(v));
  return steps == 0 || steps == 1;
}

Value Sequences::inOrder(Value v) {
  if (!v || !isReverse || hasOneStep(v))
    return v;
  Value &view = views[v];
  if (view)
    return view;
  SmallVector<Fold> sizes = tensor::getMixedSizes(b, loc, v);
  SmallVector<Fold> starts(sizes.size(), attr(0)),
      strides(sizes.size(), attr(1));
  AffineExpr d0;
  bindDims(b.getContext(), d0);
  starts.back() =
      affine::makeComposedFoldedAffineApply(b, loc, d0 - 1, {sizes.back()});
  strides.back() = attr(-1);
  view = tensor::ExtractSliceOp::create(b, loc, v, starts, sizes, strides);
  return view;
}

Value Sequences::inMemory(Value result, Value like) {
  if (!isReverse || hasOneStep(result))
    return result;
  auto type = cast<RankedTensorType>(result.getType());
  // A size that only `like` knows stays dynamic, as the type has it.
  SmallVector<Fold> sizes;
  for (int64_t i = 0; i < type.getRank(); ++i)
    sizes.push_back(type.isDynamicDim(i) ? Fold(index(dim(like, i)))
                                         : attr(type.getDimSize(i)));
  SmallVector<Fold> starts(sizes.size(), attr(0)),
      strides(sizes.size(), attr(1));
  AffineExpr d0;
  bindDims(b.getContext(), d0);
  starts.back() =
      affine::makeComposedFoldedAffineApply(b, loc, d0 - 1, {sizes.back()});
  strides.back() = attr(-1);
  SmallVector<Value> dynamic;
  for (Fold size : sizes)
    if (auto value = dyn_cast<Value>(size))
      dynamic.push_back(value);
  Value empty = tensor::EmptyOp::create(b, loc, type, dynamic);
  return tensor::InsertSliceOp::create(b, loc, result, empty, starts, sizes,
                                       strides);
}

Fold Sequences::count() {
  AffineExpr d0;
  bindDims(b.getContext(), d0);
  return affine::makeComposedFoldedAffineApply(b, loc, d0 - 1,
                                               {dim(offsets, 0)});
}

std::pair<Value, Value> Sequences::bounds(OpBuilder &nb, Value s,
                                          Value length) {
  auto number = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(nb, loc, value);
  };
  Value zero = number(0), one = number(1);
  auto offset = [&](Value i) -> Value {
    Value read = tensor::ExtractOp::create(nb, loc, offsets, ValueRange{i});
    Value at = arith::IndexCastOp::create(nb, loc, nb.getIndexType(), read);
    at = arith::MaxSIOp::create(nb, loc, at, zero);
    return arith::MinSIOp::create(nb, loc, at, length);
  };
  auto isEqual = [&](Value x, Value y) -> Value {
    return arith::CmpIOp::create(nb, loc, arith::CmpIPredicate::eq, x, y);
  };
  Value next = arith::AddIOp::create(nb, loc, s, one);
  Value last = arith::SubIOp::create(
      nb, loc, tensor::DimOp::create(nb, loc, offsets, 0), one);
  Value begin =
      arith::SelectOp::create(nb, loc, isEqual(s, zero), zero, offset(s));
  Value end = arith::SelectOp::create(nb, loc, isEqual(next, last), length,
                                      offset(next));
  end = arith::MaxSIOp::create(nb, loc, begin, end);
  Value size = arith::SubIOp::create(nb, loc, end, begin);
  if (isReverse)
    begin = arith::SubIOp::create(nb, loc, length, end);
  return {begin, size};
}

//===----------------------------------------------------------------------===//
// Direction
//===----------------------------------------------------------------------===//

static bool isVariable(Value projection) { return lastDim(projection) > 1; }

/// `result` in the order of memory, for all of its users.
static void storeInMemory(Sequences &t, Value result, Value like) {
  if (!result)
    return;
  Value stored = t.inMemory(result, like);
  if (stored != result)
    result.replaceAllUsesExcept(stored, stored.getDefiningOp());
}

/// Lets `op` go forwards through views of what `operands` and `results` have
/// steps of. `results` are pairs of a result and an operand of its sizes.
template <typename OpT>
static void turn(RewriterBase &b, OpT op, ArrayRef<Value> operands,
                 ArrayRef<std::pair<Value, Value>> results) {
  b.setInsertionPoint(op);
  Sequences t(b, op.getLoc(), Value(), /*isReverse=*/true);
  llvm::SmallDenseSet<Value> inTime;
  for (Value v : operands)
    if (v)
      inTime.insert(v);
  // A state may be the same value as an input and has no steps.
  llvm::SmallDenseSet<OpOperand *> states;
  for (OpOperand &state : op.getInitialStateMutable())
    states.insert(&state);
  if constexpr (std::is_same_v<OpT, SelectiveScanBackwardOp> ||
                std::is_same_v<OpT, CausalConv1dBackwardOp>)
    for (OpOperand &state : op.getFinalStateGradMutable())
      states.insert(&state);
  b.modifyOpInPlace(op, [&] {
    for (OpOperand &operand : op->getOpOperands())
      if (inTime.contains(operand.get()) && !states.contains(&operand))
        operand.set(t.inOrder(operand.get()));
    op.setReverse(false);
  });
  b.setInsertionPointAfter(op);
  for (auto [result, like] : results)
    storeInMemory(t, result, like);
}

static Value ifVariable(Value projection) {
  return isVariable(projection) ? projection : Value();
}

//===----------------------------------------------------------------------===//
// Packed sequences
//===----------------------------------------------------------------------===//

namespace {

/// The loop over the sequences of an operator.
class PackedLoop {
public:
  PackedLoop(Sequences &t, Value data, ValueRange outs)
      : t(t), channels(t.dim(data, 1)) {
    Value length = t.index(t.dim(data, 2));
    loop = scf::ForallOp::create(t.b, t.loc, ArrayRef<Fold>{t.count()}, outs,
                                 /*mapping=*/std::nullopt);
    loop->setAttr(kSequencesAttr, t.b.getUnitAttr());
    t.b.setInsertionPoint(loop.getTerminator());
    s = loop.getInductionVars()[0];
    std::tie(begin, size) = t.bounds(t.b, s, length);
  }

  /// The sequence's steps of `v`, (1, ..., time).
  std::pair<SmallVector<Fold>, SmallVector<Fold>> positionOfSteps(Value v) {
    SmallVector<Fold> sizes = tensor::getMixedSizes(t.b, t.loc, v);
    SmallVector<Fold> starts(sizes.size(), t.attr(0));
    sizes.front() = t.attr(1);
    starts.back() = begin;
    sizes.back() = size;
    return {starts, sizes};
  }
  /// Its state of `v`, (sequence, channel, ...).
  std::pair<SmallVector<Fold>, SmallVector<Fold>> positionOfState(Value v) {
    SmallVector<Fold> sizes = tensor::getMixedSizes(t.b, t.loc, v);
    SmallVector<Fold> starts(sizes.size(), t.attr(0));
    starts.front() = s;
    sizes.front() = t.attr(1);
    return {starts, sizes};
  }
  Value takeSteps(Value v) {
    if (!v || lastDim(v) < 2)
      return v;
    auto [starts, sizes] = positionOfSteps(v);
    return t.slice(v, starts, sizes);
  }
  Value takeState(Value v) {
    if (!v)
      return v;
    auto [starts, sizes] = positionOfState(v);
    return t.slice(v, starts, sizes);
  }

  /// The type of what `takeSteps` makes of a value of `type`.
  static RankedTensorType getStepsType(RankedTensorType type) {
    SmallVector<int64_t> shape(type.getShape());
    shape.front() = 1;
    shape.back() = ShapedType::kDynamic;
    return type.clone(shape);
  }

  void finish(ValueRange results, ArrayRef<bool> isState) {
    SmallVector<std::pair<SmallVector<Fold>, SmallVector<Fold>>> positions;
    for (auto [dest, state] : llvm::zip(loop.getRegionIterArgs(), isState))
      positions.push_back(state ? positionOfState(dest)
                                : positionOfSteps(dest));
    t.b.setInsertionPointToStart(loop.getTerminator().getBody());
    for (auto [dest, result, position] :
         llvm::zip(loop.getRegionIterArgs(), results, positions))
      t.parallelInsert(result, dest, position.first, position.second);
    t.b.setInsertionPointAfter(loop);
  }

  Sequences &t;
  Fold channels;
  scf::ForallOp loop;
  Value s, begin, size;
};

} // namespace

/// An uninitialised tensor for `result`, whose sizes are those of `like` but
/// for the first, which is `first`.
static Value createEmpty(Sequences &t, Value result, Value like, Fold first) {
  auto type = cast<RankedTensorType>(result.getType());
  SmallVector<Value> sizes;
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (type.isDynamicDim(i))
      sizes.push_back(t.index(i == 0 ? first : t.dim(like, i)));
  return tensor::EmptyOp::create(t.b, t.loc, type, sizes);
}

static void unpack(RewriterBase &b, SelectiveScanOp op) {
  b.setInsertionPoint(op);
  Sequences t(b, op.getLoc(), op.getCuSeqlens(), op.getReverse());
  auto inOrder = [&](Value v) {
    return v && lastDim(v) > 1 ? t.inOrder(v) : v;
  };
  Value u = inOrder(op.getU()), delta = inOrder(op.getDelta()),
        z = inOrder(op.getZ()), B = inOrder(op.getB()), C = inOrder(op.getC());
  SmallVector<Value> outs = {
      createEmpty(t, op.getOut(), op.getU(), t.dim(op.getU(), 0))};
  Value state = op.getFinalState();
  if (state) {
    // (sequences, channels of u, d_state)
    auto type = cast<RankedTensorType>(state.getType());
    SmallVector<Fold> from = {t.count(), t.dim(op.getU(), 1),
                              t.dim(op.getA(), 1)};
    SmallVector<Value> sizes;
    for (int64_t i = 0; i < 3; ++i)
      if (type.isDynamicDim(i))
        sizes.push_back(t.index(from[i]));
    outs.push_back(tensor::EmptyOp::create(b, t.loc, type, sizes));
  }
  PackedLoop loop(t, op.getU(), outs);
  SmallVector<Type> types = {
      PackedLoop::getStepsType(cast<RankedTensorType>(op.getOut().getType()))};
  if (state) {
    auto type = cast<RankedTensorType>(state.getType());
    SmallVector<int64_t> shape(type.getShape());
    shape[0] = 1;
    types.push_back(type.clone(shape));
  }
  auto one = SelectiveScanOp::create(
      b, t.loc, types, loop.takeSteps(u), loop.takeSteps(delta), op.getA(),
      loop.takeSteps(B), loop.takeSteps(C), op.getD(), loop.takeSteps(z),
      op.getDeltaBias(), loop.takeState(op.getInitialState()),
      /*cu_seqlens=*/Value(), op.getDeltaSoftplusAttr(),
      /*reverse=*/UnitAttr(), op.getScheduleAttr());
  loop.finish(one.getResults(), {false, true});
  SmallVector<Value> results = {t.inMemory(loop.loop.getResult(0), op.getU())};
  if (state)
    results.push_back(loop.loop.getResult(1));
  b.replaceOp(op, results);
}

/// The last columns of (state of the sequence, its steps), for each sequence.
static Value buildFinalConvStates(Sequences &t, CausalConv1dOp op, Value x) {
  RewriterBase &b = t.b;
  auto type = cast<RankedTensorType>(op.getFinalState().getType());
  Type element = type.getElementType();
  int64_t history =
      cast<RankedTensorType>(op.getWeight().getType()).getDimSize(1) - 1;
  Value empty = createEmpty(t, op.getFinalState(), op.getX(), t.count());
  if (history == 0)
    return empty;
  Value length = t.index(t.dim(op.getX(), 2));
  SmallVector<utils::IteratorType> iterators(3, utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, t.loc, type, ValueRange(), empty, b.getMultiDimIdentityMap(3),
             iterators,
             [&](OpBuilder &nb, Location l, ValueRange) {
               Value s = linalg::IndexOp::create(nb, l, 0);
               Value c = linalg::IndexOp::create(nb, l, 1);
               Value k = linalg::IndexOp::create(nb, l, 2);
               auto [begin, size] = t.bounds(nb, s, length);
               Value zero = arith::ConstantIndexOp::create(nb, l, 0);
               Value width = arith::ConstantIndexOp::create(nb, l, history);
               Value column = arith::AddIOp::create(nb, l, size, k);
               Value inX = arith::CmpIOp::create(
                   nb, l, arith::CmpIPredicate::uge, column, width);
               auto choice = scf::IfOp::create(
                   nb, l, inX,
                   [&, begin = begin](OpBuilder &tb, Location tl) {
                     Value p = arith::SubIOp::create(tb, tl, column, width);
                     p = arith::AddIOp::create(tb, tl, begin, p);
                     Value read = tensor::ExtractOp::create(
                         tb, tl, x, ValueRange{zero, c, p});
                     scf::YieldOp::create(tb, tl, read);
                   },
                   [&](OpBuilder &eb, Location el) {
                     Value read;
                     if (op.getInitialState())
                       read = tensor::ExtractOp::create(
                           eb, el, op.getInitialState(),
                           ValueRange{s, c, column});
                     else
                       read = arith::ConstantOp::create(
                           eb, el, eb.getZeroAttr(element));
                     scf::YieldOp::create(eb, el, read);
                   });
               linalg::YieldOp::create(nb, l, choice.getResult(0));
             })
      .getResult(0);
}

static void unpack(RewriterBase &b, CausalConv1dOp op) {
  b.setInsertionPoint(op);
  Sequences t(b, op.getLoc(), op.getCuSeqlens(), op.getReverse());
  Value x = t.inOrder(op.getX());
  // A width of 1 has no state.
  Value state = op.getInitialState();
  if (cast<RankedTensorType>(op.getWeight().getType()).getDimSize(1) == 1)
    state = Value();
  PackedLoop loop(t, op.getX(),
                  createEmpty(t, op.getOut(), op.getX(), t.dim(op.getX(), 0)));
  auto one = CausalConv1dOp::create(
      b, t.loc,
      TypeRange{PackedLoop::getStepsType(
          cast<RankedTensorType>(op.getOut().getType()))},
      loop.takeSteps(x), op.getWeight(), op.getBias(), loop.takeState(state),
      /*cu_seqlens=*/Value(), op.getActivationAttr(), /*reverse=*/UnitAttr(),
      op.getScheduleAttr());
  loop.finish(one.getOut(), {false});
  SmallVector<Value> results = {t.inMemory(loop.loop.getResult(0), op.getX())};
  if (op.getFinalState())
    results.push_back(buildFinalConvStates(t, op, x));
  b.replaceOp(op, results);
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct ResolveSequencesPass
    : public seqc::impl::SeqcResolveSequencesBase<ResolveSequencesPass> {
  void runOnOperation() override {
    IRRewriter b(&getContext());
    SmallVector<Operation *> ops;
    getOperation()->walk([&](Operation *op) {
      if (isa<SelectiveScanOp, SelectiveScanBackwardOp, CausalConv1dOp,
              CausalConv1dBackwardOp>(op))
        ops.push_back(op);
    });
    for (Operation *op : ops)
      llvm::TypeSwitch<Operation *>(op)
          .Case([&](SelectiveScanOp o) {
            if (o.getCuSeqlens()) {
              unpack(b, o);
              ++numUnpacked;
            } else if (o.getReverse()) {
              turn(b, o,
                   {o.getU(), o.getDelta(), o.getZ(), ifVariable(o.getB()),
                    ifVariable(o.getC())},
                   {{o.getOut(), o.getU()}});
              ++numTurned;
            }
          })
          .Case([&](SelectiveScanBackwardOp o) {
            if (o.getCuSeqlens() || !o.getReverse())
              return;
            Value B = ifVariable(o.getB()), C = ifVariable(o.getC());
            SmallVector<std::pair<Value, Value>> results = {
                {o.getUGrad(), o.getU()},
                {o.getDeltaGrad(), o.getDelta()},
                {o.getZGrad(), o.getZ()}};
            if (B)
              results.push_back({o.getBGrad(), B});
            if (C)
              results.push_back({o.getCGrad(), C});
            turn(b, o, {o.getU(), o.getDelta(), o.getZ(), B, C, o.getOutGrad()},
                 results);
            ++numTurned;
          })
          .Case([&](CausalConv1dOp o) {
            if (o.getCuSeqlens()) {
              unpack(b, o);
              ++numUnpacked;
            } else if (o.getReverse()) {
              turn(b, o, {o.getX()}, {{o.getOut(), o.getX()}});
              ++numTurned;
            }
          })
          .Case([&](CausalConv1dBackwardOp o) {
            if (o.getCuSeqlens() || !o.getReverse())
              return;
            turn(b, o, {o.getX(), o.getOutGrad()}, {{o.getXGrad(), o.getX()}});
            ++numTurned;
          });
  }
};
} // namespace
