//===- IOModelOps.cpp - What the models of all operators count with -------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Bytes of values, counts, and the time that counts take on a chip. Memory and
// the compute pipes of a form work side by side, so that its time is the larger
// of theirs, plus launches. Compute pipes that a chip shares add up; those that
// it does not share overlap in part. Kernels of an unfused form run one after
// the other. docs/io-model.md states every rule.
//
//===----------------------------------------------------------------------===//

#include "IOModelDetail.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace seqc;
using namespace seqc::io;

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

double seqc::io::elementBytes(Type type) {
  if (type.isIndex())
    return 8;
  if (auto complex = dyn_cast<ComplexType>(type))
    return 2 * elementBytes(complex.getElementType());
  if (type.isIntOrFloat())
    return std::max(1.0, std::ceil(type.getIntOrFloatBitWidth() / 8.0));
  return 1;
}

static double product(Value v, SizeFn size) {
  double n = 1;
  for (unsigned i = 0, e = cast<ShapedType>(v.getType()).getRank(); i < e; ++i)
    n *= std::max<int64_t>(size(v, i), 0);
  return n;
}

double seqc::io::totalBytes(Value v, SizeFn size) {
  return v ? product(v, size) * elementBytes(v) : 0;
}

bool seqc::io::isFilled(Value v) {
  if (v.getDefiningOp<linalg::FillOp>())
    return true;
  DenseElementsAttr dense;
  return matchPattern(v, m_Constant(&dense)) && dense && dense.isSplat();
}

bool seqc::io::isFreeState(Value v) {
  if (!v || isa<BlockArgument>(v))
    // A function argument does come from memory.
    return !v || !isa<FunctionOpInterface>(
                     cast<BlockArgument>(v).getOwner()->getParentOp());
  return isFilled(v);
}

//===----------------------------------------------------------------------===//
// Counts
//===----------------------------------------------------------------------===//

void Counts::scale(double f) {
  for (double *x : {&dram.read, &dram.written, &cache.read, &cache.written,
                    &onChip.read, &onChip.written, &matrixFlops, &vectorFlops,
                    &vectorOps, &exps, &specials})
    *x *= f;
}

Counts &Counts::operator+=(const Counts &o) {
  dram += o.dram;
  cache += o.cache;
  onChip += o.onChip;
  matrixFlops += o.matrixFlops;
  vectorFlops += o.vectorFlops;
  vectorOps += o.vectorOps;
  exps += o.exps;
  specials += o.specials;
  return *this;
}

void seqc::io::addVector(Counts &c, double flops, double fused) {
  c.vectorFlops += flops;
  c.vectorOps += flops - fused / 2;
}

void seqc::io::addSpecial(Counts &c, double exps, double others) {
  c.exps += exps;
  c.specials += exps + others;
}

void seqc::io::addScalarWork(Counts &c, const ScalarWork &w, double times) {
  c.vectorFlops += w.flops * times;
  c.vectorOps += w.ops * times;
  c.exps += w.exps * times;
  c.specials += w.specials * times;
}

bool seqc::io::fitsCache(double bytes, const ChipInfo &chip,
                         const ExplainOptions &options) {
  return options.modelCache && bytes <= chip.cacheBytes / 2.0;
}

//===----------------------------------------------------------------------===//
// Forms
//===----------------------------------------------------------------------===//

FormReport seqc::io::makeFusedForm(double onChipBytes, TileSchedule t,
                                   const ChipInfo &chip) {
  FormReport form;
  form.name = "fused";
  form.tileM = t.tileM;
  form.tileN = t.tileN;
  form.splits = std::max<int64_t>(1, t.splits);
  form.stages = t.stages;
  form.warps = t.warps;
  form.onChipBytes = onChipBytes;
  form.fits = onChipBytes <= double(chip.onChipBytes + chip.registerBytes);
  return form;
}

void seqc::io::setTime(FormReport &form, const ChipInfo &chip, Type type,
                       double tasks, unsigned launches, double tileSeconds) {
  auto at = [&](Resource r) -> double & {
    return form.resourceSeconds[static_cast<unsigned>(r)];
  };
  tasks = std::max(1.0, tasks);
  // The cores that have work, averaged over the waves of tasks.
  double busy = tasks / (std::ceil(tasks / chip.cores) * chip.cores);
  // A core alone draws at most three times its share of the bandwidth.
  double drawn = std::min(1.0, 3 * std::min<double>(tasks, chip.cores) /
                                   static_cast<double>(chip.cores));
  const Counts &c = form.counts;
  at(Resource::Dram) = c.dram.total() / (chip.dramBandwidth * drawn);
  at(Resource::Cache) = c.cache.total() / (chip.cacheBandwidth * drawn);
  at(Resource::Matrix) = c.matrixFlops / (chip.matrixRate(type) * busy);
  at(Resource::Vector) = c.vectorOps / (chip.vectorRate(type) * busy);
  at(Resource::Special) = c.specials / (chip.specialRate(type) * busy);
  at(Resource::Launch) = launches * chip.launchSeconds;

  // The pipes of a GPU work side by side as far as warps do: what one waits for
  // another hides, but not all of it. Between the largest and the sum lies the
  // root of the sum of squares, which is what kernels were measured to take.
  double m = at(Resource::Matrix), v = at(Resource::Vector),
         s = at(Resource::Special);
  double compute =
      chip.sharedPipes ? m + v + s : std::sqrt(m * m + v * v + s * s);
  double memory = std::max(at(Resource::Dram), at(Resource::Cache));
  double waves = std::ceil(tasks / chip.cores);
  form.seconds =
      std::max(compute, memory) + at(Resource::Launch) + waves * tileSeconds;
  auto largest = [&](ArrayRef<Resource> of) {
    return *llvm::max_element(
        of, [&](Resource x, Resource y) { return at(x) < at(y); });
  };
  Resource bound =
      compute >= memory
          ? largest({Resource::Matrix, Resource::Vector, Resource::Special})
          : largest({Resource::Dram, Resource::Cache});
  form.limit = at(Resource::Launch) > std::max(compute, memory)
                   ? Resource::Launch
                   : bound;
}

FormReport seqc::io::sumPasses(std::vector<PassReport> passes,
                               const ChipInfo &chip, Type type) {
  FormReport form;
  form.name = "unfused";
  std::array<double, numResources> limits = {};
  for (PassReport &pass : passes) {
    // Whatever a kernel of this form touches is in device memory.
    pass.counts.cache = pass.counts.dram;
    FormReport one;
    one.counts = pass.counts;
    setTime(one, chip, type, chip.cores);
    pass.seconds = one.seconds;
    form.counts += pass.counts;
    form.seconds += one.seconds;
    for (unsigned r = 0; r < numResources; ++r)
      form.resourceSeconds[r] += one.resourceSeconds[r];
    limits[static_cast<unsigned>(one.limit)] += one.seconds;
  }
  form.limit = static_cast<Resource>(
      std::max_element(limits.begin(), limits.end()) - limits.begin());
  form.passes = std::move(passes);
  return form;
}
