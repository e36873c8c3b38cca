// SPDX-License-Identifier: Apache-2.0
import Archive
import Evidence
import Foundation
import Hardware
import Quantities

enum Fixture {
  /// An archive's path in a new folder that is removed afterwards.
  static func withPath<Result>(_ body: (String) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("anprobe-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.appendingPathComponent("anprobe.sqlite").path)
  }

  static func measurement(_ number: Int = 0, model: String = "small") -> Evidence.Measurement {
    Measurement(
      date: "2026-01-02T03:04:05Z", toolVersion: "test", machine: "machine", model: model, variant: "q8_0",
      inventoryDigest: "0123456789abcdef", isSynthetic: true, threads: 2, kernels: "portable", mode: .full,
      contextTokens: 512, keyValueFormat: "f16",
      prefill: .init(tokens: 512, tokensPerSecond: SampleStatistics([100.5, 101, 99.25])),
      decode: .init(tokens: 128, tokensPerSecond: SampleStatistics([10, 1.0 / 3])),
      peakResident: .exact(.mebibytes(123), .measured, source: "VmHWM of this run"), allocated: ByteCount(number),
      energyPerToken: .unknown(reason: "no \"counter\"\n字"),
      warnings: [.init(kind: "noise", message: "scatters by 9 %")], isComplete: number % 2 == 0)
  }

  static func calibration(_ date: String) -> Calibration {
    Calibration(
      date: date, toolVersion: "test", kernelSet: "avx2", duration: Seconds(9.5),
      rates: [
        .init(
          .matvec, format: "q4_0", threads: 2, operandBytes: 1 << 20, columns: 2048, perSecond: 1.25e10, low: 1.2e10,
          high: 1.0e11 / 3, samples: 5)
      ], overheads: [.init(.barrier, threads: 2, amount: 1e-6, low: 5e-7, high: 2e-6)], warnings: ["busy"])
  }
}
