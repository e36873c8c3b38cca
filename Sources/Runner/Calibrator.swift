// SPDX-License-Identifier: Apache-2.0
package import CostModel
package import Hardware
package import Inference
internal import LanguageModel
package import Quantities

/// Measures, in seconds, what this machine's kernels do: the constants of every calibrated estimate.
package struct Calibrator {
  let plan = CalibrationPlan()
  let machine: HardwareProfile
  let kernels: KernelSet
  private let toolVersion: String
  let progress: (String) -> Void

  /// Cold memory: so many last-level caches that hardly a line survives a walk, even where replacement is not by age.
  static let coldCaches = 16
  static let leastRegion = ByteCount.mebibytes(96)
  static let largestRegion = ByteCount.gibibytes(1)
  /// One sample's walk through it.
  static let walkBytes = 96e6

  package init(
    machine: HardwareProfile, kernels: KernelSet = .best, toolVersion: String,
    progress: @escaping (String) -> Void = { _ in }
  ) {
    self.machine = machine
    self.kernels = kernels
    self.toolVersion = toolVersion
    self.progress = progress
  }

  /// Bytes of the weights that kernels are measured on.
  package var regionBytes: ByteCount { Self.regionBytes(of: machine) }

  static func regionBytes(of machine: HardwareProfile) -> ByteCount {
    let cache = machine.processor.lastLevelCache?.size ?? .mebibytes(32)
    let wanted = min(largestRegion, max(leastRegion, cache * coldCaches))
    // A small machine must not be pushed into swap by its own calibration.
    return min(wanted, (machine.memory.usable.value ?? wanted) / 8)
  }

  /// Each phase is measured with the threads that it will have.
  ///
  /// - Parameter threads: what is left open takes the counts that prove fastest.
  /// - Throws: `LanguageRuntimeError` when memory or threads are refused.
  package func calibrate(threads: ThreadWish) throws(LanguageRuntimeError) -> Calibration {
    let start = Timing.now()
    let (threads, samples, measured) = try measurements(threads)
    // All buffers are given back: what is resident is the program whose kernels have run, as it is beside a model.
    let overheads = measured + Self.process(ResidentMemory.now(), threads: threads.decode)
    return Calibration(
      date: Timing.date(), toolVersion: toolVersion, kernelSet: kernels.name.rawValue,
      duration: Seconds(Timing.now() - start), rates: samples.rates, overheads: overheads, warnings: samples.warnings)
  }

  private func measurements(
    _ wish: ThreadWish
  ) throws(LanguageRuntimeError) -> (ThreadCounts, RateSamples, [Calibration.Overhead]) {
    let trials = try self.trials()
    let threads = wish.filled(
      from: ThreadChoice.best(of: trials) ?? ThreadCounts(machine.processor.usableCores))
    var samples = RateSamples(threads: threads)
    for trial in trials {
      samples.add(.init(.decodeTrial, threads: trial.threads), trial.decode)
      samples.add(.init(.prefillTrial, threads: trial.threads), trial.prefill)
    }
    let pool = try ThreadPool(counts: threads)
    defer { pool.stop() }
    let probe = try KernelProbe(kernels: kernels, pool: pool, regionBytes: regionBytes)
    try readBandwidth(&samples, threads)
    peaks(probe, &samples)
    products(probe, &samples)
    try attention(probe, &samples)
    var overheads: [Calibration.Overhead] = []
    for count in Set([threads.decode, threads.prefill]).sorted() {
      let barrier = self.barrier(probe, threads: count)
      overheads.append(.init(.barrier, threads: count, amount: barrier.middle, low: barrier.low, high: barrier.high))
      try passes(threads: count, &samples, barrier: barrier.middle)
    }
    return (threads, samples, overheads)
  }

  /// What threads are counted by: a usual format, whose codes cost more arithmetic than those of others. Where many cores
  /// share a memory it needs more of them to keep up with it, and those that need fewer lose nothing.
  private static let trialFormat = RuntimeFormat(.q4_k)

  /// The same two products with each count of threads; the best sample counts, since what else runs only slows them.
  private func trials() throws(LanguageRuntimeError) -> [ThreadChoice.Trial] {
    var trials: [ThreadChoice.Trial] = []
    for count in ThreadChoice.candidates(for: machine.processor) {
      progress("products with \(count) \(count == 1 ? "thread" : "threads")")
      let pool = try ThreadPool(count: count)
      defer { pool.stop() }
      let probe = try KernelProbe(kernels: kernels, pool: pool, regionBytes: regionBytes)
      probe.use(Self.trialFormat)
      var (decode, prefill) = (RateSamples(threads: .init(count)), RateSamples(threads: .init(count)))
      for _ in 0..<plan.repeats {
        matvecs(probe, Self.trialFormat, [plan.trialJobBytes], &decode)
        gemm(probe, Self.trialFormat, &prefill)
      }
      trials.append(
        .init(
          threads: count, decode: decode.rates.first?.high ?? 0, prefill: prefill.rates.first?.high ?? 0))
    }
    return trials
  }

  private static func process(_ resident: ByteCount?, threads: Int) -> [Calibration.Overhead] {
    guard let bytes = resident?.magnitude else { return [] }
    return [Calibration.Overhead(.processBytes, threads: threads, amount: bytes, low: bytes * 0.9, high: bytes * 1.1)]
  }

  /// Reads with one thread, two, four ... and those of each phase.
  private func readBandwidth(_ samples: inout RateSamples, _ threads: ThreadCounts) throws(LanguageRuntimeError) {
    let powers = (0..<Int.bitWidth - 1).lazy.map { 1 << $0 }.prefix { $0 < threads.most }
    for count in Set(Array(powers) + [threads.decode, threads.prefill]).sorted() {
      progress("reading memory with \(count) \(count == 1 ? "thread" : "threads")")
      let pool = try ThreadPool(count: count)
      defer { pool.stop() }
      let probe = try KernelProbe(kernels: kernels, pool: pool, regionBytes: regionBytes, widest: 256, tokens: 1)
      _ = probe.read()
      for _ in 0..<plan.repeats {
        var bytes = 0
        let seconds = Timing.seconds { bytes = probe.read() }
        samples.add(.init(.read, threads: count), Double(bytes) / seconds)
      }
    }
  }

  /// Multiply-adds in registers: what no product can exceed.
  private func peaks(_ probe: KernelProbe, _ samples: inout RateSamples) {
    progress("multiplying in registers")
    let peaks: [(Calibration.Rate.Operation, OperatorWork.Arithmetic)] = [
      (.floatPeak, .floats), (.integerPeak, .integers),
    ]
    for (operation, arithmetic) in peaks {
      for _ in 0..<plan.repeats {
        var operations = 0.0
        let seconds = Timing.seconds {
          operations = probe.multiplyAdds(of: arithmetic, rounds: plan.peakRounds)
        }
        if operations > 0 { samples.add(.init(operation), operations / seconds) }
      }
    }
  }

  private func products(_ probe: KernelProbe, _ samples: inout RateSamples) {
    for round in 0..<plan.rounds {
      for format in plan.fast {
        progress("products in \(format.name), round \(round + 1) of \(plan.rounds)")
        probe.use(format)
        matvecs(probe, format, plan.jobBytes, &samples)
        if round < plan.batchRounds {
          gemm(probe, format, &samples)
          few(probe, format, &samples)
        }
      }
      keptProducts(probe, round, &samples)
      guard round < plan.decodedRounds else { continue }
      for format in plan.decoded {
        progress("products in \(format.name), round \(round + 1) of \(plan.decodedRounds)")
        probe.use(format)
        matvecs(probe, format, [plan.decodedJobBytes], &samples)
        gemm(probe, format, &samples)
      }
    }
  }

  private func keptProducts(_ probe: KernelProbe, _ round: Int, _ samples: inout RateSamples) {
    guard round < plan.keptRounds else { return }
    for format in plan.kept {
      progress("products in \(format.name), round \(round + 1) of \(plan.keptRounds)")
      probe.use(format)
      matvecs(probe, format, plan.jobBytes, &samples)
      if round < 2 {
        gemm(probe, format, &samples)
        few(probe, format, &samples)
      }
    }
  }

  /// One walk through the region per job size.
  func matvecs(
    _ probe: KernelProbe, _ format: RuntimeFormat, _ sizes: [Int], _ samples: inout RateSamples
  ) {
    let isDirect = probe.isDirect(format)
    for size in sizes {
      let rows = max(16, size / probe.rowBytes(columns: plan.columns) / 16 * 16)
      let target = isDirect ? Self.walkBytes : Double(size)
      _ = probe.matvec(rows: rows, columns: plan.columns)
      var bytes = 0
      let seconds = Timing.seconds {
        while Double(bytes) < target * 0.9 { bytes += probe.matvec(rows: rows, columns: plan.columns) }
      }
      samples.add(
        .init(.matvec, format: format.name, operandBytes: size, columns: plan.columns), Double(bytes) / seconds)
    }
  }

  func gemm(_ probe: KernelProbe, _ format: RuntimeFormat, _ samples: inout RateSamples) {
    for columns in plan.productColumns {
      let rows = plan.productRows
      // Once before, as if others had gone before in a prompt.
      var operations = probe.promptProduct(rows: rows, columns: columns, tokens: plan.tokens)
      let seconds = Timing.seconds {
        operations = probe.promptProduct(rows: rows, columns: columns, tokens: plan.tokens)
      }
      samples.add(
        .init(
          .gemm, format: format.name, batch: plan.tokens, operandBytes: rows * probe.rowBytes(columns: columns),
          columns: columns), operations / seconds)
    }
  }

  /// Products with a few vectors: one walk per count over weights that lie in memory.
  func few(_ probe: KernelProbe, _ format: RuntimeFormat, _ samples: inout RateSamples) {
    let bytes = probe.rowBytes(columns: plan.columns)
    let rows = plan.fewBytes / bytes / 16 * 16
    for tokens in plan.fewTokens {
      _ = probe.gemm(rows: rows, columns: plan.columns, tokens: tokens)
      var operations = 0.0
      let seconds = Timing.seconds {
        for _ in 0..<max(1, Int(plan.fewWalkBytes) / (rows * bytes)) {
          operations += probe.gemm(rows: rows, columns: plan.columns, tokens: tokens)
        }
      }
      samples.add(
        .init(.gemm, format: format.name, batch: tokens, operandBytes: rows * bytes, columns: plan.columns),
        operations / seconds)
    }
  }

  private func attention(_ probe: KernelProbe, _ samples: inout RateSamples) throws(LanguageRuntimeError) {
    for format in [KeyValueFormat.f16, .q8_0, .f32] {
      for width in plan.headWidths {
        progress("attention, \(format.rawValue) cache, heads of \(width)")
        for group in plan.headGroups {
          let attention = try self.attention(
            group: group, width: width, format, context: plan.contexts.max() ?? 0, probe.pool)
          for context in plan.contexts {
            attend(
              attention, beside: probe, group: group, at: context, format, width, plan.attentionRepeats, &samples)
          }
        }
      }
    }
  }

  /// Heads of that width, so many to a KV head, over a cache that holds a context and a prompt's chunk behind it.
  func attention(
    group: Int, width: Int, _ format: KeyValueFormat, context: Int, _ pool: ThreadPool
  ) throws(LanguageRuntimeError) -> AttentionProbe {
    let keyHeads = plan.keyWidth / width
    let shape = Attention(heads: group * keyHeads, keyValueHeads: keyHeads, keyWidth: width, valueWidth: width)
    return try AttentionProbe(
      shape, context: context + plan.tokens, format: format, layers: plan.attentionLayers, kernels: kernels, pool: pool)
  }

  /// One token behind so many cached ones, and the last of a prompt's chunks that ends there.
  func attend(
    _ attention: AttentionProbe, beside probe: KernelProbe, group: Int, at context: Int, _ format: KeyValueFormat,
    _ width: Int, _ repeats: (token: Int, prompt: Int), _ samples: inout RateSamples
  ) {
    func key(_ operation: Calibration.Rate.Operation, _ queries: Int, _ positions: Int) -> RateSamples.Key {
      let bytes = Double(2 * plan.keyWidth) * format.bitsPerElement / 8 * Double(positions)
      return RateSamples.Key(
        operation, format: format.rawValue, batch: queries, operandBytes: Int(bytes), columns: width)
    }
    for _ in 0..<repeats.token {
      // A model's weights pass through the caches between a layer's attention and its next one.
      probe.read(atMost: plan.weightsBetween)
      var operations = 0.0
      let seconds = Timing.seconds { operations = attention.run(tokens: 1, at: context) }
      samples.add(key(.attention, group, context), operations / seconds)
    }
    let first = max(0, context - plan.tokens) / plan.tokens * plan.tokens
    for _ in 0..<repeats.prompt {
      // Tiles that have rested start slowly; a prompt's attention stands between products, where they never do.
      _ = attention.run(tokens: plan.tokens, at: 0, layers: 1)
      var operations = 0.0
      let seconds = Timing.seconds { operations = attention.run(tokens: plan.tokens, at: first, layers: 1) }
      samples.add(key(.attentionPrefill, plan.tokens * group, first + plan.tokens), operations / seconds)
    }
  }

  private func barrier(_ probe: KernelProbe, threads: Int) -> RateSamples.Spread {
    progress("starting and joining threads")
    let times = (0..<9).map { _ in Timing.seconds { for _ in 0..<500 { probe.barrier(threads: threads) } } / 500 }
    return RateSamples.Spread(times)
  }
}
