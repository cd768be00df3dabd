// RUN: not seqc-opt %s --convert-tile-to-nvvm=chip=sm_70 2>&1 | FileCheck %s

// CHECK: error: convert-tile-to-nvvm: chip is 'sm_70', expected sm_80 or sm_90a
module {}
