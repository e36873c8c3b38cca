// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// What this machine's kernels were measured to do, once, in seconds; the constants of every calibrated estimate.
package struct Calibration: Sendable, Equatable {
  /// One measured rate, found again by all of its keys.
  package struct Rate: Sendable, Equatable {
    package enum Operation: String, Sendable, CaseIterable {
      /// Wide reads of memory; bytes per second.
      case read
      /// Matrix-vector product over weights in memory; weight bytes per second.
      case matvec
      /// The same over weights in cache, one thread.
      case matvecInCache = "matvec-in-cache"
      /// Matrix product over `batch` columns; operations per second.
      case gemm
      /// Attention of one token over the cache, `columns` elements a head, `batch` heads that share a cached row;
      /// operations per second.
      case attention
      /// Attention of a chunk of `batch` tokens; operations per second.
      case attentionPrefill = "attention-prefill"
      /// Norms, rotations, activations of `batch` tokens at a time; bytes of activations per second.
      case elementwise
      /// Multiply-adds of 32-bit floats, and of 8-bit integers, from registers alone; operations per second.
      case floatPeak = "float-peak"
      case integerPeak = "integer-peak"
      /// Products of one token and of many with so many threads, to choose their number; bytes and operations per second.
      case decodeTrial = "decode-trial"
      case prefillTrial = "prefill-trial"
    }
    package var operation: Operation
    /// The weight or cache format; empty where there is none.
    package var format: String
    package var threads: Int
    package var batch: Int
    /// Bytes of the matrix of one call, so that large and small ones can be told apart; 0 where it does not matter.
    package var operandBytes: Int
    /// Length of a row, where it matters; 0 elsewhere.
    package var columns: Int
    /// Bytes or operations per second, as the operation says.
    package var perSecond: Double
    package var low: Double
    package var high: Double
    package var samples: Int

    package init(
      _ operation: Operation, format: String = "", threads: Int, batch: Int = 1, operandBytes: Int = 0,
      columns: Int = 0, perSecond: Double, low: Double, high: Double, samples: Int
    ) {
      self.operation = operation
      self.format = format
      self.threads = threads
      self.batch = batch
      self.operandBytes = operandBytes
      self.columns = columns
      self.perSecond = perSecond
      self.low = low
      self.high = high
      self.samples = samples
    }

    /// Whether both say how fast the same is done.
    func isOfSameWork(as other: Rate) -> Bool {
      (operation, format, threads) == (other.operation, other.format, other.threads)
        && (batch, operandBytes, columns) == (other.batch, other.operandBytes, other.columns)
    }
  }

  /// A time that every call costs, whatever its size.
  package struct Overhead: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
      /// Starting a job on all threads and joining.
      case barrier
      /// One operator of the graph beyond its bytes.
      case operation = "operator"
      /// The bytes of a process that has loaded no model, in `amount` bytes instead of seconds.
      case processBytes = "process-bytes"
    }
    package var kind: Kind
    package var threads: Int
    /// Seconds, or bytes for `processBytes`.
    package var amount: Double
    package var low: Double
    package var high: Double
    package init(_ kind: Kind, threads: Int, amount: Double, low: Double, high: Double) {
      self.kind = kind
      self.threads = threads
      self.amount = amount
      self.low = low
      self.high = high
    }
  }

  /// With these rates in place of those of the same work.
  package func replacing(_ newer: [Rate]) -> Calibration {
    var result = self
    result.rates.removeAll { old in newer.contains { $0.isOfSameWork(as: old) } }
    result.rates += newer
    return result
  }

  /// ISO 8601, UTC.
  package var date: String
  package var toolVersion: String
  package var kernelSet: String
  package var duration: Seconds
  package var rates: [Rate]
  package var overheads: [Overhead]
  /// Doubts: the machine was busy, rates scattered.
  package var warnings: [String]

  package init(
    date: String, toolVersion: String, kernelSet: String, duration: Seconds, rates: [Rate], overheads: [Overhead],
    warnings: [String]
  ) {
    self.date = date
    self.toolVersion = toolVersion
    self.kernelSet = kernelSet
    self.duration = duration
    self.rates = rates
    self.overheads = overheads
    self.warnings = warnings
  }
}
