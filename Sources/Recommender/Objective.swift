// SPDX-License-Identifier: Apache-2.0
package import CostModel
package import Quantities

/// What a person wants most.
package enum Objective: String, Sendable, CaseIterable {
  /// The smallest loss; losses too small to tell apart are decided by speed.
  case quality
  /// The fastest whose loss is at most noticeable.
  case speed
  /// The least energy per token whose loss is at most noticeable.
  case energy
  /// Speed and loss together: a tenth of a nat per token weighs as much as a factor e in speed.
  case balanced

  static let lossWeight = 10.0
  /// Above this grade speed and energy are not worth having.
  static let worstGrade = QualityEstimate.Grade.noticeable

  /// Smaller is better; nil when a figure it needs is unknown.
  func score(_ estimate: CostEstimate) -> Double? {
    guard let told = Self.toldLoss(estimate) else { return nil }
    let rate = estimate.decode.value?.magnitude
    switch self {
    case .quality: return told * 1e3 - (rate.map(Logarithm.natural) ?? 0) * 1e-3
    case .speed: return rate.map { -$0 }
    case .energy: return estimate.energyPerToken.value?.joules
    case .balanced: return rate.map { Self.lossWeight * told - Logarithm.natural($0) }
    }
  }

  /// The loss in nats, 0 within the finest grade: nobody can tell those apart.
  static func toldLoss(_ estimate: CostEstimate) -> Double? {
    estimate.quality.grade == .indistinguishable ? 0 : estimate.quality.loss.value?.nats
  }

  /// Whether the objective is indifferent to a loss of this grade.
  func tolerates(_ grade: QualityEstimate.Grade?) -> Bool {
    switch self {
    case .quality, .balanced: true
    case .speed, .energy: grade.map { $0 <= Self.worstGrade } ?? false
    }
  }

  package var sentence: String {
    switch self {
    case .quality: "the smallest loss, and of those that cannot be told apart the fastest"
    case .speed: "the fastest whose loss is at most noticeable"
    case .energy: "the least energy per token whose loss is at most noticeable"
    case .balanced: "the best balance of speed and loss (0.1 nats per token weigh as much as a factor e in speed)"
    }
  }
}

/// What an answer must satisfy; nil asks for nothing.
package struct Constraints: Sendable, Equatable {
  /// Per sequence: what one user sees.
  package var minimumDecode: TokenRate?
  package var maximumEnergyPerToken: Energy?
  package var maximumMemory: ByteCount?
  package var worstGrade: QualityEstimate.Grade?
  /// Whether the engine must be able to run it, rather than size it.
  package var mustRun: Bool

  package init(
    minimumDecode: TokenRate? = nil, maximumEnergyPerToken: Energy? = nil, maximumMemory: ByteCount? = nil,
    worstGrade: QualityEstimate.Grade? = nil, mustRun: Bool = true
  ) {
    self.minimumDecode = minimumDecode
    self.maximumEnergyPerToken = maximumEnergyPerToken
    self.maximumMemory = maximumMemory
    self.worstGrade = worstGrade
    self.mustRun = mustRun
  }
}
