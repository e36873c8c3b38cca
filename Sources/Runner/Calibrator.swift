// SPDX-License-Identifier: Apache-2.0
internal import CostModel
package import Hardware
package import Inference
internal import LanguageModel
internal import Quantities

/// Measures, in seconds, what this machine's kernels do: the constants of every calibrated estimate.
package struct Calibrator {
  let plan = CalibrationPlan()
  private let machine: HardwareProfile
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

  private var regionBytes: ByteCount {
    let cache = machine.processor.lastLevelCache?.size ?? .mebibytes(32)
    let wanted = min(Self.largestRegion, max(Self.leastRegion, cache * Self.coldCaches))
    // A small machine must not be pushed into swap by its own calibration.
    return min(wanted, (machine.memory.usable.value ?? wanted) / 8)
  }

  /// - Throws: `LanguageRuntimeError` when memory or threads are refused.
  package func calibrate(threads: Int) throws(LanguageRuntimeError) -> Calibration {
    let start = Timing.now()
    let resident = ResidentMemory.now()
    var samples = RateSamples(threads: threads)
    let pool = try ThreadPool(count: threads)
    defer { pool.stop() }
    let probe = try KernelProbe(kernels: kernels, pool: pool, regionBytes: regionBytes)
    try readBandwidth(&samples, most: threads)
    products(probe, &samples)
    try attention(pool, &samples)
    let barrier = self.barrier(probe)
    let overheads =
      [Calibration.Overhead(.barrier, threads: threads, amount: barrier.middle, low: barrier.low, high: barrier.high)]
      + Self.process(resident, threads: threads)
    try passes(pool, &samples, barrier: barrier.middle)
    return Calibration(
      date: Timing.date(), toolVersion: toolVersion, kernelSet: kernels.name.rawValue,
      duration: Seconds(Timing.now() - start), rates: samples.rates, overheads: overheads, warnings: samples.warnings)
  }

  private static func process(_ resident: ByteCount?, threads: Int) -> [Calibration.Overhead] {
    guard let bytes = resident?.magnitude else { return [] }
    return [Calibration.Overhead(.processBytes, threads: threads, amount: bytes, low: bytes * 0.9, high: bytes * 1.1)]
  }

  /// Reads with one thread, two, four ... and all.
  private func readBandwidth(_ samples: inout RateSamples, most: Int) throws(LanguageRuntimeError) {
    var count = 1
    while true {
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
      guard count < most else { return }
      count = min(most, count * 2)
    }
  }

  private func products(_ probe: KernelProbe, _ samples: inout RateSamples) {
    for round in 0..<plan.rounds {
      for format in plan.fast {
        progress("products in \(format.rawValue), round \(round + 1) of \(plan.rounds)")
        probe.use(format)
        matvecs(probe, format, plan.jobBytes, &samples)
        if round < plan.batchRounds {
          gemm(probe, format, &samples)
          few(probe, format, &samples)
        }
      }
      guard round < plan.decodedRounds else { continue }
      for format in plan.decoded {
        progress("products in \(format.rawValue), round \(round + 1) of \(plan.decodedRounds)")
        probe.use(format)
        matvecs(probe, format, [plan.decodedJobBytes], &samples)
        if round == 0 { gemm(probe, format, &samples) }
      }
    }
  }

  /// One walk through the region per job size.
  private func matvecs(
    _ probe: KernelProbe, _ format: BlockFormat, _ sizes: [Int], _ samples: inout RateSamples
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
        .init(.matvec, format: format.rawValue, operandBytes: size, columns: plan.columns), Double(bytes) / seconds)
    }
  }

  private func gemm(_ probe: KernelProbe, _ format: BlockFormat, _ samples: inout RateSamples) {
    for columns in plan.productColumns {
      let rows = probe.isDirect(format) ? plan.productRows : plan.productRows / 4
      var operations = 0.0
      let seconds = Timing.seconds { operations = probe.gemm(rows: rows, columns: columns, tokens: plan.tokens) }
      samples.add(
        .init(
          .gemm, format: format.rawValue, batch: plan.tokens, operandBytes: rows * probe.rowBytes(columns: columns),
          columns: columns), operations / seconds)
    }
  }

  /// Products with a few vectors: one walk per count over weights that lie in memory.
  private func few(_ probe: KernelProbe, _ format: BlockFormat, _ samples: inout RateSamples) {
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
        .init(.gemm, format: format.rawValue, batch: tokens, operandBytes: rows * bytes, columns: plan.columns),
        operations / seconds)
    }
  }

  private func attention(_ pool: ThreadPool, _ samples: inout RateSamples) throws(LanguageRuntimeError) {
    for format in [KeyValueFormat.f16, .q8_0, .f32] {
      for width in plan.headWidths {
        progress("attention, \(format.rawValue) cache, heads of \(width)")
        let shape = Attention(heads: 2048 / width, keyValueHeads: 512 / width, keyWidth: width, valueWidth: width)
        let probe = try AttentionProbe(
          shape, context: 1024, format: format, layers: 8, kernels: kernels, pool: pool)
        for _ in 0..<plan.repeats {
          var operations = 0.0
          let decode = Timing.seconds { for _ in 0..<4 { operations += probe.run(tokens: 1, at: plan.context) } }
          samples.add(.init(.attention, format: format.rawValue, columns: width), operations / decode)
        }
        for _ in 0..<3 {
          var operations = 0.0
          let prefill = Timing.seconds { operations = probe.run(tokens: plan.tokens, at: 0, layers: 2) }
          samples.add(
            .init(.attentionPrefill, format: format.rawValue, batch: plan.tokens, columns: width), operations / prefill)
        }
      }
    }
  }

  private func barrier(_ probe: KernelProbe) -> RateSamples.Spread {
    progress("starting and joining threads")
    let times = (0..<9).map { _ in Timing.seconds { for _ in 0..<500 { probe.barrier() } } / 500 }
    return RateSamples.Spread(times)
  }
}
