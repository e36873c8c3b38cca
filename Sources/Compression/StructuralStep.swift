// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// A change of a model's shapes; how the remaining weights are stored is another step's business.
package enum StructuralStep: Hashable, Sendable {
  /// Whole layers removed.
  case depth(layers: Int)
  /// Thousandths of the heads and feed-forward channels removed, in all but the first and last layers.
  case width(permille: Int)
  /// A trained adapter of some rank, added to the weights: the shapes stay.
  case mergedAdapter(rank: Int)
  /// A trained adapter kept apart: two thin matrices beside every matrix inside the layers.
  case adapter(rank: Int)
  /// Every matrix inside the layers as a product of two thin ones that hold so many thousandths of its weights.
  case lowRank(permille: Int)

  /// The step as people write it.
  package var name: String {
    switch self {
    case .depth(let layers): "depth-\(layers)"
    case .width(let permille): "width-\(Thousandths.text(permille))"
    case .mergedAdapter(let rank): "lora-\(rank)-merged"
    case .adapter(let rank): "lora-\(rank)"
    case .lowRank(let permille): "svd-\(Thousandths.text(permille))"
    }
  }

  /// Whether it may follow the step that stores the weights: an adapter stands beside them, all else changes them.
  package var mayFollowStorage: Bool { if case .adapter = self { true } else { false } }

  /// How a person makes it from the published model.
  package var howToObtain: String {
    switch self {
    case .depth(let layers):
      "PruneMe or mergekit: remove the \(layers) successive layers whose input and output differ least in angle"
    case .width(let permille):
      "LLM-Pruner: --pruning_ratio \(Thousandths.text(permille)) --block_wise with layers 4 to n-4, then train again"
    case .mergedAdapter(let rank): "PEFT: train a LoRA of rank \(rank), then merge_and_unload"
    case .adapter(let rank): "PEFT: train a LoRA of rank \(rank) with target_modules all-linear, and save_pretrained"
    case .lowRank(let permille):
      "SVD-LLM: whitened singular values with a calibration text, ratio \(Thousandths.text(1000 - permille)) removed"
    }
  }
}

extension StructuralStep {
  /// Reads `depth-8`, `width-0.3`, `lora-16`, `lora-16-merged` and `svd-0.5`; nil for a word of another family.
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
      guard let permille = Thousandths.parse(parts[1]) else {
        throw .badParameter(step: word, expected: "a fraction between 0 and 1, such as width-0.3")
      }
      self = .width(permille: permille)
    case ("svd", 2):
      guard let permille = Thousandths.parse(parts[1]) else {
        throw .badParameter(step: word, expected: "a fraction between 0 and 1, such as svd-0.5")
      }
      self = .lowRank(permille: permille)
    case ("lora", 2):
      guard let rank = Int(parts[1]), rank > 0 else {
        throw .badParameter(step: word, expected: "a rank, such as lora-16")
      }
      self = .adapter(rank: rank)
    case ("lora", 3) where parts[2] == "merged":
      guard let rank = Int(parts[1]), rank > 0 else {
        throw .badParameter(step: word, expected: "a rank, such as lora-16-merged")
      }
      self = .mergedAdapter(rank: rank)
    default: return nil
    }
  }
}
