// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// What a live run of one variant of one model showed.
package struct Measurement: Sendable, Equatable {
  /// In place of a variant's name: a file's own mixture of formats.
  package static let asInFile = "as the file has it"

  /// How much of the model ran.
  package enum Mode: String, Sendable {
    case full
    /// Representative layers, scaled to all of them by their bytes.
    case sampled
  }

  /// One phase: tokens of one sample, and the rates of all samples.
  package struct Phase: Sendable, Equatable {
    package var tokens: Int
    package var tokensPerSecond: SampleStatistics
    package init(tokens: Int, tokensPerSecond: SampleStatistics) {
      self.tokens = tokens
      self.tokensPerSecond = tokensPerSecond
    }
  }

  /// A doubt about the figures: a word for programs and a sentence for people.
  package struct Warning: Sendable, Equatable {
    package var kind: String
    package var message: String
    package init(kind: String, message: String) {
      self.kind = kind
      self.message = message
    }
  }

  /// ISO 8601, UTC.
  package var date: String
  package var toolVersion: String
  package var machine: String
  package var model: String
  package var variant: String
  /// Names the list of tensors that ran: shapes and formats.
  package var inventoryDigest: String
  package var isSynthetic: Bool
  /// Of passes of a few rows, and of prompts.
  package var threads: Int
  package var threadsBatch: Int
  package var kernels: String
  package var mode: Mode
  /// Positions of one sequence's cache.
  package var contextTokens: Int
  /// Sequences that decoded together; decode counts the tokens of all of them.
  package var sequences: Int
  package var keyValueFormat: String
  /// Nil when it was stopped before the first sample.
  package var prefill: Phase?
  package var decode: Phase?
  package var peakResident: Known<ByteCount>
  /// What the runtime allocated, weights included.
  package var allocated: ByteCount
  package var energyPerToken: Known<Energy>
  package var energyPerPromptToken: Known<Energy> = .unknown(reason: "not measured")
  /// Where a meter measured; not kept in the history.
  package var power: MeasuredPower?
  package var warnings: [Warning]
  /// False when it was interrupted: the samples so far are kept.
  package var isComplete: Bool
  /// Why so many threads, where nobody said how many; not kept in the history.
  package var threadsReason: String?
  /// Where the time went, when it was asked for; not kept in the history.
  package var profile: OperatorProfile?

  package init(
    date: String, toolVersion: String, machine: String, model: String, variant: String, inventoryDigest: String,
    isSynthetic: Bool, threads: Int, threadsBatch: Int? = nil, kernels: String, mode: Mode, contextTokens: Int,
    sequences: Int = 1, keyValueFormat: String,
    prefill: Phase? = nil, decode: Phase? = nil,
    peakResident: Known<ByteCount> = .unknown(reason: "not measured"), allocated: ByteCount,
    energyPerToken: Known<Energy> = .unknown(reason: "not measured"), warnings: [Warning] = [], isComplete: Bool = true
  ) {
    self.date = date
    self.toolVersion = toolVersion
    self.machine = machine
    self.model = model
    self.variant = variant
    self.inventoryDigest = inventoryDigest
    self.isSynthetic = isSynthetic
    self.threads = threads
    self.threadsBatch = threadsBatch ?? threads
    self.kernels = kernels
    self.mode = mode
    self.contextTokens = contextTokens
    self.sequences = sequences
    self.keyValueFormat = keyValueFormat
    self.prefill = prefill
    self.decode = decode
    self.peakResident = peakResident
    self.allocated = allocated
    self.energyPerToken = energyPerToken
    self.warnings = warnings
    self.isComplete = isComplete
  }
}
