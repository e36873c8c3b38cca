// SPDX-License-Identifier: Apache-2.0
internal import CostModel
internal import Compression
internal import Hardware
internal import Quantities

/// Why a choice is the choice, in plain words.
struct Reasons {
  let choice: CostEstimate
  let platform: Platform
  let objective: Objective

  var reasons: [String] {
    [memory, speed, loss, limit, "Of what satisfies the constraints it is \(objective.sentence)."].compactMap { $0 }
  }

  private var memory: String? {
    guard let total = choice.memory.total.value, let usable = platform.capacity.usable.value else { return nil }
    if let place = choice.fullestPlace, let distribution = choice.distribution,
      choice.places.count > 1 || place.count > 1,
      let room = place.usable.value
    {
      return "It needs \(total), \(distribution.sentence): \(place.needed) of the \(room) in \(place.name), context of "
        + "\(choice.workload.contextTokens) tokens included."
    }
    let share = QuantityFormat.fixed(100 * total.magnitude / max(1, usable.magnitude), decimals: 0)
    return "It needs \(total) of the \(usable) of \(platform.capacity.label) (\(share) %), context of "
      + "\(choice.workload.contextTokens) tokens included."
  }

  private var speed: String? {
    guard let rate = choice.decode.value, let low = choice.decode.low, let high = choice.decode.high else {
      return choice.decode.reason.map { "Its speed is unknown: \($0)." }
    }
    return "It decodes about \(rate) (\(QuantityFormat.threeDigits(low.magnitude)) to "
      + "\(QuantityFormat.threeDigits(high.magnitude)); \(choice.decode.basis.rawValue))."
  }

  private var loss: String? {
    guard let grade = choice.quality.grade, let loss = choice.quality.loss.value else {
      return choice.quality.loss.reason.map { "Its loss is unknown: \($0)." }
    }
    if choice.quality.loss.basis == .measured, let source = choice.quality.loss.source {
      // Its interval ends at nothing lost where twice the standard error reaches there.
      let doubt = choice.quality.loss.low == .zero ? "; it lies within twice its standard error of no loss" : ""
      return "Its loss is \(grade.rawValue) (\(loss)) by \(source), which counts before published figures\(doubt)."
    }
    return "Its expected loss is \(grade.rawValue) (\(loss); \(choice.quality.loss.basis.rawValue))."
  }

  private var limit: String? {
    switch choice.bound {
    case .memory: "Decoding is limited by reading the weights: fewer bytes are faster."
    case .compute: "Decoding is limited by arithmetic: a smaller format is not faster here."
    case .overhead: "Decoding is limited by overheads between operators: the model is small for this machine."
    case .transfer: "Decoding is limited by what devices and processor exchange: fewer places are faster."
    case .capacity, nil: nil
    }
  }

  var warnings: [String] {
    var warnings: [String] = []
    if choice.quality.loss.basis == .modelled, (choice.quality.loss.value?.nats ?? 0) > 0 {
      warnings.append("The loss is inferred from published figures of other models; it may be a grade off.")
    }
    if let grade = choice.quality.grade, grade >= .noticeable {
      warnings.append(
        "Perplexity hides what such compression costs in knowledge and long context; a smaller model in a finer format "
          + "may serve better.")
    }
    if choice.energyPerToken.basis == .modelled {
      warnings.append("No energy counter here: energy is a class figure, right within a factor of about two.")
    }
    return warnings + platform.machine.notes
  }
}

/// What one estimate does better and worse than another.
struct Comparison {
  let sentence: String

  init(of rival: CostEstimate, with choice: CostEstimate) {
    var parts: [String] = []
    if let mine = rival.decode.value, let its = choice.decode.value {
      parts.append(Self.ratio(mine.magnitude / its.magnitude, "faster", "slower"))
    }
    if let mine = rival.memory.total.value, let its = choice.memory.total.value {
      parts.append(Self.ratio(mine.magnitude / its.magnitude, "more memory", "less memory"))
    }
    if let mine = rival.quality.grade, let its = choice.quality.grade {
      parts.append(mine == its ? "loss of the same grade" : "loss \(mine.rawValue) instead of \(its.rawValue)")
    }
    sentence = parts.joined(separator: ", ")
  }

  private static func ratio(_ value: Double, _ above: String, _ below: String) -> String {
    let percent = QuantityFormat.fixed(abs(value - 1) * 100, decimals: 0)
    return "\(percent) % \(value >= 1 ? above : below)"
  }
}
