//===- Kernel.cpp - Kernels of tiles -> functions of one thread -----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The pass converts one kernel at a time, in the steps that Lowering.h lists. A
// view is passed as a pointer and those of its sizes and strides that its type
// does not say; what the body then does not use is not passed at all.
// `seqc.params` tells the runtime what the remaining parameters are.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"
#include "Memory.h"

#include "seqc/Conversion/Passes.h"
#include "seqc/Dialect/NVX/IR/NVX.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace seqc {
#define GEN_PASS_DEF_CONVERTTILETONVVM
#include "seqc/Conversion/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// The name of dynamic shared memory in its module.
static constexpr StringLiteral kSharedName = "smem";

/// Every tile needs a layout before its registers are known.
static LogicalResult checkLayouts(KernelOp kernel) {
  WalkResult result = kernel.walk([](Operation *op) {
    auto check = [&](Value value) {
      auto type = dyn_cast<RankedTensorType>(value.getType());
      if (!type || getLayout(type))
        return WalkResult::advance();
      op->emitOpError() << "has a tile of type " << type
                        << ", which has no layout: tile-assign-layouts and "
                           "tile-stage-memory come first";
      return WalkResult::interrupt();
    };
    for (Value value : op->getResults())
      if (check(value).wasInterrupted())
        return WalkResult::interrupt();
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Value value : block.getArguments())
          if (check(value).wasInterrupted())
            return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// Functions that the LLVM dialect and NVPTX have.
static bool isSupportedMath(Operation *op) {
  return isa<math::AbsFOp, math::AbsIOp, math::CeilOp, math::CopySignOp,
             math::CountLeadingZerosOp, math::CountTrailingZerosOp,
             math::CtPopOp, math::FloorOp, math::FmaOp, math::IsFiniteOp,
             math::IsInfOp, math::IsNaNOp, math::RoundEvenOp, math::RoundOp,
             math::SqrtOp, math::TruncOp>(op);
}

namespace {

/// The end of a kernel.
struct ConvertReturn : public OpConversionPattern<ReturnOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(ReturnOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<LLVM::ReturnOp>(op, ValueRange());
    return success();
  }
};

class KernelConversion {
public:
  KernelConversion(KernelOp kernel, StringRef chip, bool aligned) {
    context.kernel = kernel;
    context.chip = chip;
    context.isSM90 = chip == "sm_90a";
    context.aligned = aligned;
    context.warps = kernel.getWarps();
    context.blockWarps = context.warps;
    kernel.walk([&](RolesOp roles) {
      context.blockWarps = llvm::sum_of(roles.getWarps());
      context.firstWarp = context.blockWarps - roles.getWarps().back();
    });
  }

  LogicalResult run();

  KernelContext context;

private:
  LogicalResult prepare();
  void makeFunction();
  void makeParameters();
  void makeThreadIds(ImplicitLocOpBuilder &b);
  LogicalResult convertBody();
  LogicalResult expandMath();
  LogicalResult removeCasts();
  void dropUnused();

  void addParameter(Type type, ArrayRef<NamedAttribute> description,
                    DictionaryAttr attributes = {});

  SmallVector<Attribute> parameters; // Of seqc.params.
  SmallVector<DictionaryAttr> parameterAttributes;
  Block *entry = nullptr;
};

} // namespace

/// What is worked out on the kernel as it is.
LogicalResult KernelConversion::prepare() {
  KernelOp kernel = context.kernel;
  if (failed(checkLayouts(kernel)))
    return failure();
  RewritePatternSet patterns(kernel.getContext());
  arith::populateCeilFloorDivExpandOpsPatterns(patterns);
  walkAndApplyPatterns(kernel, std::move(patterns));
  kernel.walk([&](Operation *op) {
    OperandRange offsets =
        llvm::TypeSwitch<Operation *, OperandRange>(op)
            .Case<LoadOp, StoreOp, PutOp, SharedLoadOp, SharedStoreOp>(
                [](auto access) { return access.getOffsets(); })
            .Default(op->getOperands().take_front(0));
    if (offsets.empty())
      return;
    SmallVector<int64_t> &divisors = context.divisors[op];
    for (Value offset : offsets)
      divisors.push_back(getDivisor(offset));
    // What ends at a multiple does so in the view that it is cut to.
    Value source = op->getOperand(isa<StoreOp>(op) ? 1 : 0);
    if (auto part = source.getDefiningOp<memref::SubViewOp>();
        part && part.getDroppedDims().none())
      for (OpFoldResult size : part.getMixedSizes())
        context.sizeDivisors[op].push_back(
            isa<Attribute>(size) ? 1 : getDivisor(cast<Value>(size)));
  });
  return planKernel(context);
}

/// Makes the function around the kernel's body, and its attributes.
void KernelConversion::makeFunction() {
  KernelOp kernel = context.kernel;
  ImplicitLocOpBuilder b(kernel.getLoc(), kernel);
  auto target = NVVM::NVVMTargetAttr::get(b.getContext(), /*optLevel=*/3,
                                          "nvptx64-nvidia-cuda", context.chip,
                                          context.isSM90 ? "+ptx86" : "+ptx80");
  auto module =
      gpu::GPUModuleOp::create(b, kernel.getName(), b.getArrayAttr({target}));
  b.setInsertionPointToEnd(module.getBody());
  if (context.sharedBytes > 0)
    LLVM::GlobalOp::create(b, LLVM::LLVMArrayType::get(b.getI8Type(), 0),
                           /*isConstant=*/false, LLVM::Linkage::External,
                           kSharedName, Attribute(), /*alignment=*/1024,
                           kSharedSpace);
  bool isPersistent = !kernel.getBody().getOps<ForEachBlockOp>().empty();
  if (isPersistent) {
    auto counters = LLVM::LLVMArrayType::get(b.getI32Type(), kNumCounters);
    auto zeros = DenseElementsAttr::get(
        RankedTensorType::get({kNumCounters}, b.getI32Type()),
        b.getI32IntegerAttr(0));
    LLVM::GlobalOp::create(b, counters, /*isConstant=*/false,
                           LLVM::Linkage::Internal,
                           getCounterName(kernel.getName()), zeros,
                           /*alignment=*/4, kGlobalSpace);
  }
  auto function = LLVM::LLVMFuncOp::create(
      b, kernel.getName(),
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), {}));
  context.function = function;
  int32_t threads = context.blockWarps * kThreadsPerWarp;
  function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(),
                    b.getUnitAttr());
  function->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                    b.getDenseI32ArrayAttr({threads, 1, 1}));
  // ptxas takes a register count per role only where it knows the blocks.
  if (context.blockWarps != context.warps)
    function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                      b.getI32IntegerAttr(1));
  for (NamedAttribute attribute : kernel->getDiscardableAttrs())
    if (attribute.getName().getValue().starts_with("nvvm."))
      function->setAttr(attribute.getName(), attribute.getValue());
  if (isPersistent)
    function->setAttr("seqc.slots", b.getI64IntegerAttr(kNumCounters));
  function->setAttr("seqc.threads", b.getI64IntegerAttr(threads));
  function->setAttr("seqc.shared_bytes",
                    b.getI64IntegerAttr(context.sharedBytes));
  function.getBody().takeBody(kernel.getBody());
  entry = &function.getBody().front();
}

void KernelConversion::addParameter(Type type,
                                    ArrayRef<NamedAttribute> description,
                                    DictionaryAttr attributes) {
  MLIRContext *mlirContext = type.getContext();
  entry->addArgument(type, context.function.getLoc());
  parameters.push_back(DictionaryAttr::get(mlirContext, description));
  parameterAttributes.push_back(attributes ? attributes
                                           : DictionaryAttr::get(mlirContext));
}

/// Replaces the kernel's arguments by what is passed for them.
void KernelConversion::makeParameters() {
  unsigned numOld = entry->getNumArguments();
  ImplicitLocOpBuilder b(context.function.getLoc(),
                         context.function->getContext());
  b.setInsertionPointToStart(entry);
  auto number = [&](StringRef name, int64_t value) {
    return b.getNamedAttr(name, b.getI64IntegerAttr(value));
  };
  auto kind = [&](StringRef name) {
    return b.getNamedAttr("kind", b.getStringAttr(name));
  };
  auto pointerType = LLVM::LLVMPointerType::get(b.getContext(), kGlobalSpace);
  for (unsigned i = 0; i < numOld - 3; ++i) {
    BlockArgument argument = entry->getArgument(i);
    unsigned first = entry->getNumArguments();
    auto type = dyn_cast<MemRefType>(argument.getType());
    if (!type) {
      // A scalar; index has 32 bits.
      Type passed = argument.getType();
      if (passed.isIndex())
        passed = b.getI32Type();
      std::string name;
      llvm::raw_string_ostream(name) << passed;
      addParameter(passed, {kind("scalar"), number("arg", i),
                            b.getNamedAttr("type", b.getStringAttr(name))});
      Value value = entry->getArgument(first);
      if (passed != argument.getType())
        value = UnrealizedConversionCastOp::create(b, argument.getType(), value)
                    .getResult(0);
      argument.replaceAllUsesWith(value);
      continue;
    }
    addParameter(pointerType, {kind("pointer"), number("arg", i)});
    for (auto [d, size] : llvm::enumerate(type.getShape()))
      if (ShapedType::isDynamic(size))
        addParameter(b.getI32Type(),
                     {kind("size"), number("arg", i), number("dim", d)});
    auto [strides, offset] = type.getStridesAndOffset();
    for (auto [d, stride] : llvm::enumerate(strides))
      if (ShapedType::isDynamic(stride))
        addParameter(b.getI64Type(),
                     {kind("stride"), number("arg", i), number("dim", d)});
    auto cast = UnrealizedConversionCastOp::create(
        b, type, entry->getArguments().drop_front(first));
    cast->setAttr("argument", b.getI64IntegerAttr(i));
    argument.replaceAllUsesWith(cast.getResult(0));
  }
  auto blockId = [&](unsigned dim, Value id) {
    entry->getArgument(numOld - 3 + dim)
        .replaceAllUsesWith(
            UnrealizedConversionCastOp::create(b, b.getIndexType(), id)
                .getResult(0));
  };
  if (!entry->getOps<ForEachBlockOp>().empty()) {
    for (unsigned dim = 0; dim < 3; ++dim) {
      addParameter(b.getI32Type(), {kind("grid"), number("dim", dim)});
      context.gridSizes[dim] = entry->getArguments().back();
    }
    addParameter(b.getI32Type(), {kind("slot")});
    context.slot = entry->getArguments().back();
  }
  blockId(0, NVVM::BlockIdXOp::create(b, b.getI32Type()));
  blockId(1, NVVM::BlockIdYOp::create(b, b.getI32Type()));
  blockId(2, NVVM::BlockIdZOp::create(b, b.getI32Type()));

  auto mapType = LLVM::LLVMPointerType::get(b.getContext());
  auto mapBytes = LLVM::LLVMArrayType::get(b.getI8Type(), 128);
  for (TensorMap &map : context.tensorMaps) {
    auto attributes = b.getDictionaryAttr(
        {b.getNamedAttr(LLVM::LLVMDialect::getByValAttrName(),
                        TypeAttr::get(mapBytes)),
         b.getNamedAttr(LLVM::LLVMDialect::getAlignAttrName(),
                        b.getI64IntegerAttr(64)),
         b.getNamedAttr(NVVM::NVVMDialect::getGridConstantAttrName(),
                        b.getUnitAttr())});
    addParameter(mapType,
                 {kind("tensor_map"), number("arg", map.argument),
                  b.getNamedAttr("box", b.getI64ArrayAttr(map.box)),
                  number("swizzle", map.swizzle)},
                 attributes);
    map.pointer = entry->getArguments().back();
  }
  entry->eraseArguments(0, numOld);
  makeThreadIds(b);
}

void KernelConversion::makeThreadIds(ImplicitLocOpBuilder &b) {
  context.thread = NVVM::ThreadIdXOp::create(b, b.getI32Type());
  context.lane = arith::AndIOp::create(b, context.thread, constantI32(b, 31));
  // A shuffle, so that ptxas sees that a whole warp has the same number.
  context.blockWarp = NVVM::ShflOp::create(
      b, b.getI32Type(), constantI32(b, -1),
      arith::ShRUIOp::create(b, context.thread, constantI32(b, 5)),
      constantI32(b, 0), constantI32(b, 31), NVVM::ShflKind::idx, UnitAttr());
  context.warp = context.blockWarp;
  if (context.firstWarp != 0)
    context.warp = arith::SubIOp::create(b, context.blockWarp,
                                         constantI32(b, context.firstWarp));
  if (context.sharedBytes > 0)
    context.shared = LLVM::AddressOfOp::create(
        b, LLVM::LLVMPointerType::get(b.getContext(), kSharedSpace),
        kSharedName);
}

LogicalResult KernelConversion::convertBody() {
  MLIRContext *mlirContext = context.function->getContext();
  TileTypeConverter converter;
  RewritePatternSet patterns(mlirContext);
  ConversionTarget target(*mlirContext);
  target.addLegalDialect<LLVM::LLVMDialect, NVVM::NVVMDialect, nvx::NVXDialect,
                         vector::VectorDialect, cf::ControlFlowDialect,
                         gpu::GPUDialect>();
  target.addLegalOp<UnrealizedConversionCastOp>();
  target.addIllegalDialect<TileDialect, affine::AffineDialect,
                           memref::MemRefDialect, tensor::TensorDialect>();
  target.addDynamicallyLegalDialect<arith::ArithDialect, math::MathDialect,
                                    ub::UBDialect>(
      [&](Operation *op) { return converter.isLegal(op); });
  scf::populateSCFStructuralTypeConversionsAndLegality(converter, patterns,
                                                       target);
  // Upstream looks at the results of a loop only, but its bounds change, too.
  target.addDynamicallyLegalOp<scf::ForOp>([&](scf::ForOp op) {
    return converter.isLegal(op.getOperation()) &&
           converter.isLegal(&op.getRegion());
  });
  populateArithPatterns(converter, patterns, context);
  populateGlobalPatterns(converter, patterns, context);
  populateRegisterPatterns(converter, patterns, context);
  populatePositionPatterns(converter, patterns, context);
  populateMemoryPatterns(converter, patterns, context);
  patterns.add<ConvertReturn>(converter, mlirContext);
  return applyPartialConversion(context.function, target, std::move(patterns));
}

/// Functions become instructions, and what cannot is named.
LogicalResult KernelConversion::expandMath() {
  RewritePatternSet patterns(context.function->getContext());
  populateMathPatterns(patterns);
  GreedyRewriteConfig config;
  config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled);
  if (failed(
          applyPatternsGreedily(context.function, std::move(patterns), config)))
    return context.function.emitError("expansion of functions does not end");
  WalkResult result = context.function.walk([&](Operation *op) {
    if (!isa<math::MathDialect>(op->getDialect()) || isSupportedMath(op))
      return WalkResult::advance();
    Type type = getElementTypeOrSelf(op->getResult(0).getType());
    op->emitOpError() << "on " << type << " is not supported on "
                      << context.chip << " tiles";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

/// Views are gone once nothing uses the casts that stood for them.
LogicalResult KernelConversion::removeCasts() {
  SmallVector<UnrealizedConversionCastOp> casts, remaining;
  context.function.walk(
      [&](UnrealizedConversionCastOp cast) { casts.push_back(cast); });
  reconcileUnrealizedCasts(casts, &remaining);
  for (UnrealizedConversionCastOp cast : llvm::reverse(remaining)) {
    if (cast->use_empty()) {
      cast.erase();
      continue;
    }
    return cast->user_begin()->emitOpError()
           << "uses a value of type " << cast.getResult(0).getType()
           << " in a way that is not supported in kernels";
  }
  return success();
}

void KernelConversion::dropUnused() {
  LLVM::LLVMFuncOp function = context.function;
  // What computes unused values goes first, from the end.
  SmallVector<Operation *> dead;
  do {
    for (Operation *op : dead)
      op->erase();
    dead.clear();
    function.walk([&](Operation *op) {
      if (isOpTriviallyDead(op))
        dead.push_back(op);
    });
  } while (!dead.empty());

  Builder b(function->getContext());
  SmallVector<Attribute> kept;
  SmallVector<Attribute> attributes;
  SmallVector<Type> types;
  for (unsigned i = entry->getNumArguments(); i-- > 0;) {
    if (entry->getArgument(i).use_empty()) {
      entry->eraseArgument(i);
      continue;
    }
    kept.push_back(parameters[i]);
    attributes.push_back(parameterAttributes[i]);
    types.push_back(entry->getArgument(i).getType());
  }
  std::reverse(kept.begin(), kept.end());
  std::reverse(attributes.begin(), attributes.end());
  std::reverse(types.begin(), types.end());
  function.setFunctionType(LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(b.getContext()), types));
  if (llvm::any_of(attributes, [](Attribute attribute) {
        return !cast<DictionaryAttr>(attribute).empty();
      }))
    function.setArgAttrsAttr(b.getArrayAttr(attributes));
  function->setAttr("seqc.params", b.getArrayAttr(kept));
  SmallVector<int64_t> aligned = context.alignedArguments.takeVector();
  llvm::sort(aligned);
  function->setAttr("seqc.aligned", b.getDenseI64ArrayAttr(aligned));
}

LogicalResult KernelConversion::run() {
  if (failed(prepare()))
    return failure();
  makeFunction();
  makeParameters();
  // The prologue comes after the thread's numbers, before the body.
  Operation *last = context.warp.getDefiningOp();
  if (context.shared)
    last = context.shared.getDefiningOp();
  ImplicitLocOpBuilder b(context.function.getLoc(),
                         context.function->getContext());
  b.setInsertionPointAfter(last);
  if (failed(emitPrologue(b, context)) || failed(distributeBlocks(context)) ||
      failed(convertBody()) || failed(expandMath()) || failed(removeCasts()))
    return failure();
  dropUnused();
  context.kernel.erase();
  return success();
}

namespace {
struct ConvertTileToNVVM
    : public seqc::impl::ConvertTileToNVVMBase<ConvertTileToNVVM> {
  using ConvertTileToNVVMBase::ConvertTileToNVVMBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (chip != "sm_80" && chip != "sm_90a") {
      module.emitError() << "convert-tile-to-nvvm: chip is '" << chip
                         << "', expected sm_80 or sm_90a";
      return signalPassFailure();
    }
    for (KernelOp kernel :
         llvm::make_early_inc_range(module.getOps<KernelOp>())) {
      KernelConversion conversion(kernel, chip, aligned);
      if (failed(conversion.run()))
        return signalPassFailure();
      ++numKernels;
      numVectorAccesses += conversion.context.numVectorAccesses;
      numScalarAccesses += conversion.context.numScalarAccesses;
      numSharedBytes += conversion.context.sharedBytes;
    }
  }
};
} // namespace
