//===- DecomposeScanAdjoint.cpp - What a part gives backwards -> tile -----===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where the sequence of a scan's backward is split, each part has to know the
// gradient of the state behind it before it starts. This kernel goes over a
// part from its last chunk to its first and carries nothing but that gradient,
//
//   c[t] = a[t] (C[t] g[t] + c[t + 1])       g = out_grad silu(z)
//
// from 0. What the part gives to the one before it depends on its first steps
// only, if decays are strong: with softplus, where dt is positive, the kernel
// first goes forwards from the first chunk and adds up dt, until no gradient
// behind would be left of, and starts there. It looks through a quarter of the
// whole chunks at most. (DecomposeScan.cpp does the same for states, from the
// other end.)
//
// The last chunk, which may be cut, is taken first and by itself, as by the
// kernel of the gradients.
//
//===----------------------------------------------------------------------===//

#include "ScanChunks.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

/// Blocks that an SM has registers for.
static constexpr int32_t kBlocks = 4;
/// A product of decays below 2 to the power of minus this is nothing.
static constexpr double kForgotten = 100.0;

namespace {

class AdjointKernel : ChunkKernel {
public:
  AdjointKernel(KernelBuilder &k, scf::ForallOp forall, scf::ForOp loop,
                ChunkScanBackwardOp op)
      : ChunkKernel(k, forall, loop, op, op.getU(), op.getA()), scan(op) {}

  LogicalResult build();

private:
  /// Where to start, counted in chunks from the first, if the ones behind are
  /// forgotten.
  struct Start {
    Value isForgotten, walked;
  };
  LogicalResult buildLoop();
  FailureOr<Start> findStart(Value end);
  LogicalResult loadDt(Value count, Value &dt);
  LogicalResult buildSteps(bool isWhole, Value &carried);
  FailureOr<Value> findReal();

  ChunkScanBackwardOp scan;
  Value rate, C, bias;
};

} // namespace

/// dt of the chunk, one element for each channel and step.
LogicalResult AdjointKernel::loadDt(Value count, Value &dt) {
  if (failed(loadRows(scan.getDelta(), count, dt)))
    return failure();
  dt = buildExponent(dt, bias);
  if (scan.getDeltaSoftplus())
    dt = buildSoftplus(k, dt);
  dt = exchange(k, cut(dt, count));
  return success();
}

/// The steps of one chunk.
LogicalResult AdjointKernel::buildSteps(bool isWhole, Value &carried) {
  Value count; // Null for all steps.
  if (!isWhole)
    count = k.scalar(scan.getSteps());
  Value dt, grad, z, cTile;
  if (failed(loadDt(count, dt)) ||
      failed(loadRows(scan.getOutGrad(), count, grad)) ||
      (scan.getZ() && failed(loadRows(scan.getZ(), count, z))) ||
      (!C && failed(loadStates(scan.getC(), count, cTile))))
    return failure();
  if (z)
    grad = mul(grad, buildSilu(k, z));
  grad = exchange(k, grad);
  Value weights = cTile ? overChannels(exchange(k, cTile)) : overSteps(C);
  Value decay = math::Exp2Op::create(b, mul(overStates(dt), overSteps(rate)));
  Value terms = arith::MulFOp::create(b, overStates(grad), weights,
                                      arith::FastMathFlags::contract);
  carried = tile::RecurrenceOp::create(b, decay, terms, carried, /*dim=*/1,
                                       /*adjoint=*/true, /*before=*/false)
                .getLast();
  return success();
}

/// Which elements of channels x d_state there are; null for all. Others never
/// decay.
FailureOr<Value> AdjointKernel::findReal() {
  auto rates = k.getSlice(scan.getA());
  if (!rates)
    return fail(scan.getA());
  Type i32 = b.getI32Type();
  auto isBelow = [&](Value positions, Value end, int64_t size) {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, positions,
                                 k.splat(end, {size}))
        .getResult();
  };
  Value isReal;
  int64_t all = cast<MemRefType>(rates->view.getType()).getShape()[0];
  if (channelEnd || ShapedType::isDynamic(all) || all % channels) {
    Value end =
        channelEnd
            ? channelEnd
            : memref::DimOp::create(b, rates->view, k.index(0)).getResult();
    Value at = k.positions(rates->offsets[0], channels, i32);
    end = arith::IndexCastOp::create(b, i32, end);
    isReal = k.broadcast(isBelow(at, end, channels), 1, padded);
  }
  if (depth == padded)
    return isReal;
  Value at = tile::IotaOp::create(b, RankedTensorType::get({padded}, i32), 0);
  Value end = k.scalarConstant(b.getI32IntegerAttr(depth));
  Value isState = k.broadcast(isBelow(at, end, padded), 0, channels);
  return isReal ? arith::AndIOp::create(b, isReal, isState).getResult()
                : isState;
}

FailureOr<AdjointKernel::Start> AdjointKernel::findStart(Value end) {
  FailureOr<Value> isReal = findReal();
  if (failed(isReal))
    return failure();
  // Fewer than there are, so that all of them are whole.
  Value quarter = arith::DivUIOp::create(b, end, k.index(4));
  Value none = k.constant({channels, steps}, 0.0);
  SmallVector<Value> inits = {k.index(0),
                              k.scalarConstant(b.getBoolAttr(false)), none};
  auto walk = scf::ForOp::create(b, k.index(0), quarter, k.index(1), inits);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(walk.getBody());
  ValueRange now = walk.getRegionIterArgs();
  auto choice = scf::IfOp::create(b, now.getTypes(), now[1],
                                  /*withElseRegion=*/true);
  scf::YieldOp::create(b, choice.getResults());
  b.setInsertionPointToStart(choice.thenBlock());
  scf::YieldOp::create(b, now);
  b.setInsertionPointToStart(choice.elseBlock());
  Value walked = arith::AddIOp::create(b, now[0], k.index(1)), total = now[2];
  // The loop counts from the last chunk.
  Value number = arith::SubIOp::create(b, end, walked);
  auto addChunk = [&]() -> LogicalResult {
    Value dt;
    if (failed(loadDt(Value(), dt)))
      return failure();
    total = add(total, dt);
    return success();
  };
  if (failed(buildChunk(number, addChunk)))
    return failure();
  // NaN is not forgotten.
  Value all = k.reduce(tile::ReduceKind::Add, overStates(total), 1);
  Value isLeft =
      arith::CmpFOp::create(b, arith::CmpFPredicate::UGT, mul(all, rate),
                            k.constant({channels, padded}, -kForgotten));
  if (*isReal)
    isLeft = arith::AndIOp::create(b, isLeft, *isReal);
  Value isDone = arith::XOrIOp::create(b, tile::AnyOp::create(b, isLeft),
                                       k.scalarConstant(b.getBoolAttr(true)));
  scf::YieldOp::create(b, ValueRange{walked, isDone, total});
  return Start{walk.getResult(1), walk.getResult(0)};
}

LogicalResult AdjointKernel::buildLoop() {
  if (failed(loadMatrix(scan.getA(), rate)))
    return failure();
  rate = mul(rate, k.constant({channels, padded}, log2e));
  if (!varies(scan.getC()) && failed(loadMatrix(scan.getC(), C)))
    return failure();
  if (scan.getDeltaBias() && failed(loadVector(scan.getDeltaBias(), bias)))
    return failure();
  if (padded <= 64 && k.kernel.getWarps() <= 4 && isContiguous(k, scan.getU()))
    k.kernel->setAttr("nvvm.minctasm", b.getI32IntegerAttr(kBlocks));

  Value carried = k.constant({channels, padded}, 0.0);
  Value zero = k.index(0), one = k.index(1),
        end = k.scalar(loop.getUpperBound());
  Start start;
  if (scan.getDeltaSoftplus()) {
    FailureOr<Start> found = findStart(end);
    if (failed(found))
      return failure();
    start = *found;
  }
  Value from = zero;
  if (getConstantIntValue(scan.getSteps()) != steps) {
    // The last chunk, if there is one.
    Value some = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, zero, end);
    if (start.isForgotten)
      some = arith::SelectOp::create(
          b, start.isForgotten, k.scalarConstant(b.getBoolAttr(false)), some);
    auto last = scf::IfOp::create(b, carried.getType(), some,
                                  /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(last.elseBlock());
    scf::YieldOp::create(b, carried);
    b.setInsertionPointToStart(last.thenBlock());
    if (failed(buildChunk(zero, [&] { return buildSteps(false, carried); })))
      return failure();
    b.setInsertionPointToEnd(last.thenBlock());
    scf::YieldOp::create(b, carried);
    carried = last.getResult(0);
    from = one;
  }
  if (start.isForgotten)
    from = arith::SelectOp::create(b, start.isForgotten,
                                   arith::SubIOp::create(b, end, start.walked),
                                   from);
  auto chunks = scf::ForOp::create(b, from, end, one, carried);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(chunks.getBody());
    carried = chunks.getRegionIterArgs()[0];
    if (failed(buildChunk(chunks.getInductionVar(),
                          [&] { return buildSteps(true, carried); })))
      return failure();
    b.setInsertionPointToEnd(chunks.getBody());
    scf::YieldOp::create(b, carried);
  }
  k.setTile(loop.getResult(0), chunks.getResult(0));
  return success();
}

LogicalResult AdjointKernel::build() {
  if (failed(buildBody([&] { return buildLoop(); })))
    return failure();
  return storeSums();
}

LogicalResult totile::decomposeScanAdjoint(KernelBuilder &k,
                                           scf::ForallOp forall,
                                           scf::ForOp loop,
                                           ChunkScanBackwardOp op) {
  return AdjointKernel(k, forall, loop, op).build();
}
