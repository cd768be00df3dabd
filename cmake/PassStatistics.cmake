# Makes a generated pass declaration count with seqc's own statistics.
#
# A distribution's LLVM is built with NDEBUG, where mlir::Pass::Statistic is
# empty: it neither counts nor prints, and code built with assertions even sees
# another layout of it. seqc::PassStatistic (seqc/Support/Statistics.h) has the
# same interface and works in every build.
file(READ ${IN} text)
string(REPLACE "::mlir::Pass::Statistic" "::seqc::PassStatistic" text "${text}")
file(WRITE ${OUT} "${text}")
