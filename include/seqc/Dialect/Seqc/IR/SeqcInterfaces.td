//===- SeqcInterfaces.td - The algebra of carried state ----*- tablegen -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_SEQC_IR_SEQCINTERFACES
#define SEQC_DIALECT_SEQC_IR_SEQCINTERFACES

include "mlir/IR/OpBase.td"

def Seqc_MonoidOpInterface : OpInterface<"MonoidOpInterface"> {
  let cppNamespace = "::seqc";
  let description = [{
    An operator that reduces along one dimension of its iteration space while it
    carries a state, and whose state forms a monoid: there is an identity, and two
    states of neighbouring parts of the dimension merge associatively into the
    state of both. Splitting the dimension over cores, over thread blocks or over devices
    is then one pass, whatever the operator.
  }];
  let methods = [
    InterfaceMethod<"The dimension of the iteration space that is reduced.",
      "unsigned", "getReductionDim">,
    InterfaceMethod<"Operands that hold the state before the reduction.",
      "::llvm::SmallVector<::mlir::Value>", "getCarriedInits">,
    InterfaceMethod<[{
        Builds the identity of the monoid, one state for each point of
        `leadingSizes`: with none, the shapes are those of this operator's state.
      }], "::llvm::SmallVector<::mlir::Value>", "buildIdentity",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::ArrayRef<::mlir::OpFoldResult>":$leadingSizes)>,
    InterfaceMethod<[{
        Builds the merge of two states, `lhs` of the part that comes first along the
        reduced dimension. The result may take the place of `lhs`.
      }], "::llvm::SmallVector<::mlir::Value>", "buildMerge",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::ValueRange":$lhs, "::mlir::ValueRange":$rhs)>
  ];
}

#endif // SEQC_DIALECT_SEQC_IR_SEQCINTERFACES
