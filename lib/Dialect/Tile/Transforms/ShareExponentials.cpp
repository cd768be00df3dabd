//===- ShareExponentials.cpp - Exponentials on the FMA units --------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An SM evaluates 16 special functions in a clock and 128 fused multiply-adds.
// A soft cap makes two special functions of each score, as long as the products
// of head_dim 128 take. So some of the exponentials are computed by the other
// units, as FlashAttention-4 does: with n the integer next to x and f = x - n,
//
//   2^x = 2^n p(f),  p(f) = 1 + f (c1 + f (c2 + f (c3 + f c4)))  for |f| <= 1/2
//
// n comes out of an addition that leaves no room for a fraction: the sum
// x + 1.5 2^23 + 127 has n + 127 in its low bits, which are the exponent of 2^n
// when they are moved to where that is. p is the best approximation with
// p(0) = 1 (reweighted least squares at Chebyshev points): its relative error
// is below 3e-6, with both signs, a thousandth of a 16-bit weight's rounding.
//
// Below -127 there is no such number, and x is taken as -127, of which the
// exponent is that of 0. -inf gives 0 then, and NaN stays what it is.
//
// Which ones: every so many blocks of eight columns. A block is in the same
// registers of all threads, so the choice is no code in the end.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Tile/IR/Tile.h"
#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/Support/MathExtras.h"

namespace seqc {
#define GEN_PASS_DEF_TILESHAREEXPONENTIALS
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// c4 to c1, and c0.
static constexpr float kPolynomial[] = {
    0.009582852944731712f, 0.055906426161527634f, 0.24024099111557007f,
    0.6931241750717163f, 1.0f};
/// 1.5 2^23: numbers around it have no fraction. 127 is the exponent of 1.
static constexpr float kNoFraction = 12582912.0f, kBias = 127.0f;
static constexpr int64_t kMantissaBits = 23;

/// Whether `op` makes weights: they become 16-bit operands of a product.
static bool makesWeights(math::Exp2Op op) {
  auto type = dyn_cast<RankedTensorType>(op.getType());
  if (!type || type.getRank() != 2 || !type.getElementType().isF32())
    return false;
  return llvm::any_of(op->getUsers(), [](Operation *user) {
    return isa<arith::TruncFOp>(user) &&
           getElementTypeOrSelf(user->getResult(0)).getIntOrFloatBitWidth() ==
               16;
  });
}

/// 2^x by fused multiply-adds.
static Value buildPolynomial(ImplicitLocOpBuilder &b, Value x) {
  auto type = cast<RankedTensorType>(x.getType());
  auto number = [&](float value) -> Value {
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(type, b.getF32FloatAttr(value)));
  };
  auto bits = type.clone(b.getI32Type());
  x = arith::MaximumFOp::create(b, x, number(-kBias));
  Value moved = arith::AddFOp::create(b, x, number(kNoFraction + kBias));
  Value n = arith::SubFOp::create(b, moved, number(kNoFraction + kBias));
  Value f = arith::SubFOp::create(b, x, n);
  Value p = number(kPolynomial[0]);
  for (float c : ArrayRef(kPolynomial).drop_front())
    p = math::FmaOp::create(b, p, f, number(c));
  Value exponent = arith::ShLIOp::create(
      b, arith::BitcastOp::create(b, bits, moved),
      arith::ConstantOp::create(
          b, DenseElementsAttr::get(bits, b.getI32IntegerAttr(kMantissaBits))));
  return arith::MulFOp::create(b, p,
                               arith::BitcastOp::create(b, type, exponent));
}

/// Whether the column of an element is in a block with a number of
/// `every` - 1 modulo `every`.
static Value buildChoice(ImplicitLocOpBuilder &b, RankedTensorType type,
                         int64_t every) {
  auto numbers = type.clone(b.getI32Type());
  auto number = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(numbers, b.getI32IntegerAttr(value)));
  };
  Value block = arith::ShRUIOp::create(b, IotaOp::create(b, numbers, /*dim=*/1),
                                       number(3));
  return arith::CmpIOp::create(
      b, arith::CmpIPredicate::eq,
      arith::AndIOp::create(b, block, number(every - 1)), number(every - 1));
}

namespace {
struct ShareExponentials
    : seqc::impl::TileShareExponentialsBase<ShareExponentials> {
  using TileShareExponentialsBase::TileShareExponentialsBase;

  void runOnOperation() override {
    if (every == 0)
      return;
    if (every < 0 || !llvm::isPowerOf2_64(every)) {
      getOperation().emitError()
          << "exponentials in one of " << int64_t(every)
          << " blocks cannot be polynomials, expected a power of two";
      return signalPassFailure();
    }
    SmallVector<math::Exp2Op> ops;
    getOperation().walk([&](math::Exp2Op op) {
      if (makesWeights(op))
        ops.push_back(op);
    });
    for (math::Exp2Op op : ops) {
      ImplicitLocOpBuilder b(op.getLoc(), op->getContext());
      b.setInsertionPointAfter(op);
      Value power = buildPolynomial(b, op.getOperand());
      if (every > 1) {
        Value isShared =
            buildChoice(b, cast<RankedTensorType>(op.getType()), every);
        power = arith::SelectOp::create(b, isShared, power, op);
        op->replaceUsesWithIf(ValueRange{power}, [&](OpOperand &use) {
          return use.getOwner() != power.getDefiningOp();
        });
      } else {
        op->replaceAllUsesWith(ValueRange{power});
        op->erase();
      }
      ++numShared;
    }
  }
};
} // namespace
