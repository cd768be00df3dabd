//===- Math.cpp - Functions -> instructions -------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The special function unit has 2^x, log2(x), 1/x and 1/sqrt(x) of f32, with
// relative errors of about 2^-22. exp2 and log2, which softmax is made of, are
// just these. The others are a few operations around them that keep
// their results to some units in the last place:
//
//   exp    n + f = x log2(e) with f from a fused multiply-add, 2^n 2^f
//   log    ln(2) log2(x); near 1, where log2 has an absolute error only, the
//   series of
//          2 artanh((x - 1) / (x + 1))
//   tanh   1 - 2 / (e^2|x| + 1); near 0, where that cancels, an odd polynomial
//
// An operation that allows an approximation (`afn`, which regions of 16-bit
// attention have) is one or two instructions: tanh by the unit itself, exp and
// log by exp2 and log2.
//
// A division is exact, but for one that allows the reciprocal (`arcp`).
//
// What is rare comes from upstream's polynomials, in terms of these. 16-bit
// types are computed in f32.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

#include "seqc/Dialect/NVX/IR/NVX.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace seqc;

namespace {

constexpr double kLog2E = 1.4426950408889634074;
constexpr double kLn2 = 0.69314718055994530942;
constexpr double kLog10Of2 = 0.30102999566398119521;

/// f32 arithmetic on scalars or vectors.
struct FloatBuilder {
  FloatBuilder(Location loc, PatternRewriter &rewriter, Type type)
      : b(loc, rewriter), type(type) {}

  Value constant(double value) {
    TypedAttr number = b.getF32FloatAttr(float(value));
    if (auto vector = dyn_cast<VectorType>(type))
      number = DenseElementsAttr::get(vector, Attribute(number));
    return arith::ConstantOp::create(b, number);
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value fma(Value x, Value y, Value z) {
    return math::FmaOp::create(b, x, y, z);
  }
  Value abs(Value x) { return math::AbsFOp::create(b, x); }
  Value less(Value x, Value y) {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, y);
  }
  Value select(Value c, Value x, Value y) {
    return arith::SelectOp::create(b, c, x, y);
  }
  Value ex2(Value x) { return nvx::Ex2Op::create(b, type, x); }
  Value lg2(Value x) { return nvx::Lg2Op::create(b, type, x); }
  Value rcp(Value x) { return nvx::RcpOp::create(b, type, x); }
  /// c[0] + x (c[1] + x (...)).
  Value polynomial(Value x, ArrayRef<double> c) {
    Value result = constant(c.back());
    for (double next : llvm::reverse(c.drop_back()))
      result = fma(result, x, constant(next));
    return result;
  }

  ImplicitLocOpBuilder b;
  Type type;
};

bool allowsApproximation(arith::FastMathFlags flags) {
  return bitEnumContainsAll(flags, arith::FastMathFlags::afn);
}

Value approximateExp(FloatBuilder &f, Value x) {
  return f.ex2(f.mul(x, f.constant(kLog2E)));
}

Value approximateLog(FloatBuilder &f, Value x) {
  return f.mul(f.lg2(x), f.constant(kLn2));
}

Value approximateTanh(FloatBuilder &f, Value x) {
  return nvx::TanhOp::create(f.b, f.type, x);
}

Value expandExp2(FloatBuilder &f, Value x) { return f.ex2(x); }

Value expandExp(FloatBuilder &f, Value x) {
  // Of the product rounded, kept to where 2^n is a normal number; minimum and
  // maximum let NaN through.
  Value n = f.mul(x, f.constant(kLog2E));
  n = arith::MaximumFOp::create(f.b, n, f.constant(-126.0));
  n = arith::MinimumFOp::create(f.b, n, f.constant(127.0));
  n = math::RoundEvenOp::create(f.b, n);
  Value rest = f.fma(x, f.constant(kLog2E), arith::NegFOp::create(f.b, n));
  rest = f.fma(x, f.constant(kLog2E - double(float(kLog2E))), rest);
  return f.mul(f.ex2(rest), f.ex2(n));
}

Value expandLog2(FloatBuilder &f, Value x) { return f.lg2(x); }

Value expandLog(FloatBuilder &f, Value x) {
  Value far = f.mul(f.lg2(x), f.constant(kLn2));
  // With d = x - 1 exact, s = d / (x + 1) and |s| < 0.18.
  Value d = f.sub(x, f.constant(1.0));
  Value s = f.mul(d, f.rcp(f.add(x, f.constant(1.0))));
  Value square = f.mul(s, s);
  Value near =
      f.mul(f.polynomial(square, {2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9}), square);
  near = f.fma(near, s, f.add(s, s));
  return f.select(f.less(f.abs(d), f.constant(0.3)), near, far);
}

Value expandLog10(FloatBuilder &f, Value x) {
  return f.mul(f.lg2(x), f.constant(kLog10Of2));
}

Value expandCbrt(FloatBuilder &f, Value x) {
  Value root = f.ex2(f.mul(f.lg2(f.abs(x)), f.constant(1.0 / 3)));
  return math::CopySignOp::create(f.b, root, x);
}

Value expandTanh(FloatBuilder &f, Value x) {
  Value a = f.abs(x);
  // e^2a of 45 and more is as good as infinite, and rcp makes 0 of that.
  Value e = f.ex2(f.mul(a, f.constant(2 * kLog2E)));
  Value far = f.fma(f.rcp(f.add(e, f.constant(1.0))), f.constant(-2.0),
                    f.constant(1.0));
  far = math::CopySignOp::create(f.b, far, x);
  // tanh(x) = x + x u p(u) with u = x^2, interpolated for u up to 0.36 at
  // Chebyshev points.
  Value u = f.mul(x, x);
  Value p = f.polynomial(u, {-0.3333333134651184, 0.13332915306091309,
                             -0.053873948752880096, 0.021110959351062775,
                             -0.006269119679927826});
  Value near = f.fma(f.mul(p, u), x, x);
  return f.select(f.less(a, f.constant(0.6)), near, far);
}

Value expandRsqrt(FloatBuilder &f, Value x) {
  return nvx::RsqrtOp::create(f.b, f.type, x);
}

/// A function of f32, or of a vector of it, by `Function`.
template <typename Op, Value (*Function)(FloatBuilder &, Value)>
struct Expand : public OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;

  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    Type type = op.getType();
    if (!getElementTypeOrSelf(type).isF32())
      return failure();
    FloatBuilder f(op.getLoc(), rewriter, type);
    rewriter.replaceOp(op, Function(f, op.getOperand()));
    return success();
  }
};

/// The same, for operations that allow an approximation.
template <typename Op, Value (*Function)(FloatBuilder &, Value)>
struct Approximate : public Expand<Op, Function> {
  using Expand<Op, Function>::Expand;

  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    if (!allowsApproximation(op.getFastmath()))
      return failure();
    return Expand<Op, Function>::matchAndRewrite(op, rewriter);
  }
};

/// A quotient that may be a product with the reciprocal: for denominators
/// from 1 to 2^126 to within 2 units in the last place.
struct DivideByReciprocal : public OpRewritePattern<arith::DivFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::DivFOp op,
                                PatternRewriter &rewriter) const override {
    Type type = op.getType();
    if (!getElementTypeOrSelf(type).isF32() ||
        !bitEnumContainsAll(op.getFastmath(), arith::FastMathFlags::arcp))
      return failure();
    FloatBuilder f(op.getLoc(), rewriter, type);
    rewriter.replaceOp(op, f.mul(op.getLhs(), f.rcp(op.getRhs())));
    return success();
  }
};

} // namespace

void seqc::tile::populateMathPatterns(RewritePatternSet &patterns) {
  patterns
      .add<Expand<math::Exp2Op, expandExp2>, Expand<math::ExpOp, expandExp>,
           Expand<math::Log2Op, expandLog2>, Expand<math::LogOp, expandLog>,
           Expand<math::Log10Op, expandLog10>, Expand<math::CbrtOp, expandCbrt>,
           Expand<math::TanhOp, expandTanh>,
           Expand<math::RsqrtOp, expandRsqrt>>(patterns.getContext(),
                                               /*benefit=*/2);
  patterns.add<Approximate<math::ExpOp, approximateExp>,
               Approximate<math::LogOp, approximateLog>,
               Approximate<math::TanhOp, approximateTanh>>(
      patterns.getContext(), /*benefit=*/3);
  patterns.add<DivideByReciprocal>(patterns.getContext());
  const StringRef polynomials[] = {
      "math.acos", "math.asin", "math.atan",  "math.atan2", "math.cos",
      "math.erf",  "math.erfc", "math.expm1", "math.log1p", "math.sin"};
  populateMathPolynomialApproximationPatterns(patterns, [&](StringRef name) {
    return llvm::is_contained(polynomials, name);
  });
  math::populateExpansionPatterns(patterns,
                                  {"acosh", "asinh", "atanh", "clampf", "cosh",
                                   "fpowi", "powf", "sinh", "tan"});
  const StringRef own[] = {"math.exp",   "math.exp2", "math.log",   "math.log2",
                           "math.log10", "math.tanh", "math.rsqrt", "math.powf",
                           "math.sqrt",  "math.cbrt"};
  populateMathF32ExpansionPatterns(patterns, [&](StringRef name) {
    return llvm::is_contained(polynomials, name) ||
           llvm::is_contained(own, name);
  });
}
