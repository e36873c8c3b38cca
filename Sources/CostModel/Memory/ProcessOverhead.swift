// SPDX-License-Identifier: Apache-2.0
package import Hardware
package import Quantities

/// Resident memory of this program beyond the buffers of the plan: code, libraries, stacks, the catalogue.
package struct ProcessOverhead: Sendable, Equatable {
  /// Resident bytes of `anprobe` before it loads a model, with catalogue and thread pool, x86-64 release build.
  static let usual = ByteCount.mebibytes(24)

  package let bytes: Known<ByteCount>
  package let formula: String

  package init(_ calibration: Calibration?) {
    if let measured = calibration?.overheads.first(where: { $0.kind == .processBytes }) {
      bytes = .known(
        ByteCount(magnitude: measured.amount), low: ByteCount(magnitude: measured.low),
        high: ByteCount(magnitude: measured.high), basis: .calibrated, source: "resident bytes without a model")
      formula = "measured here without a model"
    } else {
      bytes = .within(0.5, of: Self.usual, .modelled)
      formula = "a release build on x86-64 without a model"
    }
  }
}
