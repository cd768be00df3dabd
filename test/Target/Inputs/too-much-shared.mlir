gpu.module @big_0 {
  llvm.func @big_0() attributes {nvvm.kernel, seqc.shared_bytes = 166916 : i64} {
    llvm.return
  }
}
