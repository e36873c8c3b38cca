// SPDX-License-Identifier: Apache-2.0

extension Sampler {
  /// How freely to choose.
  package struct Settings: Sendable, Equatable {
    /// 0 takes the most likely token; it divides the logits of what the cuts have left.
    package var temperature: Double
    /// The most likely tokens that are considered; 0 considers all.
    package var topK: Int
    /// Keeps the tokens whose surprise is nearest to the expected one, up to this sum of probabilities; 1 keeps all
    /// (locally typical sampling, arXiv 2202.00666).
    package var typicalP = 1.0
    /// The smallest set of tokens whose probabilities reach this sum (nucleus sampling, arXiv 1904.09751).
    package var topP: Double
    /// Tokens below this share of the best one's probability are dropped.
    package var minP: Double
    package var penalties = Penalties()
    /// Replaces every cut by a control of the surprise.
    package var mirostat: Mirostat?
    package var seed: UInt64

    package init(
      temperature: Double = 0.8, topK: Int = 40, topP: Double = 0.95, minP: Double = 0.05, seed: UInt64 = 1
    ) {
      self.temperature = temperature
      self.topK = topK
      self.topP = topP
      self.minP = minP
      self.seed = seed
    }
  }

  /// What makes tokens less likely that were there already, the prompt's included.
  package struct Penalties: Sendable, Equatable {
    /// How many of the last tokens count.
    package var window: Int
    /// Divides positive logits and multiplies negative ones; 1 changes nothing (CTRL, arXiv 1909.05858).
    package var repetition: Double
    /// Taken from a logit for every time that the token occurs.
    package var frequency: Double
    /// Taken from a logit once when the token occurs.
    package var presence: Double

    package init(window: Int = 64, repetition: Double = 1, frequency: Double = 0, presence: Double = 0) {
      self.window = window
      self.repetition = repetition
      self.frequency = frequency
      self.presence = presence
    }

    var isActive: Bool { window > 0 && (repetition != 1 || frequency != 0 || presence != 0) }
  }

  /// Mirostat 2.0 (arXiv 2007.14966): the greatest allowed surprise follows what was seen.
  package struct Mirostat: Sendable, Equatable {
    /// The surprise to hold, in bits per token.
    package var target: Double
    /// How fast the limit follows.
    package var rate: Double

    package init(target: Double = 5, rate: Double = 0.1) {
      self.target = target
      self.rate = rate
    }
  }
}
