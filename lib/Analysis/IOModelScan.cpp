//===- IOModelScan.cpp - The analytic model of scan and convolution -------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tile holds some channels and some time steps. Its streams are read and
// written once per sweep; the parameters once per tile of channels, or once
// where a cache is modelled; B and C by every tile of channels in a group.
// docs/io-model.md states every rule; the comments here name the step.
//
//===----------------------------------------------------------------------===//

#include "IOModelDetail.h"

#include "mlir/IR/TypeUtilities.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace seqc;
using namespace seqc::io;

//===----------------------------------------------------------------------===//
// Selective scan
//===----------------------------------------------------------------------===//

/// Groups of a B or C operand: 1 unless it is (B, G, N, L).
static int64_t groups(Value v, SizeFn size) {
  auto type = dyn_cast<ShapedType>(v.getType());
  return type && type.getRank() == 4 ? size(v, 1) : 1;
}

template <typename OpT>
static ScanShape commonScan(OpT op, SizeFn size) {
  ScanShape s;
  Value u = op.getU();
  s.B = size(u, 0);
  s.Dm = size(u, 1);
  s.L = size(u, 2);
  s.N = size(op.getA(), 1);
  s.type = getElementTypeOrSelf(u);
  s.accType = getAccumulatorType(s.type);
  s.e = elementBytes(s.type);
  s.a = elementBytes(s.accType);
  s.variableB = cast<ShapedType>(op.getB().getType()).getRank() > 2;
  s.bBytes = totalBytes(op.getB(), size);
  s.hasC = static_cast<bool>(op.getC());
  if (Value c = op.getC()) {
    s.variableC = cast<ShapedType>(c.getType()).getRank() > 2;
    s.cBytes = totalBytes(c, size);
  }
  s.G = std::max(groups(op.getB(), size), s.hasC ? groups(op.getC(), size) : 1);
  s.D = static_cast<bool>(op.getD());
  s.z = static_cast<bool>(op.getZ());
  s.deltaBias = static_cast<bool>(op.getDeltaBias());
  s.softplus = op.getDeltaSoftplus();
  s.paramBytes = totalBytes(op.getA(), size) + totalBytes(op.getD(), size) +
                 totalBytes(op.getDeltaBias(), size);
  return s;
}

std::optional<ScanShape> seqc::io::getScanShape(Operation *op, SizeFn size) {
  if (auto scan = dyn_cast<SelectiveScanOp>(op)) {
    ScanShape s = commonScan(scan, size);
    s.stateIn = static_cast<bool>(scan.getInitialState());
    s.stateOut = static_cast<bool>(scan.getFinalState());
    return s;
  }
  if (auto backward = dyn_cast<SelectiveScanBackwardOp>(op)) {
    ScanShape s = commonScan(backward, size);
    s.backward = true;
    s.packed = static_cast<bool>(backward.getCuSeqlens());
    s.stateIn = static_cast<bool>(backward.getInitialState());
    s.stateOut = static_cast<bool>(backward.getFinalStateGrad());
    return s;
  }
  if (auto chunk = dyn_cast<ChunkScanOp>(op)) {
    ScanShape s = commonScan(chunk, size);
    s.out = static_cast<bool>(chunk.getOutInit());
    s.stateIn = !isFreeState(chunk.getStateInit());
    s.stateOut = !chunk.getState().use_empty();
    s.decayOut = static_cast<bool>(chunk.getDecayInit());
    return s;
  }
  return std::nullopt;
}

double seqc::io::tileBytes(const ScanShape &s, TileSchedule t) {
  double m = t.tileM, n = t.tileN;
  double streams = 2 + (s.z ? 1 : 0) + (s.out ? 1 : 0);
  double bytes = streams * m * n * s.a; // u, delta, z, out.
  bytes += ((s.variableB ? n : m) + (s.hasC ? (s.variableC ? n : m) : 0)) *
           s.N * s.a;           // B and C.
  bytes += 2.0 * m * s.N * s.a; // A and the state.
  if (s.backward)               // h and its decay, one state at a time; dout
    bytes += 2 * m * n * s.a + 4 * m * n * s.a + 2 * n * s.N * s.a +
             2 * m * s.N * s.a; // and the gradients.
  return bytes;
}

FormReport seqc::io::fusedForm(const ScanShape &s, TileSchedule t,
                               const ChipInfo &chip,
                               const ExplainOptions &options) {
  FormReport form = makeFusedForm(tileBytes(s, t), t, chip);

  double elements = double(s.B) * s.Dm * s.L, states = elements * s.N;
  double stateBytes = double(s.B) * s.Dm * s.N * s.a;
  double channelTiles = ceilDiv(s.Dm, t.tileM);
  double splits = form.splits;
  // Sweeps over the sequence that need the decay: a split scan, and a backward
  // pass that has no saved states, go over it twice.
  double sweeps = (splits > 1 ? 2 : 1) + (s.backward ? 1 : 0);
  Counts &c = form.counts;

  // The time step: bias, softplus (exp and log), dt * u.
  double perElement = 1 + (s.deltaBias ? 1 : 0) + (s.softplus ? 1 : 0);
  addVector(c, sweeps * elements * perElement);
  if (s.softplus)
    addSpecial(c, sweeps * elements, sweeps * elements);
  // The state: dt * A, its exp, dt * u * B, one multiply-add.
  addVector(c, sweeps * states * 4, sweeps * states * 2);
  addSpecial(c, sweeps * states);
  if (s.backward) {
    // C . h again, dh, dC, dB, sum of dh * B, dh * h * a, its sums with A and
    // dt.
    addVector(c, states * 17, states * 14);
    addVector(c, elements * (4 + (s.D ? 4 : 0) + (s.z ? 6 : 0)));
    if (s.softplus)
      addSpecial(c, elements, elements);
  } else if (s.out) {
    addVector(c, states * 2, states * 2); // C . h
    if (s.D)
      addVector(c, elements * 2, elements * 2);
  }
  if (s.z && (s.out || s.backward)) { // silu: exp and reciprocal.
    addVector(c, elements * 3);
    addSpecial(c, elements, elements);
  }

  // Streams.
  Traffic fixed;
  if (s.backward) {
    // First sweep: u, delta. Second: u, delta, z, dout; gradients out.
    fixed.read = elements * s.e * (2 + 3 + (s.z ? 1 : 0));
    fixed.written = elements * s.e * (2 + (s.z ? 1 : 0));
    fixed.written += (s.bBytes + s.cBytes) + s.paramBytes;
    // States at the starts of the chunks, written and read back.
    double chunks = ceilDiv(s.L, t.tileN);
    form.workspaceBytes = chunks * stateBytes;
    fixed.read += form.workspaceBytes;
    fixed.written += form.workspaceBytes;
    // A second gradient of the state comes in and goes out with the first.
    fixed.read += (s.stateIn ? stateBytes : 0) + (s.stateOut ? stateBytes : 0);
    fixed.written += s.stateIn ? stateBytes : 0;
    if (splits > 1) {
      // What parts add to states and to their gradients: u and delta, and
      // delta, z and dout once more; (decay, state) and the adjoint of each
      // part, and what comes before and behind it.
      fixed.read +=
          elements * s.e * (4 + (s.z ? 1 : 0)) + splits * 6 * stateBytes;
      fixed.written += splits * 5 * stateBytes;
      form.workspaceBytes += splits * 5 * stateBytes;
      addVector(c, states * 3, states * 2);
      addSpecial(c, states);
    }
  } else {
    fixed.read = elements * s.e * (2 + (s.z && s.out ? 1 : 0));
    fixed.written = s.out ? elements * s.e : 0;
    fixed.read += s.stateIn ? stateBytes : 0;
    fixed.written += s.stateOut ? stateBytes : 0;
    fixed.written += s.decayOut ? stateBytes : 0;
    if (splits > 1) {
      // The first sweep reads u and delta; (decay, state) of each part go out
      // and come back to be merged.
      fixed.read += elements * s.e * 2 + splits * 2 * stateBytes;
      fixed.written += splits * 2 * stateBytes;
      addVector(c, splits * double(s.B) * s.Dm * s.N * 3,
                splits * double(s.B) * s.Dm * s.N * 2);
      form.workspaceBytes = splits * 2 * stateBytes;
    }
  }
  c.dram = c.cache = fixed;
  // Parameters, and the constant B and C: every tile its own channels.
  double constants = s.paramBytes + (s.variableB ? 0 : s.bBytes) +
                     (s.variableC ? 0 : s.cBytes);
  c.cache.read += s.B * splits * sweeps * constants;
  c.dram.read +=
      options.modelCache ? constants : s.B * splits * sweeps * constants;
  // Variable B and C: every channel tile of a group streams them. B serves each
  // sweep, C the last.
  double b = s.variableB ? s.bBytes : 0, cc = s.variableC ? s.cBytes : 0;
  double tilesPerGroup = std::max(1.0, channelTiles / double(s.G));
  double loads = tilesPerGroup * (b * sweeps + cc);
  c.cache.read += loads;
  if (s.backward) // Partial gradients of B and C, in the accumulator type.
    c.cache.written += tilesPerGroup * (b + cc) * s.a / s.e;
  double activeBatches = std::min<double>(
      s.B, std::ceil(chip.cores / std::max(1.0, channelTiles * splits)));
  if (!options.modelCache)
    c.dram.read += loads;
  else if (fitsCache(activeBatches * (b + cc) / std::max<int64_t>(1, s.B), chip,
                     options))
    c.dram.read += b * sweeps + cc;
  else
    c.dram.read +=
        std::max(b * sweeps + cc,
                 loads / std::clamp<double>(chip.cores, 1, tilesPerGroup));
  // Tile buffers: every stream in and out once, and the state per step.
  c.onChip.read = sweeps * states * 2 * s.a + elements * 3 * s.a;
  c.onChip.written = sweeps * states * s.a + elements * 2 * s.a;
  setTime(form, chip, s.type, s.B * channelTiles * splits,
          splits > 1 || s.backward ? 2 : 1);
  return form;
}

FormReport seqc::io::unfusedForm(const ScanShape &s, const ChipInfo &chip) {
  PassList p;
  double elements = double(s.B) * s.Dm * s.L, states = elements * s.N;
  double E = elements * s.e, S = states * s.a;
  double state = double(s.B) * s.Dm * s.N * s.a;
  double workspace = 3 * S;
  if (!s.backward) {
    if (s.softplus || s.deltaBias) {
      Counts &c = p.add("time step", E, E);
      addVector(c, elements * ((s.deltaBias ? 1 : 0) + (s.softplus ? 1 : 0)));
      if (s.softplus)
        addSpecial(c, elements, elements);
    }
    Counts &decay = p.add("decay", E + s.paramBytes, S);
    addVector(decay, states);
    addSpecial(decay, states);
    addVector(p.add("input", 2 * E + s.bBytes, S), elements + states);
    addVector(p.add("recurrence", 2 * S + (s.stateIn ? state : 0),
                    S + (s.stateOut ? state : 0)),
              2 * states, 2 * states);
    if (s.out) {
      addVector(p.add("output", S + s.cBytes, E), 2 * states, 2 * states);
      if (s.D)
        addVector(p.add("skip", 2 * E, E), 2 * elements, 2 * elements);
      if (s.z) {
        Counts &gate = p.add("gate", 2 * E, E);
        addVector(gate, 3 * elements);
        addSpecial(gate, elements, elements);
      }
    }
  } else {
    // The forward pass has saved the decay and the states.
    if (s.z) {
      Counts &gate = p.add("gate backward", 3 * E, 2 * E);
      addVector(gate, 6 * elements);
      addSpecial(gate, elements, elements);
    }
    if (s.D)
      addVector(p.add("skip backward", 2 * E, E), 4 * elements);
    addVector(p.add("output backward", E + S + s.cBytes, S + s.cBytes),
              3 * states);
    addVector(p.add("recurrence backward", 2 * S, S), 2 * states, 2 * states);
    addVector(p.add("input backward", S + 2 * E + s.bBytes, 2 * E + s.bBytes),
              5 * states);
    addVector(
        p.add("decay backward", 3 * S + E + s.paramBytes, E + s.paramBytes),
        6 * states);
    if (s.softplus) {
      Counts &c = p.add("time step backward", 2 * E, E);
      addVector(c, 2 * elements);
      addSpecial(c, elements, elements);
    }
  }
  FormReport form = sumPasses(std::move(p.passes), chip, s.type);
  form.workspaceBytes = workspace;
  return form;
}

//===----------------------------------------------------------------------===//
// Causal convolution
//===----------------------------------------------------------------------===//

template <typename OpT>
static ConvShape commonConv(OpT conv, SizeFn size) {
  ConvShape s;
  s.B = size(conv.getX(), 0);
  s.Dm = size(conv.getX(), 1);
  s.L = size(conv.getX(), 2);
  s.W = size(conv.getWeight(), 1);
  s.type = getElementTypeOrSelf(conv.getX());
  s.accType = getAccumulatorType(s.type);
  s.e = elementBytes(s.type);
  s.a = elementBytes(s.accType);
  s.bias = static_cast<bool>(conv.getBias());
  s.silu = conv.getActivation() == Activation::Silu;
  s.stateIn = static_cast<bool>(conv.getInitialState());
  s.paramBytes =
      totalBytes(conv.getWeight(), size) + totalBytes(conv.getBias(), size);
  return s;
}

std::optional<ConvShape> seqc::io::getConvShape(Operation *op, SizeFn size) {
  if (auto conv = dyn_cast<CausalConv1dOp>(op)) {
    ConvShape s = commonConv(conv, size);
    s.stateOut = static_cast<bool>(conv.getFinalState());
    return s;
  }
  if (auto backward = dyn_cast<CausalConv1dBackwardOp>(op)) {
    ConvShape s = commonConv(backward, size);
    s.backward = true;
    s.stateOut = static_cast<bool>(backward.getFinalStateGrad());
    return s;
  }
  return std::nullopt;
}

double seqc::io::tileBytes(const ConvShape &s, TileSchedule t) {
  double bytes =
      t.tileM * ((t.tileN + s.W - 1) * s.a + t.tileN * s.a + (s.W + 1) * s.a);
  if (s.backward) // The gradients of out, of the sums, and of the parameters.
    bytes += t.tileM * ((2 * t.tileN + s.W - 1) * s.a + (s.W + 1) * s.a);
  return bytes;
}

FormReport seqc::io::fusedForm(const ConvShape &s, TileSchedule t,
                               const ChipInfo &chip,
                               const ExplainOptions &options) {
  FormReport form = makeFusedForm(tileBytes(s, t), t, chip);
  double rows = double(s.B) * s.Dm, elements = rows * s.L;
  double state = rows * (s.W - 1) * s.e;
  double timeTiles = ceilDiv(s.L, t.tileN);
  Counts &c = form.counts;
  // Backward: x and the weights from the gradients, and the sums again where
  // the activation needs them.
  double convolutions = s.backward ? (s.silu ? 3 : 2) : 1;
  addVector(c, convolutions * 2.0 * s.W * elements,
            convolutions * 2.0 * s.W * elements);
  if (s.silu) {
    addVector(c, (s.backward ? 6 : 2) * elements);
    addSpecial(c, elements, elements);
  }
  Traffic fixed;
  fixed.read = elements * s.e * (s.backward ? 2 : 1) + (s.stateIn ? state : 0);
  fixed.written = elements * s.e + (s.stateOut ? state : 0);
  if (s.backward) {
    fixed.read += s.stateOut ? state : 0;
    fixed.written = elements * s.e + (s.stateIn ? state : 0) + s.paramBytes;
  }
  c.dram = c.cache = fixed;
  // A tile reads the W - 1 columns before it again.
  double halo = rows * std::max(0.0, timeTiles - 1) * (s.W - 1) * s.e;
  c.cache.read += halo + s.B * timeTiles * s.paramBytes;
  c.dram.read +=
      options.modelCache ? s.paramBytes : halo + s.B * timeTiles * s.paramBytes;
  c.onChip.read = elements * s.W * s.a;
  c.onChip.written = elements * s.a;
  setTime(form, chip, s.type, s.B * double(ceilDiv(s.Dm, t.tileM)) * timeTiles);
  return form;
}

FormReport seqc::io::unfusedForm(const ConvShape &s, const ChipInfo &chip) {
  PassList p;
  double rows = double(s.B) * s.Dm, E = rows * s.L * s.e;
  double state = rows * (s.W - 1) * s.e;
  p.add("pad", E + (s.stateIn ? state : 0), E + state);
  if (s.backward) { // The forward pass has saved the sums.
    double flops = 2.0 * s.W * rows * s.L;
    if (s.silu) {
      Counts &c = p.add("silu backward", 2 * E, E);
      addVector(c, 6 * rows * s.L);
      addSpecial(c, rows * s.L, rows * s.L);
    }
    addVector(p.add("convolution backward", E + s.paramBytes, E + state), flops,
              flops);
    addVector(p.add("weight gradient", 2 * E + state, s.paramBytes), flops,
              flops);
    FormReport form = sumPasses(std::move(p.passes), chip, s.type);
    form.workspaceBytes = E + state + (s.silu ? E : 0);
    return form;
  }
  addVector(p.add("convolution", E + state + s.paramBytes, E),
            2.0 * s.W * rows * s.L, 2.0 * s.W * rows * s.L);
  if (s.silu) {
    Counts &c = p.add("silu", E, E);
    addVector(c, 2 * rows * s.L);
    addSpecial(c, rows * s.L, rows * s.L);
  }
  if (s.stateOut)
    p.add("final state", state, state);
  FormReport form = sumPasses(std::move(p.passes), chip, s.type);
  form.workspaceBytes = E + state + (s.silu ? E : 0);
  return form;
}
