// SPDX-License-Identifier: Apache-2.0
package import CostModel
package import Quantities

/// Why a variant is ruled out.
package enum Refusal: Sendable, Equatable {
  case doesNotFit(needed: ByteCount, usable: ByteCount)
  /// One of several places that share the model.
  case overflows(String, needed: ByteCount, usable: ByteCount)
  case overMemoryLimit(needed: ByteCount, limit: ByteCount)
  case cannotRun(Obstacle)
  case tooSlow(TokenRate, wanted: TokenRate)
  case speedUnknown(reason: String)
  case tooHungry(Energy, allowed: Energy)
  case energyUnknown(reason: String)
  case losesTooMuch(QualityEstimate.Grade, allowed: QualityEstimate.Grade)
  case qualityUnknown(reason: String)

  package var sentence: String {
    switch self {
    case .doesNotFit(let needed, let usable):
      "needs \(needed), and \(usable) can be used (with a margin of 8 %)"
    case .overflows(let place, let needed, let usable):
      "needs \(needed) in \(place), and \(usable) can be used there (with a margin of 8 %)"
    case .overMemoryLimit(let needed, let limit): "needs \(needed), more than the \(limit) asked for"
    case .cannotRun(let obstacle): obstacle.sentence
    case .tooSlow(let rate, let wanted): "decodes \(rate) for each user, below the \(wanted) asked for"
    case .speedUnknown(let reason): "its speed is unknown: \(reason)"
    case .tooHungry(let energy, let allowed): "takes \(energy) per token, above the \(allowed) asked for"
    case .energyUnknown(let reason): "its energy is unknown: \(reason)"
    case .losesTooMuch(let grade, let allowed): "its loss is \(grade.rawValue), worse than \(allowed.rawValue)"
    case .qualityUnknown(let reason): "its loss is unknown: \(reason)"
    }
  }
}

extension Constraints {
  /// The first reason against an estimate, the hardest first; nil when there is none.
  package func refusal(_ estimate: CostEstimate, on platform: Platform) -> Refusal? {
    let needed = estimate.memory.total.value ?? .zero
    if estimate.verdict == .no {
      guard let place = estimate.fullestPlace, let usable = place.usable.value,
        estimate.places.count > 1 || place.count > 1
      else { return .doesNotFit(needed: needed, usable: platform.capacity.usable.value ?? .zero) }
      return .overflows(place.name, needed: place.needed, usable: usable)
    }
    if let limit = maximumMemory, needed > limit { return .overMemoryLimit(needed: needed, limit: limit) }
    if let obstacle = estimate.obstacle {
      if mustRun { return .cannotRun(obstacle) }
      if case .format = obstacle { return .cannotRun(obstacle) }
    }
    return speedRefusal(estimate) ?? energyRefusal(estimate) ?? qualityRefusal(estimate)
  }

  private func speedRefusal(_ estimate: CostEstimate) -> Refusal? {
    guard let wanted = minimumDecode else { return nil }
    guard let rate = estimate.decodePerSequence.value else {
      return .speedUnknown(reason: estimate.decode.reason ?? "")
    }
    return rate < wanted ? .tooSlow(rate, wanted: wanted) : nil
  }

  private func energyRefusal(_ estimate: CostEstimate) -> Refusal? {
    guard let allowed = maximumEnergyPerToken else { return nil }
    guard let energy = estimate.energyPerToken.value else {
      return .energyUnknown(reason: estimate.energyPerToken.reason ?? "")
    }
    return energy > allowed ? .tooHungry(energy, allowed: allowed) : nil
  }

  private func qualityRefusal(_ estimate: CostEstimate) -> Refusal? {
    guard let worst = worstGrade else { return nil }
    guard let grade = estimate.quality.grade else {
      return .qualityUnknown(reason: estimate.quality.loss.reason ?? "")
    }
    return grade > worst ? .losesTooMuch(grade, allowed: worst) : nil
  }
}
