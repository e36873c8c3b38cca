// SPDX-License-Identifier: Apache-2.0
internal import Evidence
internal import Inference

/// What tiles do at most while prompts run, sampled by turns with them.
///
/// On a machine that others use too the best of a few tries says what tiles can do, not what they could at that time
/// (docs/decisions/0048-room-between-tile-instructions.md).
struct TileTurns {
  private let probe: TileProbe
  private var registers = RateSum()
  private var loaded = RateSum()

  /// Of some milliseconds each, a twentieth of a second together.
  private static let tries = 8
  private static let rounds = 1 << 16

  /// - Returns: nil where the kernels have no tiles.
  /// - Throws: `LanguageRuntimeError.outOfMemory`.
  init?(kernels: KernelSet, pool: ThreadPool) throws(LanguageRuntimeError) {
    guard let probe = try TileProbe(kernels: kernels, pool: pool) else { return nil }
    self.probe = probe
  }

  mutating func sample() {
    for _ in 0..<Self.tries {
      registers.add { probe.multiply(rounds: Self.rounds, withLoads: false) }
      loaded.add { probe.multiply(rounds: Self.rounds, withLoads: true) }
    }
  }

  /// All tries together: what stretches that last longer than the machine's moods have on average.
  var rates: OperatorProfile.TileRates {
    OperatorProfile.TileRates(operationsPerSecond: registers.rate ?? 0, loadedOperationsPerSecond: loaded.rate ?? 0)
  }
}
