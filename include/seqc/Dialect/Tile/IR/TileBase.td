//===- TileBase.td - Layouts and types of the tile dialect -*- tablegen -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_TILE_IR_TILEBASE
#define SEQC_DIALECT_TILE_IR_TILEBASE

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/CommonTypeConstraints.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/TensorEncoding.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::seqc::tile";
  let summary = "Block-level programs: tiles, their layouts, and asynchronous copies";
  let description = [{
    L2 of seqc. A `tile.kernel` is the program of one thread block. Its values are whole tiles: ranked tensors of
    static shape whose encoding, once `tile-assign-layouts` has run, says which thread holds which element in which
    register. `arith`, `math` and `scf` work on them as on any tensor. The dialect's own operations are
    what hardware adds: access to device memory, tiles in shared memory, rings of them filled
    by asynchronous copies, matrix products, and warp roles.

    Every operation has a meaning without layouts and without concurrency, which is
    what `tile-erase-layouts` and `tile-erase-async` leave: so each kernel also runs on a CPU.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let dependentDialects = ["::mlir::memref::MemRefDialect"];
}

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

class Tile_Layout<string name, string mnem, list<Trait> traits = []>
    : AttrDef<Tile_Dialect, name, traits # [
        DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let mnemonic = mnem;
}

def Tile_MmaLayoutAttr : Tile_Layout<"MmaLayout", "mma"> {
  let summary = "Fragments of the tensor cores' accumulators";
  let description = [{
    The layout of an `MxN` tile whose 16-row blocks go round `warps` warps:

    ```
    warp(r, c)     = (r / 16) mod warps
    lane(r, c)     = 4 (r mod 8) + (c mod 8) / 2
    register(r, c) = ((block * (N / 8) + c / 8) * 2 + (r mod 16) / 8) * 2 + c mod 2
                     where block = r / (16 warps)
    ```

    It is that of the accumulators of `mma.m16n8k16` and, with `warps` a multiple of 4, of
    `wgmma` (64 rows for each group of four warps). Read as 16-bit pairs it is also that of their
    A operand, so the weights of attention go from one product to the next without leaving
    their thread. M must be a multiple of `16 * warps`, N of 8.
  }];
  let parameters = (ins "int64_t":$warps);
  let assemblyFormat = "`<` `warps` `=` $warps `>`";
  let genVerifyDecl = 1;
}

def Tile_BlockedLayoutAttr : Tile_Layout<"BlockedLayout", "blocked"> {
  let summary = "Rectangles of registers, lanes and warps";
  let description = [{
    In each dimension `d` an index is split, innermost first, into
    `thread[d]` consecutive elements in registers, `lanes[d]` lanes, `warps[d]` warps, and
    repetitions. The products of `lanes` and of `warps` are 32 and the number of warps. Lanes and
    warps are numbered with the last dimension fastest, and so are registers: over
    repetitions first, then over the elements of a thread. The size of each dimension is a multiple of
    `thread[d] * lanes[d] * warps[d]`.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$thread,
                        ArrayRefParameter<"int64_t">:$lanes,
                        ArrayRefParameter<"int64_t">:$warps);
  let assemblyFormat =
      "`<` `thread` `=` `[` $thread `]` `,` `lanes` `=` `[` $lanes `]` `,`"
      "`warps` `=` `[` $warps `]` `>`";
  let genVerifyDecl = 1;
}

def Tile_SliceLayoutAttr : Tile_Layout<"SliceLayout", "slice"> {
  let summary = "What is left of a layout without one of its dimensions";
  let description = [{
    The layout of what a reduction over dimension `dim` of a tile in layout `parent` leaves: each thread
    holds the elements whose row (or column) it holds a part of, so threads that
    differ in `dim` only hold copies. For `dim = 1` of `#tile.mma` these are two rows for each block
    of 16 (registers `[block][(r mod 16) / 8]`), for `dim = 0` two columns for each block of 8
    (registers `[c / 8][c mod 2]`).
  }];
  let parameters = (ins "int64_t":$dim, "::mlir::Attribute":$parent);
  let assemblyFormat = "`<` `dim` `=` $dim `,` `of` `=` $parent `>`";
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

class Tile_Type<string name, string mnem> : TypeDef<Tile_Dialect, name> {
  let mnemonic = mnem;
}

def Tile_SharedType : Tile_Type<"Shared", "shared"> {
  let summary = "A tile in shared memory";
  let description = [{
    A `rows x columns` tile in the one form in which copies, `ldmatrix` and `wgmma` all read it without bank
    conflicts: panels of 128 bytes of columns, each `[rows][128 bytes]`, in which the 16-byte chunk `c` of row
    `r` lies at chunk `c xor (r mod 8)`. Columns are padded to whole panels, the start to 1024 bytes.

    With a `pitch` the tile has plain rows instead, `pitch` elements apart: at least the columns, and a multiple of 16
    bytes. Then the place of an element is a sum, so that parts of the tile that only a loop knows cost one addition.
    Threads read and write such tiles; rings and products have the first form.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns,
                        "::mlir::Type":$elementType, "int64_t":$pitch);
  let builders = [TypeBuilder<(ins "int64_t":$rows, "int64_t":$columns,
                                   "::mlir::Type":$elementType), [{
    return $_get($_ctxt, rows, columns, elementType, 0);
  }]>];
  let hasCustomAssemblyFormat = 1; // !tile.shared<64x128xbf16, pitch 136>
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Columns in a panel.
    int64_t getPanelColumns() const;
    int64_t getNumPanels() const;
    /// Bytes of one panel, and of the tile.
    int64_t getPanelBytes() const;
    int64_t getNumBytes() const;
    ::mlir::RankedTensorType getTensorType() const;
  }];
}

def Tile_RingType : Tile_Type<"Ring", "ring"> {
  let summary = "Tiles in shared memory that copies fill in turn";
  let description = [{
    `stages` tiles of shared memory with what it takes to hand them over: copy number `n` goes to
    stage `n mod stages`, becomes readable when it has landed, and its stage
    takes copy `n + stages` once every reader has released it.
  }];
  let parameters = (ins "int64_t":$stages, "::seqc::tile::SharedType":$tile);
  let hasCustomAssemblyFormat = 1; // !tile.ring<2 x 64x128xbf16>
  let genVerifyDecl = 1;
}

def Tile_AsyncType : Tile_Type<"Async", "async"> {
  let summary = "A tile that a running instruction still writes";
  let description = [{
    The result of `tile.mma_async`. Only `tile.wait` turns it into a tile, and only another `tile.mma_async` may
    take it as its accumulator before that, so no other operation can read it too early.
  }];
  let parameters = (ins "::mlir::RankedTensorType":$tile);
  let assemblyFormat = "`<` $tile `>`";
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

/// A tile in registers: static, of any element type that arithmetic has.
def Tile_Tile : Type<
    And<[StaticShapeTensorOf<[AnyFloat, AnySignlessInteger, Index]>.predicate]>,
    "a tile (a tensor of static shape)", "::mlir::RankedTensorType">;
def Tile_Shared : Type<CPred<"::llvm::isa<::seqc::tile::SharedType>($_self)">,
    "a tile in shared memory", "::seqc::tile::SharedType">;
def Tile_Ring : Type<CPred<"::llvm::isa<::seqc::tile::RingType>($_self)">,
    "a ring", "::seqc::tile::RingType">;
def Tile_Async : Type<CPred<"::llvm::isa<::seqc::tile::AsyncType>($_self)">,
    "an unfinished tile", "::seqc::tile::AsyncType">;
def Tile_TileOrShared : AnyTypeOf<[Tile_Tile, Tile_Shared]>;
def Tile_TileOrAsync : AnyTypeOf<[Tile_Tile, Tile_Async]>;
def Tile_View : Type<CPred<"::llvm::isa<::mlir::MemRefType>($_self)">,
    "a view of device memory (a memref)", "::mlir::MemRefType">;

def Tile_ReduceKindAttr : I32EnumAttr<"ReduceKind", "how elements combine", [
    I32EnumAttrCase<"Add", 0, "add">,
    I32EnumAttrCase<"Max", 1, "max">]> {
  let cppNamespace = "::seqc::tile";
}

class Tile_Op<string mnemonic, list<Trait> traits = []>
    : Op<Tile_Dialect, mnemonic, traits>;

#endif // SEQC_DIALECT_TILE_IR_TILEBASE
