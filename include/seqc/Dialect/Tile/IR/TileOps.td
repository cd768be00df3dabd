//===- TileOps.td - Operations of the tile dialect ---------*- tablegen -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_TILE_IR_TILEOPS
#define SEQC_DIALECT_TILE_IR_TILEOPS

include "seqc/Dialect/Tile/IR/TileBase.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

def Tile_KernelOp : Tile_Op<"kernel", [FunctionOpInterface, IsolatedFromAbove,
    Symbol, AutomaticAllocationScope]> {
  let summary = "The program of one thread block";
  let description = [{
    A function that `tile.launch` runs once for each point of a grid. Its arguments are views of
    device memory (memrefs of any strides) and scalars; the last three arguments are the
    indices (x, y, z) of the block in the grid. `warps` is the number of warps that compute
    tiles. It has one block, which ends in `tile.return`. Views may not overlap where one
    is written.

    Example:
    ```mlir
    tile.kernel @scale(%x: memref<?x128xf32>, %y: memref<?x128xf32>, %s: f32,
                       %bx: index, %by: index, %bz: index)
        attributes {warps = 4 : i64} {
      %c64 = arith.constant 64 : index
      %c0 = arith.constant 0 : index
      %row = arith.muli %bx, %c64 : index
      %t = tile.load %x[%row, %c0] : memref<?x128xf32> -> tensor<64x128xf32>
      %f = tensor.splat %s : tensor<64x128xf32>
      %r = arith.mulf %t, %f : tensor<64x128xf32>
      tile.store %r, %y[%row, %c0] : tensor<64x128xf32>, memref<?x128xf32>
      tile.return
    }
    ```
  }];
  let arguments = (ins
    SymbolNameAttr:$sym_name,
    TypeAttrOf<FunctionType>:$function_type,
    OptionalAttr<StrAttr>:$sym_visibility,
    OptionalAttr<DictArrayAttr>:$arg_attrs,
    OptionalAttr<DictArrayAttr>:$res_attrs,
    I64Attr:$warps
  );
  let regions = (region AnyRegion:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::Region *getCallableRegion() { return &getBody(); }
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    /// The index of this block in dimension 0 (x), 1 (y) or 2 (z) of the grid.
    ::mlir::BlockArgument getBlockId(unsigned dim) {
      return getBody().getArgument(getBody().getNumArguments() - 3 + dim);
    }
    /// The arguments that a launch passes: all but the three indices.
    unsigned getNumLaunchArguments() { return getBody().getNumArguments() - 3; }
  }];
}

def Tile_ReturnOp : Tile_Op<"return", [Pure, Terminator, ReturnLike,
    HasParent<"KernelOp">]> {
  let summary = "Ends a kernel";
  let assemblyFormat = "attr-dict";
}

def Tile_LaunchOp : Tile_Op<"launch", [AttrSizedOperandSegments,
    DestinationStyleOpInterface, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Runs a kernel for each point of a grid";
  let description = [{
    Passes `inputs` (tensors, which the kernel sees as views, and scalars), then the `outputs`, tensors
    that the kernel writes, to `kernel`. The results are the outputs after the launch. Where
    a size of the grid is 0 nothing runs, and the results are the outputs unchanged.

    Example:
    ```mlir
    %r = tile.launch @scale grid(%gx, %c1, %c1) ins(%x, %s : tensor<?x128xf32>, f32)
        outs(%y : tensor<?x128xf32>) -> tensor<?x128xf32>
    ```
  }];
  let arguments = (ins
    FlatSymbolRefAttr:$kernel,
    Variadic<Index>:$grid,
    Variadic<AnyType>:$inputs,
    Variadic<AnyRankedTensor>:$outputs
  );
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $kernel `grid` `(` $grid `)` (`ins` `(` $inputs^ `:` type($inputs) `)`)?
    (`outs` `(` $outputs^ `:` type($outputs) `)`)? attr-dict
    (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutputsMutable(); }
  }];
}

//===----------------------------------------------------------------------===//
// Device memory
//===----------------------------------------------------------------------===//

def Tile_LoadOp : Tile_Op<"load", [AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Reads a tile of device memory; what lies outside is 0";
  let description = [{
    The tile starts at `offsets`, one for each dimension of `source`; its dimensions are the dimensions
    `dims` of the source (the last ones by default). Elements outside of the view, on either
    side and in any dimension, are 0. Offsets may be negative. `inside` lists dimensions of the tile in which
    whoever built the operation knows that all of it lies inside: there nothing is compared, and rows of any length
    are read in whole vectors.

    The rows, which are the first dimension of the tile, may lie in parts of the same size: the first part is at `offsets`, and
    each of `pages` continues with as many rows at the same offsets but the first one, which it is instead. Of `rows` only that many
    rows of the tile are read; the others are 0.

    `packed` reads what a `tile.store` with `packed` of the same tile, at the same place and in the same dimensions, has written.

    Example:
    ```mlir
    %t = tile.load %k[%b, %h, %j, %c0]
        : memref<?x?x?x72xbf16, strided<[?, ?, ?, 1], offset: ?>> -> tensor<64x80xbf16>
    // Two pages of 32 rows.
    %u = tile.load %pages[%p0, %h, %c0, %c0] pages(%p1) rows(%n)
        : memref<?x?x32x128xbf16, strided<[?, ?, ?, 1], offset: ?>> -> tensor<64x128xbf16>
    ```
  }];
  let arguments = (ins
    Tile_View:$source, Variadic<Index>:$offsets,
    Variadic<Index>:$pages, Optional<Index>:$rows,
    OptionalAttr<DenseI64ArrayAttr>:$dims,
    OptionalAttr<DenseI64ArrayAttr>:$inside, UnitAttr:$packed);
  let results = (outs Tile_Tile:$result);
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$source,
      "::mlir::ValueRange":$offsets, "::mlir::DenseI64ArrayAttr":$dims), [{
    build($_builder, $_state, result, source, offsets, dims, ::mlir::DenseI64ArrayAttr());
  }]>, OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$source,
      "::mlir::ValueRange":$offsets, "::mlir::DenseI64ArrayAttr":$dims,
      "::mlir::DenseI64ArrayAttr":$inside), [{
    build($_builder, $_state, result, source, offsets, /*pages=*/{}, /*rows=*/::mlir::Value(), dims, inside);
  }]>];
  let assemblyFormat = [{
    $source `[` $offsets `]` (`pages` `(` $pages^ `)`)? (`rows` `(` $rows^ `)`)?
    (`dims` $dims^)? (`inside` $inside^)? (`packed` $packed^)? attr-dict
    `:` type($source) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The dimension of the source that dimension `i` of the tile is.
    int64_t getSourceDim(unsigned i);
  }];
}

def Tile_StoreOp : Tile_Op<"store", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Writes a tile to device memory, where it lies inside of it";
  let description = [{
    The opposite of `tile.load`: elements outside of the view are dropped. A layout that holds an
    element in several threads writes it once. `inside` means what it means there.

    With `add` the elements, which are f32, are added to what is there. Blocks may add to one element at
    the same time: nothing is lost, but the order of the sum is that of their arrival, so its rounding may
    differ from run to run.

    With `packed` the tile, which is whole rows of the view, without gaps, and all inside, is written in an order of
    its own: that of the threads that hold it, in `#tile.mma`. A `tile.load` with `packed` of the same tile reads
    it again. The view is memory that the program allocates, which begins at a multiple of 16 bytes.

    Example:
    ```mlir
    tile.store %lse, %l[%b, %h, %i] : tensor<128xf32>, memref<?x?x?xf32>
    tile.store %dq, %g[%i, %c0] inside [0, 1] add packed : tensor<64x128xf32>, memref<?x128xf32>
    ```
  }];
  let arguments = (ins
    Tile_Tile:$value, Tile_View:$dest, Variadic<Index>:$offsets,
    OptionalAttr<DenseI64ArrayAttr>:$dims,
    OptionalAttr<DenseI64ArrayAttr>:$inside, UnitAttr:$add, UnitAttr:$packed);
  let builders = [OpBuilder<(ins "::mlir::Value":$value, "::mlir::Value":$dest,
      "::mlir::ValueRange":$offsets, "::mlir::DenseI64ArrayAttr":$dims), [{
    build($_builder, $_state, value, dest, offsets, dims, ::mlir::DenseI64ArrayAttr(),
          /*add=*/false, /*packed=*/false);
  }]>];
  let assemblyFormat = [{
    $value `,` $dest `[` $offsets `]` (`dims` $dims^)? (`inside` $inside^)? (`add` $add^)? (`packed` $packed^)? attr-dict
    `:` type($value) `,` type($dest)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getDestDim(unsigned i);
  }];
}

def Tile_GatherOp : Tile_Op<"gather", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Reads one element of device memory for each element of a tile";
  let description = [{
    `indices` are one tile of integers for each dimension of the source, all of the shape and layout of the
    result. An index outside of the source reads its nearest element, and
    one into a source without elements gives 0.

    Example:
    ```mlir
    %bias = tile.gather %table[%distance] : memref<?xf32>, tensor<128x64xi32> -> tensor<128x64xf32>
    ```
  }];
  let arguments = (ins Tile_View:$source, Variadic<Tile_Tile>:$indices);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = [{
    $source `[` $indices `]` attr-dict `:` type($source) `,` type($indices) `->` type($result)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Arithmetic that upstream dialects do not have
//===----------------------------------------------------------------------===//

def Tile_IotaOp : Tile_Op<"iota", [Pure]> {
  let summary = "The index of each element along a dimension";
  let description = [{
    Example:
    ```mlir
    %column = tile.iota 1 : tensor<128x64xi32>
    ```
  }];
  let arguments = (ins I64Attr:$dim);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$dim attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Tile_RampOp : Tile_Op<"ramp", [Pure,
    TypesMatchWith<"the start is an element of the result", "result", "start",
                   "::mlir::getElementTypeOrSelf($_self)">,
    TypesMatchWith<"the step is an element of the result", "result", "step",
                   "::mlir::getElementTypeOrSelf($_self)">]> {
  let summary = "Numbers that grow evenly along a dimension";
  let description = [{
    Element i along `dim` is `start + step * i`, as one fused multiply-add would give it, or two: a thread
    computes its own start first. What depends on positions linearly costs one instruction in this form and, as
    it starts from where the tile is, no registers outside of its tile.

    Example:
    ```mlir
    %bias = tile.ramp %start, %slope along 0 : tensor<64xf32>
    ```
  }];
  let arguments = (ins F32:$start, F32:$step, I64Attr:$dim);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$start `,` $step `along` $dim attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Tile_BroadcastOp : Tile_Op<"broadcast", [Pure]> {
  let summary = "Repeats a tile along a new dimension";
  let description = [{
    Inserts dimension `dim`. With layouts, the operand's is `#tile.slice<dim, of = L>` where
    L is the result's.

    Example:
    ```mlir
    %m = tile.broadcast %max along 1 : tensor<128xf32> -> tensor<128x64xf32>
    ```
  }];
  let arguments = (ins Tile_Tile:$source, I64Attr:$dim);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$source `along` $dim attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_ReduceOp : Tile_Op<"reduce", [Pure]> {
  let summary = "Combines the elements along a dimension";
  let description = [{
    `add` sums, `max` takes the largest and ignores NaN where there is another value. Floating
    point sums are taken in an order that depends on the layout alone. With layouts, the result's is
    `#tile.slice<dim, of = L>` where L is the operand's. It may also be a layout in which each thread has
    a part of what it would have there: threads that hold parts of one sum then each finish some of
    the sums, which takes half of the exchanges or less.

    Example:
    ```mlir
    %max = tile.reduce max %scores along 1 : tensor<128x64xf32> -> tensor<128xf32>
    ```
  }];
  let arguments = (ins Tile_ReduceKindAttr:$kind, Tile_Tile:$source, I64Attr:$dim);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$kind $source `along` $dim attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_FoldOp : Tile_Op<"fold", [Pure]> {
  let summary = "Combines blocks of columns";
  let description = [{
    Combines all elements of a row whose columns are equal modulo the columns of the result: a
    reduction that has gone as far as it can without exchanging values between threads. In
    `#tile.mma` the result has 8 columns. `tile.reduce` of the result is that of the operand.

    Example:
    ```mlir
    %sums = tile.fold add %weights : tensor<128x64xf32> -> tensor<128x8xf32>
    ```
  }];
  let arguments = (ins Tile_ReduceKindAttr:$kind, Tile_Tile:$source);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$kind $source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_ShiftOp : Tile_Op<"shift", [Pure,
    AllTypesMatch<["now", "before", "result"]>]> {
  let summary = "Moves elements within blocks of a row";
  let description = [{
    The last dimension is divided into blocks of `block` elements. In each of them

    ```
    result[i] = now[i - by]              for i >= by
              = before[i - by + block]   for i < by
    ```

    so that if `before` is what lies `block` elements before `now`, the result is what lies `by` elements before it.
    With layouts, a thread holds whole blocks: the elements that a shift brings are its own, and nothing is read from memory at an odd
    place.

    Example:
    ```mlir
    %x3 = tile.shift %x, %x8 by 3 block 8 : tensor<4x256xbf16>
    ```
  }];
  let arguments = (ins Tile_Tile:$now, Tile_Tile:$before, I64Attr:$by, I64Attr:$block);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$now `,` $before `by` $by `block` $block attr-dict `:` type($now)";
  let hasVerifier = 1;
}

def Tile_RecurrenceOp : Tile_Op<"recurrence", [Pure,
    AllTypesMatch<["factors", "terms", "states"]>,
    AllTypesMatch<["init", "last"]>]> {
  let summary = "A linear recurrence along a dimension";
  let description = [{
    Along dimension `dim`, with `states[-1]` for `init`:

    ```
    states[i] = factors[i] * states[i - 1] + terms[i]      rounded once
    last      = states[size - 1]
    ```

    With `before`, what comes out as `states[i]` is the state before step i: `init` for the first one.

    With `adjoint`, the gradients of such a recurrence: from the last step to the first, `carry[size]` being `init`,

    ```
    states[i] = carry[i + 1] + terms[i]
    carry[i]  = factors[i] * states[i]
    last      = carry[0]
    ```

    With layouts, those of `init` and `last` are `#tile.slice<dim, of = L>` where L is that of the others, and each
    thread holds all of dimension `dim` of what it holds a part of: the recurrence needs no exchange.

    Example:
    ```mlir
    %h, %last = tile.recurrence %decay, %input from %h0 along 1
        : tensor<64x4x16xf32>, tensor<64x16xf32>
    %dh, %dh0 = tile.recurrence %decay, %dy from %dlast along 1 adjoint
        : tensor<64x4x16xf32>, tensor<64x16xf32>
    ```
  }];
  let arguments = (ins Tile_Tile:$factors, Tile_Tile:$terms, Tile_Tile:$init, I64Attr:$dim,
                       UnitAttr:$adjoint, UnitAttr:$before);
  let results = (outs Tile_Tile:$states, Tile_Tile:$last);
  let assemblyFormat = [{
    $factors `,` $terms `from` $init `along` $dim (`adjoint` $adjoint^)? (`before` $before^)?
    attr-dict `:` type($factors) `,` type($init)
  }];
  let hasVerifier = 1;
}

def Tile_ContractOp : Tile_Op<"contract", [Pure]> {
  let summary = "Sums over the last dimension, with weights of the middle one";
  let description = [{
    `result[c, t] = sum over n of states[c, t, n] * weights[t, n]`, in f32, of states that are cut to 11 significant bits (TF32): what a
    scan's states contribute to its outputs. Weights have no more bits than that.

    With layouts it runs on tensor cores, in blocks of 8 channels and 8 states. A thread has all of T = 4 or 8 steps, one or two
    consecutive channels, and states of which a block's are spread over four threads:
    `#tile.blocked<thread = [c, T, s], lanes = [8, 1, 4], warps = [w, 1, 1]>` with an even `s`. The weights are in
    `#tile.slice<dim = 0, of = #tile.blocked<thread = [1, 1, s], lanes = [8 / T, T, 4], warps = [w, 1, 1]>>`, the result in
    `#tile.blocked<thread = [c, 2], lanes = [8, 4], warps = [w, 1]>` for 8 steps, and for 4 in
    `#tile.slice<dim = 1, of = #tile.blocked<thread = [c, 1, 2], lanes = [8, 2, 2], warps = [w, 1, 1]>>`.

    Example:
    ```mlir
    %y = tile.contract %h, %c : tensor<64x8x16xf32>, tensor<8x16xf32> -> tensor<64x8xf32>
    ```
  }];
  let arguments = (ins Tile_Tile:$states, Tile_Tile:$weights);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = [{
    $states `,` $weights attr-dict `:` type($states) `,` type($weights) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The layouts of weights and result that go with `states`; null if nothing does.
    static ::mlir::Attribute getWeightsLayout(::mlir::RankedTensorType states);
    static ::mlir::Attribute getResultLayout(::mlir::RankedTensorType states);
  }];
}

def Tile_AnyOp : Tile_Op<"any", [Pure]> {
  let summary = "Whether some element is true";
  let description = [{
    The same for the whole block, so that it can decide what all of it does: it lowers to a vote of all threads at a barrier.

    Example:
    ```mlir
    %some = tile.any %visible : tensor<128x8xi1>
    scf.if %some {
      ...
    }
    ```
  }];
  let arguments = (ins Tile_Tile:$source);
  let results = (outs I1:$result);
  let assemblyFormat = "$source attr-dict `:` type($source)";
  let hasVerifier = 1;
}

def Tile_SumBlocksOp : Tile_Op<"sum_blocks", [Pure]> {
  let summary = "Sums blocks of the first dimension";
  let description = [{
    The first of three dimensions falls into blocks of equal size, as many as the result has times the columns of
    the operand:

    ```
    result[t, p * columns + n] = sum over the rows c of block p of source[c, t, n]
    ```

    It is what a reduction leaves where the warps of a block hold different rows: a block for each warp. With
    layouts, each thread finishes some of the sums of its warp.

    Example:
    ```mlir
    %sums = tile.sum_blocks %x : tensor<64x4x16xf32> -> tensor<4x64xf32>   // 4 blocks
    ```
  }];
  let arguments = (ins Tile_Tile:$source);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// How many blocks there are.
    int64_t getNumBlocks();
  }];
}

def Tile_ExchangeOp : Tile_Op<"exchange", [Pure]> {
  let summary = "The same tile, held by other threads";
  let description = [{
    The result is the operand. It is where a program says that a tile may change its layout: `tile-assign-layouts`
    chooses that of the result by its users, and `tile-stage-slices` takes the tile through shared memory.

    Example:
    ```mlir
    %columns = tile.exchange %rows : tensor<64x16xf32>
    ```
  }];
  let arguments = (ins Tile_Tile:$source);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_ConvertOp : Tile_Op<"convert", [Pure]> {
  let summary = "Moves a tile to another layout";
  let description = [{
    The same values in another layout. Only what each thread can do by itself is allowed: dropping
    or adding a layout (`tile-assign-layouts` inserts these and must remove them), and between slices
    whose parents agree on who holds what. Every other way goes through shared memory, in the open.

    Example:
    ```mlir
    %b = tile.convert %a : tensor<128x64xf32> -> tensor<128x64xf32, #tile.mma<warps = 4>>
    ```
  }];
  let arguments = (ins Tile_Tile:$source);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Tile_DotOp : Tile_Op<"dot", [AllTypesMatch<["acc", "result"]>,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Matrix product with accumulation";
  let description = [{
    `result = a b + acc`, or `a b^T + acc` with `transpose_b`, in which case b is `columns x inner`, or `a^T b + acc`
    with `transpose_a`, in which case a is `inner x rows`, of 16-bit elements, and goes through shared memory.
    `a` and `b` have the same element type; the accumulator is f32. Both may be tiles or lie in shared
    memory. f32 operands are multiplied with f32 precision, never TF32's. The inner dimension is a multiple
    of 16 (of 8 for f32).

    With layouts, the result and `acc` have `#tile.mma<warps>`, `a` is in shared memory or has
    `#tile.mma<warps>`, and `b` is in shared memory. Until `tile-stage-memory` brings it there, a factor may be a
    `tile.load` without a layout, and `b` any tile in `#tile.blocked` or in `#tile.mma<warps>`.

    Example:
    ```mlir
    %s = tile.dot %q, %k, %zero transpose_b
        : tensor<128x128xbf16>, tensor<64x128xbf16>, tensor<128x64xf32>
    ```
  }];
  let arguments = (ins Tile_TileOrShared:$a, Tile_TileOrShared:$b, Tile_Tile:$acc,
                       UnitAttr:$transpose_a, UnitAttr:$transpose_b);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = [{
    $a `,` $b `,` $acc (`transpose_a` $transpose_a^)? (`transpose_b` $transpose_b^)? attr-dict
    `:` type($a) `,` type($b) `,` type($acc)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Rows, columns and inner dimension.
    int64_t getM();
    int64_t getN();
    int64_t getK();
  }];
}

def Tile_UpdateWhereOp : Tile_Op<"update_where", [RecursiveMemoryEffects,
    NoRegionArguments, SingleBlockImplicitTerminator<"YieldOp">,
    AllTypesMatch<["values", "results"]>]> {
  let summary = "Recomputes the rows of a warp where one of them asks for it";
  let description = [{
    Blocks of 16 rows go round `warps` warps, as in `#tile.mma`; the rows of one warp are a group. In each group in
    which `condition` has a true element, the results are what the region yields; in the others they are
    `values`. The region computes rows from rows: elementwise operations, broadcasts, and reductions
    along the columns. It lowers to a vote and a branch of each warp.

    Example:
    ```mlir
    %m, %l = tile.update_where %grown (%m0, %l0) warps 4 {
      ...
      tile.yield %m1, %l1 : tensor<128xf32>, tensor<128xf32>
    } : tensor<128x8xi1>, tensor<128xf32>, tensor<128xf32>
    ```
  }];
  let arguments = (ins Tile_Tile:$condition, Variadic<Tile_Tile>:$values,
                       I64Attr:$warps);
  let regions = (region SizedRegion<1>:$body);
  let results = (outs Variadic<Tile_Tile>:$results);
  let assemblyFormat = [{
    $condition `(` $values `)` `warps` $warps $body attr-dict
    `:` type($condition) `,` type($values)
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

def Tile_AllocOp : Tile_Op<"alloc", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "A tile of shared memory";
  let description = [{
    Lives as long as the kernel. Its contents are undefined.

    Example:
    ```mlir
    %s = tile.alloc : !tile.shared<128x128xbf16>
    ```
  }];
  let results = (outs Tile_Shared:$result);
  let assemblyFormat = "attr-dict `:` qualified(type($result))";
}

def Tile_SharedStoreOp : Tile_Op<"shared_store", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Writes a tile to shared memory";
  let description = [{
    Other threads may read it after a `tile.barrier`. A tile smaller than `dest` is written from row and column
    `offsets` on, the first ones by default; all of it lies in `dest`. A 1-D tile is a part of a row.

    Example:
    ```mlir
    tile.shared_store %out, %s : tensor<128x128xbf16>, !tile.shared<128x128xbf16>
    tile.shared_store %y, %ys[%c0, %t] : tensor<64x4xf32>, !tile.shared<64x32xf32, pitch 36>
    ```
  }];
  let arguments = (ins Tile_Tile:$value, Tile_Shared:$dest, Variadic<Index>:$offsets);
  let builders = [OpBuilder<(ins "::mlir::Value":$value, "::mlir::Value":$dest), [{
    build($_builder, $_state, value, dest, ::mlir::ValueRange());
  }]>];
  let assemblyFormat = [{
    $value `,` $dest (`[` $offsets^ `]`)? attr-dict `:` type($value) `,` qualified(type($dest))
  }];
  let hasVerifier = 1;
}

def Tile_SharedLoadOp : Tile_Op<"shared_load", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Reads a tile from shared memory";
  let description = [{
    Reads from row and column `offsets` on, the first ones by default; all of the tile lies in `source`. A 1-D tile is
    a part of a row.

    Example:
    ```mlir
    %t = tile.shared_load %s : !tile.shared<128x128xbf16> -> tensor<128x128xbf16>
    %d = tile.shared_load %ds[%c0, %t] : !tile.shared<64x32xf32, pitch 36> -> tensor<64x4xf32>
    ```
  }];
  let arguments = (ins Tile_Shared:$source, Variadic<Index>:$offsets);
  let results = (outs Tile_Tile:$result);
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$source), [{
    build($_builder, $_state, result, source, ::mlir::ValueRange());
  }]>];
  let assemblyFormat = [{
    $source (`[` $offsets^ `]`)? attr-dict `:` qualified(type($source)) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Tile_BarrierOp : Tile_Op<"barrier", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Waits for all warps of this role";
  let description = [{
    Outside of `tile.roles` it waits for all warps of the block. Writes to shared memory before it are seen by reads
    after it, also by those of the asynchronous units. With `warp` a warp waits for its own threads only, and
    sees what they have written.
  }];
  let arguments = (ins UnitAttr:$warp);
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, false); }]>];
  let assemblyFormat = "(`warp` $warp^)? attr-dict";
}

//===----------------------------------------------------------------------===//
// Rings
//===----------------------------------------------------------------------===//

def Tile_MakeRingOp : Tile_Op<"make_ring", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "An empty ring";
  let description = [{
    Example:
    ```mlir
    %k = tile.make_ring : !tile.ring<2 x 64x128xbf16>
    ```
  }];
  let results = (outs Tile_Ring:$result);
  let assemblyFormat = "attr-dict `:` qualified(type($result))";
}

def Tile_PutOp : Tile_Op<"put", [AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Starts copy number `n` of a ring";
  let description = [{
    Waits until stage `n mod stages` is free and starts to copy the tile of `source` at `offsets` into it;
    elements outside of the view are 0. The tile's rows and columns are dimensions `dims` of the source
    (the last two by default). `pages` and `rows` mean what they mean for `tile.load`. Where `when` is given and false nothing is
    copied, and copy `n` must not be waited for.

    Copies are numbered from 0 without gaps, in the order in which they are started. On
    sm_80 every thread takes part; on sm_90 one thread asks the copy engine.

    Example:
    ```mlir
    tile.put %ring[%n], %k[%b, %h, %j, %c0] when %more
        : !tile.ring<2 x 64x128xbf16>, memref<?x?x?x128xbf16>
    ```
  }];
  let arguments = (ins
    Tile_Ring:$ring, Index:$number, Tile_View:$source, Variadic<Index>:$offsets,
    OptionalAttr<DenseI64ArrayAttr>:$dims, Optional<I1>:$when,
    Variadic<Index>:$pages, Optional<Index>:$rows);
  let builders = [OpBuilder<(ins "::mlir::Value":$ring, "::mlir::Value":$number,
      "::mlir::Value":$source, "::mlir::ValueRange":$offsets,
      "::mlir::DenseI64ArrayAttr":$dims, "::mlir::Value":$when), [{
    build($_builder, $_state, ring, number, source, offsets, dims, when, /*pages=*/{}, /*rows=*/::mlir::Value());
  }]>];
  let assemblyFormat = [{
    $ring `[` $number `]` `,` $source `[` $offsets `]` (`pages` `(` $pages^ `)`)?
    (`rows` `(` $rows^ `)`)? (`dims` $dims^)? (`when` $when^)?
    attr-dict `:` qualified(type($ring)) `,` type($source)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getSourceDim(unsigned i);
  }];
}

def Tile_GetOp : Tile_Op<"get", [
    InferTypeOpAdaptor,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Waits for copy number `n` of a ring";
  let description = [{
    Returns the stage that it landed in, for reading until `tile.release`. `pending` is a promise that
    lets targets without copy barriers wait for less: so many copies (of any
    ring) that were started after copy `n` may still be running.

    Example:
    ```mlir
    %k = tile.get %ring[%n] pending 1 : !tile.ring<2 x 64x128xbf16>
    ```
  }];
  let arguments = (ins Tile_Ring:$ring, Index:$number,
                       DefaultValuedAttr<I64Attr, "0">:$pending);
  let results = (outs Tile_Shared:$result);
  let assemblyFormat = "$ring `[` $number `]` (`pending` $pending^)? attr-dict `:` qualified(type($ring))";
  let hasVerifier = 1;
}

def Tile_ReleaseOp : Tile_Op<"release", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Gives the stage of copy number `n` back";
  let description = [{
    Each warp that reads releases once for each `tile.get`; nothing reads the stage after it.

    Example:
    ```mlir
    tile.release %ring[%n] : !tile.ring<2 x 64x128xbf16>
    ```
  }];
  let arguments = (ins Tile_Ring:$ring, Index:$number);
  let assemblyFormat = "$ring `[` $number `]` attr-dict `:` qualified(type($ring))";
}

//===----------------------------------------------------------------------===//
// Asynchronous products, roles
//===----------------------------------------------------------------------===//

def Tile_MmaAsyncOp : Tile_Op<"mma_async", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Starts a matrix product of a warpgroup";
  let description = [{
    `tile.dot` that returns at once. The result may be the accumulator of another `tile.mma_async` or
    go to `tile.wait`. Tiles in registers that it reads (`a`) must not be redefined, and stages
    in shared memory not released, before the wait that retires it. `acc` may be
    left out, for 0. Only sm_90; warps are a multiple of 4.

    Example:
    ```mlir
    %s = tile.mma_async %q, %k transpose_b
        : !tile.shared<128x128xbf16>, !tile.shared<128x128xbf16>
        -> !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>
    ```
  }];
  let arguments = (ins Tile_TileOrShared:$a, Tile_Shared:$b,
                       Optional<Tile_TileOrAsync>:$acc, UnitAttr:$transpose_a,
                       UnitAttr:$transpose_b);
  let results = (outs Tile_Async:$result);
  let assemblyFormat = [{
    $a `,` $b (`acc` `(` $acc^ `:` type($acc) `)`)? (`transpose_a` $transpose_a^)? (`transpose_b` $transpose_b^)? attr-dict
    `:` type($a) `,` qualified(type($b)) `->` qualified(type($result))
  }];
  let hasVerifier = 1;
}

def Tile_WaitOp : Tile_Op<"wait", [
    InferTypeOpAdaptor,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Waits for matrix products and returns what they wrote";
  let description = [{
    Returns once at most `pending` of the products started so far still run. The
    operands are results of products that have then finished; the results are the same tiles, to be read.

    Example:
    ```mlir
    %s = tile.wait %a pending 1 : !tile.async<tensor<128x64xf32, #tile.mma<warps = 8>>>
    ```
  }];
  let arguments = (ins Variadic<Tile_Async>:$operands_,
                       DefaultValuedAttr<I64Attr, "0">:$pending);
  let results = (outs Variadic<Tile_Tile>:$results_);
  let assemblyFormat = "$operands_ (`pending` $pending^)? attr-dict `:` qualified(type($operands_))";
  let hasVerifier = 1;
}

def Tile_ReadyOp : Tile_Op<"ready", [Pure, AllTypesMatch<["source", "result"]>]> {
  let summary = "The same tile, computed by here";
  let description = [{
    What a loop hands to its next iteration could as well be computed at the end of this one, after everything that
    waits and branches there. Behind a `tile.ready` it has been computed where the operation stands. Costs nothing. The
    elements are of 16 or 32 bits.

    Example:
    ```mlir
    %p1 = tile.ready %p : tensor<128x128xbf16, #tile.mma<warps = 8>>
    ```
  }];
  let arguments = (ins Tile_Tile:$source);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$source attr-dict `:` type($source)";
  let hasVerifier = 1;
}

def Tile_RolesOp : Tile_Op<"roles", [RecursiveMemoryEffects, NoRegionArguments,
    SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "Splits the warps of a block into roles that run at the same time";
  let description = [{
    Role `i` is a region that `warps[i]` warps run with `registers[i]` registers per thread (0 leaves them as they
    are). Roles talk through rings only. The numbers of warps are multiples of 4 where registers are given. The last
    role is the one that computes: the kernel's `warps` is its number of warps.

    Example:
    ```mlir
    tile.roles warps [4, 8] registers [40, 232] {
      tile.put ...
    }, {
      %k = tile.get ...
    }
    ```
  }];
  let arguments = (ins DenseI64ArrayAttr:$warps, DenseI64ArrayAttr:$registers);
  let regions = (region VariadicRegion<SizedRegion<1>>:$roles);
  let assemblyFormat = "`warps` $warps `registers` $registers $roles attr-dict";
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

def Tile_BeginTurnOp : Tile_Op<"begin_turn", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Waits until it is this group of warps' turn";
  let description = [{
    The last role's warps in groups of four, warpgroups, go through what is between `tile.begin_turn` and the next `tile.end_turn`
    of the same block one group after the other: group 0 first, then group 1, after the last one group 0 again. All
    groups must come here equally often. It orders the groups' work and nothing else: data
    that they exchange needs `tile.barrier`.

    Example:
    ```mlir
    tile.begin_turn
    %s = tile.mma_async %q, %k transpose_b : ...
    %o = tile.mma_async %p, %v acc(%acc : ...) : ...
    tile.end_turn
    ```
  }];
  let assemblyFormat = "attr-dict";
  let hasVerifier = 1;
}

def Tile_EndTurnOp : Tile_Op<"end_turn", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Hands the turn to the next group of warps";
  let description = [{
    Returns at once. See `tile.begin_turn`.
  }];
  let assemblyFormat = "attr-dict";
  let hasVerifier = 1;
}

def Tile_ForEachBlockOp : Tile_Op<"for_each_block", [RecursiveMemoryEffects,
    SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "Runs its body for blocks of the grid until all are done";
  let description = [{
    Without it, a thread block does the work of the one point of the grid that the kernel's last three arguments
    name. With it, fewer thread blocks run, as many as there is room for at once, and each does the work of
    one point after another; the region's first three arguments name the point. A point is done by exactly
    one thread block. Which one is decided while the kernel runs: who is done takes the next, in the order of
    the grid, x first. With `section`, x comes last among as many neighbours in y and z as make about `section` points
    (1 to 16): where the work of a point falls with x, the last points taken are then all short, while points that read the same
    memory stay close to each other. Roles inside do not wait for each other between points: the one that copies takes the
    next point as soon as it has nothing left to copy.

    Rings stay as they are from one point to the next, so the numbers of their copies go on: the region's other
    arguments are such numbers, `inits` at first and then what `tile.yield` gave.

    Example:
    ```mlir
    tile.for_each_block (%x, %y, %z) numbers (%n = %c0) {
      %copies = ...
      tile.roles ...
      %next = arith.addi %n, %copies : index
      tile.yield %next : index
    }
    ```
  }];
  let arguments = (ins Variadic<Index>:$inits, OptionalAttr<I64Attr>:$section);
  let builders = [OpBuilder<(ins "::mlir::ValueRange":$inits), [{
    build($_builder, $_state, inits, ::mlir::IntegerAttr());
  }]>];
  let regions = (region SizedRegion<1>:$body);
  let extraClassDeclaration = [{
    ::mlir::BlockArgument getBlockId(unsigned dim) { return getBody().getArgument(dim); }
    ::llvm::MutableArrayRef<::mlir::BlockArgument> getNumbers() {
      return getBody().getArguments().drop_front(3);
    }
    YieldOp getYield();
  }];
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

def Tile_YieldOp : Tile_Op<"yield", [Pure, Terminator, ReturnLike,
    ParentOneOf<["ForEachBlockOp", "RolesOp", "UpdateWhereOp"]>]> {
  let summary = "Ends a region";
  let arguments = (ins Variadic<AnyType>:$operands_);
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange()); }]>];
  let assemblyFormat = "attr-dict ($operands_^ `:` type($operands_))?";
}

#endif // SEQC_DIALECT_TILE_IR_TILEOPS
