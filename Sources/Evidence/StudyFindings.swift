// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Quantities

/// What training won back of what removing layers cost, in perplexities over one text.
package struct Recovery: Sendable, Equatable {
  package var reference: Double
  /// Without the layers, untrained.
  package var cut: Double
  /// Without the layers, trained.
  package var recovered: Double
  /// The whole model after the same training: what the training alone changes.
  package var control: Double?

  package init(reference: Double, cut: Double, recovered: Double, control: Double? = nil) {
    self.reference = reference
    self.cut = cut
    self.recovered = recovered
    self.control = control
  }

  /// The part of the loss that is gone; 1 is the reference again. Nil where removing cost nothing.
  package var share: Double? { Self.share(cut, recovered, from: reference) }
  /// The same against the whole model after the same training.
  package var shareOfControl: Double? { control.flatMap { Self.share(cut, recovered, from: $0) } }

  private static func share(_ cut: Double, _ recovered: Double, from whole: Double) -> Double? {
    cut > whole ? (cut - recovered) / (cut - whole) : nil
  }
}

/// Students of one shape trained alone and with their teacher, by the same seeds.
package struct StudentComparison: Sendable, Equatable {
  package struct Pair: Sendable, Equatable {
    package var seed: UInt64
    package var alone: Double
    package var taught: Double

    package init(seed: UInt64, alone: Double, taught: Double) {
      self.seed = seed
      self.alone = alone
      self.taught = taught
    }
  }

  /// Perplexities over one text, by seed.
  package var pairs: [Pair]

  package init(pairs: [Pair]) { self.pairs = pairs }

  /// Mean and standard error over seeds.
  package var alone: Estimate? { RunningMean(pairs.map(\.alone)).estimate }
  package var taught: Estimate? { RunningMean(pairs.map(\.taught)).estimate }
  /// ln(alone / taught) of pairs with the same seed: above zero where the teacher helped.
  package var gain: Estimate? { RunningMean(pairs.map { Logarithm.natural($0.alone / $0.taught) }).estimate }
  package var wins: Int { pairs.count { $0.taught < $0.alone } }
}

extension Study {
  /// Nil until the entries that it takes are judged.
  package var recovery: Recovery? {
    func perplexity(_ steps: [StructuralStep.Kind]) -> Double? {
      entries.first { entry in
        guard let variant = try? CompressionVariant(parsing: entry.variant), variant.storage == nil,
          variant.student == nil
        else { return false }
        return variant.structure.map(\.kind) == steps && entry.perplexity != nil
      }?.perplexity
    }
    guard let reference = perplexity([]), let cut = perplexity([.depth]),
      let recovered = perplexity([.depth, .mergedAdapter])
    else { return nil }
    return Recovery(reference: reference, cut: cut, recovered: recovered, control: perplexity([.mergedAdapter]))
  }

  /// Nil until one seed's two students are judged.
  package var students: StudentComparison? {
    func perplexities(hasTeacher: Bool) -> [UInt64: Double] {
      let judged = entries.compactMap { entry -> (UInt64, Double)? in
        guard entry.variant.hasPrefix("student:"), let training = entry.training, training.hasTeacher == hasTeacher,
          let perplexity = entry.perplexity
        else { return nil }
        return (training.seed, perplexity)
      }
      return Dictionary(judged, uniquingKeysWith: { first, _ in first })
    }
    let (alone, taught) = (perplexities(hasTeacher: false), perplexities(hasTeacher: true))
    let pairs = alone.keys.sorted().compactMap { seed -> StudentComparison.Pair? in
      guard let one = alone[seed], let other = taught[seed] else { return nil }
      return .init(seed: seed, alone: one, taught: other)
    }
    return pairs.isEmpty ? nil : StudentComparison(pairs: pairs)
  }
}

extension StructuralStep {
  fileprivate enum Kind { case depth, mergedAdapter, other }

  fileprivate var kind: Kind {
    switch self {
    case .depth: .depth
    case .mergedAdapter: .mergedAdapter
    case .width, .adapter, .lowRank: .other
    }
  }
}
