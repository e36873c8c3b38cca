// SPDX-License-Identifier: Apache-2.0

/// A change of a model's shapes; how the remaining weights are stored is another step's business.
package enum StructuralStep: Hashable, Sendable {
  /// Whole layers removed.
  case depth(layers: Int)
  /// Thousandths of the heads and feed-forward channels removed, in all but the first and last layers.
  case width(permille: Int)
  /// A trained adapter of some rank, added to the weights: the shapes stay.
  case mergedAdapter(rank: Int)

  /// The step as people write it.
  package var name: String {
    switch self {
    case .depth(let layers): "depth-\(layers)"
    case .width(let permille): "width-\(Self.fraction(permille))"
    case .mergedAdapter(let rank): "lora-\(rank)-merged"
    }
  }

  /// `300` → `0.3`: a fraction below one without needless zeros.
  private static func fraction(_ permille: Int) -> String {
    var digits = String(1000 + permille).dropFirst()
    while digits.count > 1, digits.last == "0" { digits.removeLast() }
    return "0.\(digits)"
  }

  /// What removes structure, as opposed to what only changes weights.
  package var isPruning: Bool {
    switch self {
    case .depth, .width: true
    case .mergedAdapter: false
    }
  }

  /// How a person makes it from the published model.
  package var howToObtain: String {
    switch self {
    case .depth(let layers):
      "PruneMe or mergekit: remove the \(layers) successive layers whose input and output differ least in angle"
    case .width(let permille):
      "LLM-Pruner: --pruning_ratio \(Self.fraction(permille)) --block_wise with layers 4 to n-4, then train again"
    case .mergedAdapter(let rank): "PEFT: train a LoRA of rank \(rank), then merge_and_unload"
    }
  }
}

extension StructuralStep {
  /// Reads `depth-8`, `width-0.3` and `lora-16-merged`; nil for a word of another family.
  ///
  /// - Throws: `CompressionError.badParameter`.
  init?(parsing word: String) throws(CompressionError) {
    let parts = word.split(separator: "-", omittingEmptySubsequences: false)
    switch (parts.first, parts.count) {
    case ("depth", 2):
      guard let layers = Int(parts[1]), layers > 0 else {
        throw .badParameter(step: word, expected: "a number of layers, such as depth-8")
      }
      self = .depth(layers: layers)
    case ("width", 2):
      guard let permille = Self.permille(parts[1]) else {
        throw .badParameter(step: word, expected: "a fraction between 0 and 1, such as width-0.3")
      }
      self = .width(permille: permille)
    case ("lora", 3) where parts[2] == "merged":
      guard let rank = Int(parts[1]), rank > 0 else {
        throw .badParameter(step: word, expected: "a rank, such as lora-16-merged")
      }
      self = .mergedAdapter(rank: rank)
    default: return nil
    }
  }

  /// Thousandths of `0.3` or `0.125`; nil outside of 0.001 ... 0.999.
  private static func permille(_ text: Substring) -> Int? {
    guard text.hasPrefix("0."), (3...5).contains(text.count), text.dropFirst(2).allSatisfy(\.isNumber),
      let digits = Int(text.dropFirst(2) + String(repeating: "0", count: 5 - text.count)), digits > 0
    else { return nil }
    return digits
  }
}
