// SPDX-License-Identifier: Apache-2.0
package import JSONText
internal import Quantities

/// Where the time of a pass goes, operator by operator, held against what the machine can do.
package struct OperatorProfile: Sendable, Equatable {
  /// What this machine does at most, measured in the same run; 0 where it has no such instructions.
  package struct Limits: Sendable, Equatable {
    package var readBytesPerSecond: Double
    package var floatOperationsPerSecond: Double
    package var integerOperationsPerSecond: Double
    /// On 16-bit integers.
    package var wordOperationsPerSecond: Double
    /// On 16-bit floats in tiles.
    package var tileOperationsPerSecond: Double
    /// By turns with the samples.
    package var meanwhile = Meanwhile()
    package init(
      readBytesPerSecond: Double, floatOperationsPerSecond: Double, integerOperationsPerSecond: Double,
      wordOperationsPerSecond: Double = 0, tileOperationsPerSecond: Double = 0
    ) {
      self.readBytesPerSecond = readBytesPerSecond
      self.floatOperationsPerSecond = floatOperationsPerSecond
      self.integerOperationsPerSecond = integerOperationsPerSecond
      self.wordOperationsPerSecond = wordOperationsPerSecond
      self.tileOperationsPerSecond = tileOperationsPerSecond
    }
  }

  /// What the machine did at most while the samples were taken: other limits are the best of a few tries behind them.
  package struct Meanwhile: Sendable, Equatable {
    /// The model's own weights, read by loads alone, between the tokens of decoding; nil where none were generated.
    package var readBytesPerSecond: Double?
    /// Nil without tiles.
    package var tiles: TileRates?
    package init(readBytesPerSecond: Double? = nil, tiles: TileRates? = nil) {
      self.readBytesPerSecond = readBytesPerSecond
      self.tiles = tiles
    }
  }

  /// What tiles did, all tries together.
  package struct TileRates: Sendable, Equatable {
    /// From registers.
    package var operationsPerSecond: Double
    /// With the loads that products are not without, from the first two caches.
    package var loadedOperationsPerSecond: Double
    package init(operationsPerSecond: Double, loadedOperationsPerSecond: Double) {
      self.operationsPerSecond = operationsPerSecond
      self.loadedOperationsPerSecond = loadedOperationsPerSecond
    }
  }

  /// The resource that an operator needs longest.
  package enum Limit: String, Sendable { case memory, arithmetic }

  /// One operator's share of one phase, per token.
  package struct Row: Sendable, Equatable {
    package var name: String
    package var seconds: Double
    /// Of weights and cache, or of the activations that pass through.
    package var bytes: Double
    package var floatOperations: Double
    package var integerOperations: Double
    package var wordOperations: Double
    package var tileOperations: Double
    /// Whether the bytes come from memory rather than from a cache.
    package var readsMemory: Bool

    package init(
      name: String, seconds: Double, bytes: Double = 0, floatOperations: Double = 0, integerOperations: Double = 0,
      wordOperations: Double = 0, tileOperations: Double = 0, readsMemory: Bool = false
    ) {
      self.name = name
      self.seconds = seconds
      self.bytes = bytes
      self.floatOperations = floatOperations
      self.integerOperations = integerOperations
      self.wordOperations = wordOperations
      self.tileOperations = tileOperations
      self.readsMemory = readsMemory
    }

    package var operations: Double { floatOperations + integerOperations + wordOperations + tileOperations }
    package var bytesPerSecond: Double? { rate(bytes) }
    package var operationsPerSecond: Double? { rate(operations) }
    private func rate(_ amount: Double) -> Double? { seconds > 0 && amount > 0 ? amount / seconds : nil }

    /// What binds the operator, and the least time that it allows as a share of the time taken.
    package func binding(_ limits: Limits) -> (limit: Limit, fraction: Double)? {
      guard readsMemory, seconds > 0, limits.readBytesPerSecond > 0, limits.floatOperationsPerSecond > 0 else {
        return nil
      }
      let memory = bytes / limits.readBytesPerSecond
      // A kind that the machine has no instructions for is computed in floats.
      let arithmetic = [
        (floatOperations, limits.floatOperationsPerSecond), (integerOperations, limits.integerOperationsPerSecond),
        (wordOperations, limits.wordOperationsPerSecond), (tileOperations, limits.tileOperationsPerSecond),
      ].reduce(0) { $0 + $1.0 / max($1.1, limits.floatOperationsPerSecond) }
      return memory >= arithmetic ? (.memory, memory / seconds) : (.arithmetic, arithmetic / seconds)
    }
  }

  /// A phase's rows, per token.
  package struct Phase: Sendable, Equatable {
    package var tokens: Int
    /// From outside, per token.
    package var seconds: Double
    package var rows: [Row]
    /// Of each layer, then of the head, the lower quartile of its times over the passes, per token: what it takes while
    /// nobody else uses the processor. A whole prompt lasts longer than that may be so.
    package var stages: [Double]
    package init(tokens: Int, seconds: Double, rows: [Row], stages: [Double] = []) {
      self.tokens = tokens
      self.seconds = seconds
      self.rows = rows
      self.stages = stages
    }

    /// The stages' sum; nil without any.
    package var undisturbedSeconds: Double? { stages.isEmpty ? nil : stages.reduce(0, +) }
    /// Bytes per second that come from memory, over all of the time.
    package var readBytesPerSecond: Double { rows.filter(\.readsMemory).reduce(0) { $0 + $1.bytes } / seconds }
    package var explained: Double { rows.reduce(0) { $0 + $1.seconds } }
    package var explainedFraction: Double { seconds > 0 ? explained / seconds : 1 }
    package var unexplainedSeconds: Double { seconds - explained }
  }

  package var prefill: Phase?
  package var decode: Phase?
  package var limits: Limits

  package init(prefill: Phase?, decode: Phase?, limits: Limits) {
    self.prefill = prefill
    self.decode = decode
    self.limits = limits
  }
}

extension OperatorProfile {
  /// The value of `profile` in the answer of `measure --profile` (docs/json.md).
  package var json: JSON {
    [
      "limits": [
        "readBytesPerSecond": .number(limits.readBytesPerSecond),
        "floatOperationsPerSecond": .number(limits.floatOperationsPerSecond),
        "integerOperationsPerSecond": .number(limits.integerOperationsPerSecond),
        "wordOperationsPerSecond": .number(limits.wordOperationsPerSecond),
        "tileOperationsPerSecond": .number(limits.tileOperationsPerSecond),
        "meanwhile": json(limits.meanwhile),
      ],
      "prefill": prefill.map(json) ?? .null, "decode": decode.map(json) ?? .null,
    ]
  }

  private func json(_ rates: Meanwhile) -> JSON {
    [
      "readBytesPerSecond": rates.readBytesPerSecond.map { .number($0) } ?? .null,
      "tileOperationsPerSecond": rates.tiles.map { .number($0.operationsPerSecond) } ?? .null,
      "loadedTileOperationsPerSecond": rates.tiles.map { .number($0.loadedOperationsPerSecond) } ?? .null,
    ]
  }

  private func json(_ phase: Phase) -> JSON {
    [
      "tokens": .integer(Int64(phase.tokens)), "secondsPerToken": .number(phase.seconds),
      "explainedFraction": .number(phase.explainedFraction),
      "undisturbedSecondsPerToken": phase.undisturbedSeconds.map { .number($0) } ?? .null,
      "stageSecondsPerToken": .array(phase.stages.map { .number($0) }), "operators": .array(phase.rows.map(json)),
    ]
  }

  private func json(_ row: Row) -> JSON {
    let binding = row.binding(limits)
    return [
      "operator": .string(row.name), "secondsPerToken": .number(row.seconds), "bytesPerToken": .number(row.bytes),
      "operationsPerToken": .number(row.operations), "bytesPerSecond": row.bytesPerSecond.map { .number($0) } ?? .null,
      "operationsPerSecond": row.operationsPerSecond.map { .number($0) } ?? .null,
      "limit": binding.map { .string($0.limit.rawValue) } ?? .null,
      "limitFraction": binding.map { .number($0.fraction) } ?? .null,
    ]
  }
}
