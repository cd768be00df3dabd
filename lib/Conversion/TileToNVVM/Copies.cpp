//===- Copies.cpp - Rings and the copies that fill them -------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A ring is filled in one of two ways.
//
// By all threads (sm_80; sm_90 without roles). Eight threads in a row copy 128
// bytes of a row, 16 each, so both sides see whole lines:
//
//   thread t copies chunk t mod 8 of each panel of the rows t / 8 + k T / 8
//
// (fewer than eight threads where a row has fewer chunks). T / 8 is a multiple
// of 8, hence row mod 8, and with it the swizzle, is the same for all k: each
// thread has one address in the tile, and everything else is an immediate. In
// device memory the address is
//
//   what the loop changes + what the thread has + k T / 8 rows + panel
//
// whose parts are added in this order of change, so that all but the first
// leave the loop. A chunk outside of the view is filled with zeros (a copy of 0
// bytes). `get` waits for its group of copies and for all threads to have come
// so far, which also says that the stages read before are free.
//
// Where the view is not aligned, or the columns are not next to each other, the
// same threads load the elements of the same chunks one by one.
//
// By the copy engine (sm_90, between roles). A stage has two mbarriers: `full`,
// at which the one thread that asks announces the bytes to come, and
// `empty`, at which each warp that reads arrives when it is done. Copy n waits
// for `empty` for the (n / stages)th time, `get` for `full`; mbarriers count
// modulo 2.
//
//===----------------------------------------------------------------------===//

#include "Memory.h"

#include "seqc/Dialect/NVX/IR/NVX.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// Bytes that a thread copies at once.
static constexpr int64_t kChunkBytes = 16;

namespace {

/// The barriers of a stage.
Value getFullBarrier(ImplicitLocOpBuilder &b, const RingPlan &plan, Value ring,
                     Value stage) {
  return addBytes(b, addBytes(b, ring, plan.barriers),
                  I32Builder{b}.shl(stage, 3));
}
Value getEmptyBarrier(ImplicitLocOpBuilder &b, const RingPlan &plan,
                      RingType type, Value ring, Value stage) {
  return addBytes(b, addBytes(b, ring, plan.barriers + 8 * type.getStages()),
                  I32Builder{b}.shl(stage, 3));
}

/// The start of a stage's tile.
Value getStagePointer(ImplicitLocOpBuilder &b, RingType type, Value ring,
                      Value stage) {
  if (type.getStages() == 1)
    return ring;
  return addBytes(b, ring,
                  I32Builder{b}.mul(stage, type.getTile().getNumBytes()));
}

//===----------------------------------------------------------------------===//
// Copies by all threads
//===----------------------------------------------------------------------===//

class ThreadCopy {
public:
  ThreadCopy(ImplicitLocOpBuilder &b, const KernelContext &context, PutOp op,
             const View &view, ValueRange offsets, ValueRange pages, Value rows,
             Value destination)
      : b(b), i{b}, view(view), offsets(offsets), pages(pages), rows(rows),
        tile(op.getRing().getType().getTile()), rowDim(op.getSourceDim(0)),
        columnDim(op.getSourceDim(1)),
        elementBytes(getElementBytes(tile.getElementType())),
        chunkElements(kChunkBytes / elementBytes), destination(destination),
        wholeChunks(context.memory->puts.lookup(op).wholeChunks),
        numThreads(context.blockWarps * kThreadsPerWarp),
        thread(context.thread) {}

  /// Returns the number of accesses of a thread to device memory.
  int64_t emit();

private:
  /// Whether `index + delta` is in dimension `dim` of the view; null: always.
  Value isInside(Value index, int64_t delta, unsigned dim) {
    return i.cmp(arith::CmpIPredicate::ult, i.add(index, delta),
                 view.getSize(b, dim));
  }
  Value both(Value x, Value y) {
    if (!x || !y)
      return x ? x : y;
    return b.createOrFold<arith::AndIOp>(x, y);
  }
  /// Whether all columns of all chunks are inside whatever happens.
  bool hasAllColumns() {
    int64_t columns = llvm::alignTo(tile.getColumns(), chunkElements);
    std::optional<int64_t> size = view.getStaticSize(columnDim);
    APInt offset;
    return size && matchPattern(offsets[columnDim], m_ConstantInt(&offset)) &&
           !offset.isNegative() && offset.getSExtValue() + columns <= *size;
  }

  /// Where the rows of a part begin, and whether its page is one.
  struct Part {
    Value source, inside;
  };
  Value getBytes(Value index, unsigned dim);
  void startParts(Value source);
  /// The part that the thread's row `r` later is in, and that row's number in
  /// the view (of the first page, if there are several).
  Part getPart(int64_t r, int64_t rowsAtOnce, Value row, Value &viewRow);

  void emitChunk(Value source, Value target, Value inside, int64_t column);
  void emitElements(Value source, Value target, Value inside, int64_t column);

  ImplicitLocOpBuilder &b;
  I32Builder i;
  const View &view;
  ValueRange offsets, pages;
  Value rows;
  SmallVector<Part> parts; // If there are pages.
  SharedType tile;
  unsigned rowDim, columnDim;
  int64_t elementBytes, chunkElements;
  Value destination;
  bool wholeChunks;
  int64_t numThreads;
  Value thread;
  Value column0; // The first column of this thread's chunks, in the view.
};

/// 16 bytes, or as many as are inside of the row, and zeros.
void ThreadCopy::emitChunk(Value source, Value target, Value inside,
                           int64_t column) {
  Value bytes;
  if (!hasAllColumns()) {
    // Chunks lie inside or outside as one where the size is a multiple.
    std::optional<int64_t> size = view.getStaticSize(columnDim);
    if (size && *size % chunkElements == 0) {
      inside = both(inside, isInside(column0, column, columnDim));
    } else {
      Value left = arith::SubIOp::create(b, view.getSize(b, columnDim),
                                         i.add(column0, column));
      left = arith::MaxSIOp::create(b, left, i.constant(0));
      left = arith::MinSIOp::create(b, left, i.constant(chunkElements));
      bytes = i.mul(left, elementBytes);
      inside = both(inside, i.cmp(arith::CmpIPredicate::sge,
                                  i.add(column0, column), i.constant(0)));
    }
  }
  if (!bytes)
    bytes = i.constant(kChunkBytes);
  if (inside)
    bytes = arith::SelectOp::create(b, inside, bytes, i.constant(0));
  NVVM::CpAsyncOp::create(b, target, source, kChunkBytes,
                          NVVM::LoadCacheModifierKind::CG, bytes);
}

/// The elements of a chunk, one by one.
void ThreadCopy::emitElements(Value source, Value target, Value inside,
                              int64_t column) {
  Type type = tile.getElementType();
  SmallVector<Value> elements;
  for (int64_t e = 0; e < chunkElements; ++e) {
    Value when = inside;
    if (!hasAllColumns())
      when = both(when, isInside(column0, column + e, columnDim));
    Value pointer = source;
    if (std::optional<int64_t> stride = view.getStaticStride(columnDim))
      pointer = addBytes(b, source, e * *stride * elementBytes);
    else if (e != 0)
      pointer = addBytes(
          b, source,
          b.createOrFold<arith::MulIOp>(view.getStride(b, columnDim),
                                        constantI64(b, e * elementBytes)));
    if (!when)
      when = arith::ConstantOp::create(b, b.getBoolAttr(true));
    elements.push_back(nvx::LoadOp::create(b, type, pointer, when));
  }
  LLVM::StoreOp::create(
      b, pack(b, VectorType::get({chunkElements}, type), elements), target,
      kChunkBytes);
}

/// `index` elements along `dim`, in bytes.
Value ThreadCopy::getBytes(Value index, unsigned dim) {
  Value wide = b.createOrFold<arith::ExtSIOp>(b.getI64Type(), index);
  if (view.getStaticStride(dim) != 1)
    wide = b.createOrFold<arith::MulIOp>(wide, view.getStride(b, dim));
  return b.createOrFold<arith::MulIOp>(wide, constantI64(b, elementBytes));
}

/// Pages are places along dimension 0. Each part's rows are counted on from the
/// first part's, so that it begins as many rows before its page.
void ThreadCopy::startParts(Value source) {
  int64_t numParts = pages.size() + 1, partRows = tile.getRows() / numParts;
  for (int64_t p = 0; p < numParts; ++p) {
    Value page = p == 0 ? offsets[0] : pages[p - 1];
    Value start = addBytes(b, source, getBytes(page, 0));
    if (p > 0) {
      Value before = getBytes(i.constant(p * partRows), rowDim);
      start = addBytes(
          b, start, b.createOrFold<arith::SubIOp>(constantI64(b, 0), before));
    }
    parts.push_back({start, isInside(page, 0, 0)});
  }
}

ThreadCopy::Part ThreadCopy::getPart(int64_t r, int64_t rowsAtOnce, Value row,
                                     Value &viewRow) {
  int64_t partRows = tile.getRows() / parts.size();
  int64_t first = r / partRows;
  int64_t last =
      std::min((r + rowsAtOnce - 1) / partRows, int64_t(parts.size()) - 1);
  Part part = parts[first];
  Value passed = i.constant(first * partRows);
  for (int64_t p = first + 1; p <= last; ++p) {
    Value isHere =
        i.cmp(arith::CmpIPredicate::uge, row, i.constant(p * partRows - r));
    part.source =
        arith::SelectOp::create(b, isHere, parts[p].source, part.source);
    part.inside =
        arith::SelectOp::create(b, isHere, parts[p].inside, part.inside);
    passed =
        arith::SelectOp::create(b, isHere, i.constant(p * partRows), passed);
  }
  viewRow = b.createOrFold<arith::SubIOp>(viewRow, passed);
  return part;
}

int64_t ThreadCopy::emit() {
  // Threads in a row: a power of two, so that their chunks are bit fields.
  int64_t chunks = llvm::divideCeil(tile.getColumns(), chunkElements);
  int64_t threadsPerRow = std::min<int64_t>(chunks & -chunks, 8);
  int64_t rowsAtOnce = numThreads / threadsPerRow;
  Value row = i.div(thread, threadsPerRow);
  Value chunk = i.rem(thread, threadsPerRow);
  bool sameSwizzle = rowsAtOnce % 8 == 0;
  SwizzledTile target(b, destination, tile, row,
                      /*rowBits=*/sameSwizzle ? 7 : ~uint64_t(0),
                      i.mul(chunk, kChunkBytes),
                      (threadsPerRow - 1) * kChunkBytes);

  // The thread's part of the address, in bytes, first.
  auto bytes = [&](Value index, unsigned dim) { return getBytes(index, dim); };
  Value source = addBytes(
      b, view.pointer,
      b.createOrFold<arith::AddIOp>(
          bytes(row, rowDim), bytes(i.mul(chunk, chunkElements), columnDim)));
  Value common;
  for (unsigned d = 0; d < offsets.size(); ++d) {
    if (d == 0 && !pages.empty())
      continue;
    if (!matchPattern(offsets[d], m_Zero()))
      source = addBytes(b, source, bytes(offsets[d], d));
    if (d != rowDim && d != columnDim) {
      std::optional<int64_t> size = view.getStaticSize(d);
      if (!matchPattern(offsets[d], m_Zero()) || size.value_or(0) == 0)
        common = both(common, isInside(offsets[d], 0, d));
    }
  }
  if (!pages.empty())
    startParts(source);
  // Parts from the start of their pages on end inside of them.
  bool hasAllRows =
      !pages.empty() && matchPattern(offsets[rowDim], m_Zero()) &&
      view.getStaticSize(rowDim).value_or(0) * int64_t(pages.size() + 1) >=
          tile.getRows();
  Value viewRow = i.add(offsets[rowDim], row);
  column0 = i.add(offsets[columnDim], i.mul(chunk, chunkElements));

  int64_t numAccesses = 0;
  for (int64_t r = 0; r < tile.getRows(); r += rowsAtOnce) {
    Value partRow = viewRow;
    Part part = {source, common};
    if (!parts.empty()) {
      part = getPart(r, rowsAtOnce, row, partRow);
      part.inside = both(common, part.inside);
    }
    Value rowSource = part.source;
    if (r != 0) {
      if (std::optional<int64_t> stride = view.getStaticStride(rowDim))
        rowSource = addBytes(b, part.source, r * *stride * elementBytes);
      else
        rowSource = addBytes(
            b, part.source,
            b.createOrFold<arith::MulIOp>(view.getStride(b, rowDim),
                                          constantI64(b, r * elementBytes)));
    }
    // More threads than rows are left: some have none.
    OpBuilder::InsertionGuard guard(b);
    if (r + rowsAtOnce > tile.getRows()) {
      auto some = scf::IfOp::create(
          b,
          i.cmp(arith::CmpIPredicate::ult, row, i.constant(tile.getRows() - r)),
          /*withElseRegion=*/false);
      b.setInsertionPoint(some.thenBlock()->getTerminator());
    }
    Value inside = part.inside;
    if (!hasAllRows)
      inside = both(inside, isInside(partRow, r, rowDim));
    if (rows)
      inside =
          both(inside, i.cmp(arith::CmpIPredicate::slt, i.add(row, r), rows));
    for (int64_t c = 0; c < chunks; c += threadsPerRow) {
      int64_t column = c * chunkElements;
      Value from = rowSource;
      if (std::optional<int64_t> stride = view.getStaticStride(columnDim))
        from = addBytes(b, rowSource, column * *stride * elementBytes);
      else if (c != 0)
        from = addBytes(b, rowSource,
                        b.createOrFold<arith::MulIOp>(
                            view.getStride(b, columnDim),
                            constantI64(b, column * elementBytes)));
      Value to = target.getPointer(r, c * kChunkBytes);
      if (wholeChunks)
        emitChunk(from, to, inside, column);
      else
        emitElements(from, to, inside, column);
      numAccesses += wholeChunks ? 1 : chunkElements;
    }
  }
  return numAccesses;
}

//===----------------------------------------------------------------------===//
// Patterns
//===----------------------------------------------------------------------===//

struct LowerPut : KernelPattern<PutOp> {
  using KernelPattern::KernelPattern;

  /// Asks the copy engine, once `empty` allows it.
  void askEngine(ImplicitLocOpBuilder &b, PutOp op, OpAdaptor adaptor,
                 const RingPlan &ring, const PutPlan &put) const {
    I32Builder i{b};
    RingType type = op.getRing().getType();
    SharedType tile = type.getTile();
    Value stage = getStage(b, type, adaptor.getNumber());
    Value round = getRound(b, type, adaptor.getNumber());
    // The first time round every stage is empty: an mbarrier that nothing has
    // used yet takes the phase before its first one for over.
    nvx::MbarrierWaitOp::create(
        b, getEmptyBarrier(b, ring, type, adaptor.getRing(), stage),
        i.lxor(round, 1));
    Value full = getFullBarrier(b, ring, adaptor.getRing(), stage);
    NVVM::MBarrierArriveExpectTxOp::create(
        b, TypeRange(), full, i.constant(tile.getNumBytes()),
        NVVM::MemScopeKind::CTA, /*relaxed=*/false, Value());
    Value target = getStagePointer(b, type, adaptor.getRing(), stage);
    Value map = context.tensorMaps[put.tensorMap].pointer;
    for (int64_t panel = 0; panel < tile.getNumPanels(); ++panel)
      for (int64_t row = 0; row < tile.getRows(); row += put.boxRows) {
        SmallVector<Value> coordinates(adaptor.getOffsets());
        Value &rowIndex = coordinates[op.getSourceDim(0)];
        rowIndex = i.add(rowIndex, row);
        Value &columnIndex = coordinates[op.getSourceDim(1)];
        columnIndex = i.add(columnIndex, panel * tile.getPanelColumns());
        // The fastest dimension comes first.
        std::reverse(coordinates.begin(), coordinates.end());
        NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
            b, addBytes(b, target, panel * tile.getPanelBytes() + row * 128),
            map, coordinates, full, /*im2colOffsets=*/ValueRange(),
            /*multicastMask=*/Value(), /*l2CacheHint=*/Value(),
            NVVM::TMALoadMode::TILE, /*isCTAOnly=*/true,
            NVVM::CTAGroupKindAttr(), /*predicate=*/Value());
      }
  }

  LogicalResult
  matchAndRewrite(PutOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    I32Builder i{b};
    const RingPlan &ring =
        context.memory->rings.find(op.getRing().getDefiningOp())->second;
    const PutPlan put = context.memory->puts.lookup(op);
    Value when = adaptor.getWhen();
    if (ring.engine && !put.oneThread) {
      Value first = i.cmp(arith::CmpIPredicate::eq, context.thread,
                          i.constant(put.firstThread));
      when = when ? arith::AndIOp::create(b, when, first) : first;
    }
    FailureOr<View> view = failure();
    if (!ring.engine) {
      view = getView(op, adaptor.getSource());
      if (failed(view))
        return failure();
    }
    {
      OpBuilder::InsertionGuard guard(b);
      if (when) {
        auto branch = scf::IfOp::create(b, when, /*withElseRegion=*/false);
        b.setInsertionPoint(branch.thenBlock()->getTerminator());
      }
      if (ring.engine) {
        askEngine(b, op, adaptor, ring, put);
      } else {
        RingType type = op.getRing().getType();
        Value stage = getStage(b, type, adaptor.getNumber());
        ThreadCopy copy(b, context, op, *view, adaptor.getOffsets(),
                        adaptor.getPages(), adaptor.getRows(),
                        getStagePointer(b, type, adaptor.getRing(), stage));
        (put.wholeChunks ? context.numVectorAccesses
                         : context.numScalarAccesses) += copy.emit();
      }
    }
    // Groups are counted, so there is one for each put, empty or not.
    if (!ring.engine && context.memory->threadCopies)
      NVVM::CpAsyncCommitGroupOp::create(b);
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerGet : KernelPattern<GetOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(GetOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    RingType type = op.getRing().getType();
    const RingPlan &ring =
        context.memory->rings.find(op.getRing().getDefiningOp())->second;
    Value stage = getStage(b, type, adaptor.getNumber());
    if (ring.engine) {
      nvx::MbarrierWaitOp::create(
          b, getFullBarrier(b, ring, adaptor.getRing(), stage),
          getRound(b, type, adaptor.getNumber()));
    } else {
      if (context.memory->threadCopies)
        NVVM::CpAsyncWaitGroupOp::create(b, op.getPending());
      if (context.memory->needsProxyFence)
        emitProxyFence(b);
      NVVM::BarrierOp::create(b);
    }
    rewriter.replaceOp(op, getStagePointer(b, type, adaptor.getRing(), stage));
    return success();
  }
};

struct LowerRelease : KernelPattern<ReleaseOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(ReleaseOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    I32Builder i{b};
    RingType type = op.getRing().getType();
    const RingPlan &ring =
        context.memory->rings.find(op.getRing().getDefiningOp())->second;
    if (ring.engine) {
      // Products end for a whole warp at once, loads of its lanes do not.
      if (ring.threadsRead)
        NVVM::SyncWarpOp::create(b, i.constant(-1));
      Value stage = getStage(b, type, adaptor.getNumber());
      Value first =
          i.cmp(arith::CmpIPredicate::eq, context.lane, i.constant(0));
      nvx::MbarrierArriveOp::create(
          b, getEmptyBarrier(b, ring, type, adaptor.getRing(), stage), first);
    }
    rewriter.eraseOp(op);
    return success();
  }
};

} // namespace

void seqc::tile::populateCopyPatterns(const TypeConverter &converter,
                                      RewritePatternSet &patterns,
                                      KernelContext &context) {
  patterns.add<LowerPut, LowerGet, LowerRelease>(
      converter, patterns.getContext(), context);
}
