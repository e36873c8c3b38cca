// SPDX-License-Identifier: Apache-2.0
package import Evidence
package import Hardware
package import Inference
internal import LanguageModel
internal import Quantities

/// Measures products with rows of kept weights beside dense ones, for the sparsity from which they win.
package struct SparsityTrial {
  static let keptPermille = [900, 800, 700, 600, 500, 400, 300, 200, 150, 100, 50, 20]
  private static let rounds = 2
  private static let samples = 3
  private static let jobBytes = 8 << 20
  private static let tokens = 512

  private let machine: HardwareProfile
  private let kernels: KernelSet
  private let progress: (String) -> Void

  package init(machine: HardwareProfile, kernels: KernelSet, progress: @escaping (String) -> Void) {
    self.machine = machine
    self.kernels = kernels
    self.progress = progress
  }

  /// - Throws: `LanguageRuntimeError` when memory or threads are refused.
  package func measure(threads: Int) throws(LanguageRuntimeError) -> SparsityTable {
    let pool = try ThreadPool(count: threads)
    defer { pool.stop() }
    let probe = try KernelProbe(kernels: kernels, pool: pool, regionBytes: Calibrator.regionBytes(of: machine))
    let columns = RuntimeFormat.referenceColumns
    var rows = SparsityTable.dense.map { SparsityTable.Row(format: $0, sparsity: nil) }
    for kept in Self.keptPermille {
      guard let format = RuntimeFormat.keptRows(permille: kept, columns: columns) else { continue }
      rows.append(SparsityTable.Row(format: format, sparsity: Double(1000 - kept) / 1000))
    }
    for round in 0..<Self.rounds {
      for index in rows.indices {
        progress("products in \(rows[index].format.name), round \(round + 1) of \(Self.rounds)")
        probe.use(rows[index].format)
        for _ in 0..<Self.samples { sample(probe, columns, &rows[index]) }
      }
    }
    return SparsityTable(kernelSet: kernels.name.rawValue, threads: threads, rows: rows)
  }

  private func sample(_ probe: KernelProbe, _ columns: Int, _ row: inout SparsityTable.Row) {
    let count = Self.jobBytes / probe.rowBytes(columns: columns) / 16 * 16
    var bytes = 0
    let seconds = Timing.seconds {
      while Double(bytes) < Calibrator.walkBytes { bytes += probe.matvec(rows: count, columns: columns) }
    }
    row.decode = max(row.decode, Double(bytes) * 8 / row.format.bitsPerWeight / seconds)
    var operations = 0.0
    let longer = Timing.seconds { operations = probe.gemm(rows: columns, columns: columns, tokens: Self.tokens) }
    row.prefill = max(row.prefill, operations / 2 / longer)
  }
}
