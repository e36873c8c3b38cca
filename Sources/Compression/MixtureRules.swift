// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// A recipe for one model: which format each category of its tensors gets.
///
/// The one home of llama.cpp's assignment. Each function reads as one column of the table of recipes.
/// - Source: llama.cpp's src/llama-quant.cpp, commit 007dbbf3 (2026). Until 2025 fused query-key-value matrices had
///   rules of their own (Q4_K_M gave them Q5_K, Q5_K_M Q6_K); now they follow the values.
struct MixtureRules: Sendable {
  let mixture: GGUFMixture
  let hasImportanceMatrix: Bool
  let facts: MixtureFacts
  private var base: BlockFormat { mixture.baseFormat }
  private var hasSharedKeyValues: Bool { facts.queriesPerKeyValue >= 4 }

  init(_ mixture: GGUFMixture, hasImportanceMatrix: Bool, facts: MixtureFacts) {
    self.mixture = mixture
    self.hasImportanceMatrix = hasImportanceMatrix || mixture.needsImportanceMatrix
    self.facts = facts
  }

  func rule(_ category: TensorCategory) -> FormatRule {
    if category == .kept { return FormatRule(.f32) }
    if category == .float { return FormatRule(.f16) }
    if mixture == .mxfp4_moe { return FormatRule(.q8_0) }
    return switch category {
    case .kept, .float: FormatRule(.f32)
    case .head: FormatRule(head)
    case .embedding: FormatRule(facts.isTied ? head : embedding)
    case .value: value
    case .key: FormatRule(key)
    case .query: FormatRule(query)
    case .attentionOutput: FormatRule(attentionOutput)
    case .up, .gate: mixture == .iq3_xs ? FormatRule(base, .iq3_xxs, in: .inner) : FormatRule(base)
    case .down: down
    case .matrix: FormatRule(base)
    }
  }

  private var head: BlockFormat {
    if facts.isFalcon { return .q8_0 }
    if mixture.isBelowThreeBits || mixture == .iq3_xxs { return .q5_k }
    return base == .q8_0 ? .q8_0 : .q6_k
  }

  private var embedding: BlockFormat {
    switch mixture {
    case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs: .q2_k
    case .iq2_s, .iq2_m, .iq3_xxs: .iq3_s
    case .tq1_0, .tq2_0: .q4_k
    default: base
    }
  }

  // MARK: Attention

  private var value: FormatRule {
    if mixture.isBelowThreeBits {
      if hasSharedKeyValues || facts.experts >= 4 { return FormatRule(.q4_k) }
      return FormatRule(mixture == .iq2_s || mixture == .iq2_m ? .iq3_s : .q2_k)
    }
    if facts.experts == 8 { return FormatRule(.q8_0) }
    return facts.is70B ? valueByMixture.replacing([.q3_k, .q4_k], with: .q5_k) : valueByMixture
  }

  private var valueByMixture: FormatRule {
    switch mixture {
    case .q2_k: FormatRule(hasSharedKeyValues ? .q4_k : .q3_k)
    case .q2_k_s, .iq3_xs, .iq3_s: FormatRule(hasSharedKeyValues ? .q4_k : base)
    case .iq3_xxs: FormatRule(hasSharedKeyValues ? .q4_k : hasImportanceMatrix ? .iq3_xxs : .iq3_s)
    case .iq3_m: FormatRule(.q4_k)
    case .q3_k_m: FormatRule(.q4_k, .q5_k, in: .firstTwo)
    case .q3_k_l: FormatRule(.q5_k)
    case .iq4_nl, .iq4_xs: FormatRule(hasSharedKeyValues ? .q5_k : base)
    case .q4_k_m, .q5_k_m: FormatRule(base, .q6_k, in: .sensitive)
    case .q4_k_s: FormatRule(base, .q5_k, in: .firstFour)
    default: FormatRule(base)
    }
  }

  private var key: BlockFormat {
    if facts.experts == 8 { return mixture.isBelowThreeBits ? .q4_k : .q8_0 }
    return query
  }

  private var query: BlockFormat {
    switch mixture {
    case .iq3_xs: .iq3_xxs
    case .iq3_xxs: .iq2_s
    default: base
    }
  }

  private var attentionOutput: BlockFormat {
    if mixture.isBelowThreeBits { return facts.experts == 8 ? .q5_k : attentionOutputBelowThreeBits }
    if facts.isFalcon { return mixture == .q3_k_l ? .q4_k : base }
    if facts.experts == 8 { return attentionOutputOfEightExperts }
    return switch mixture {
    case .q2_k: .q3_k
    case .iq3_xxs: .iq3_s
    case .q3_k_m, .iq3_m: .q4_k
    case .q3_k_l: .q5_k
    default: base
    }
  }

  private var attentionOutputBelowThreeBits: BlockFormat {
    switch mixture {
    case .iq1_s, .iq1_m: .iq2_xxs
    case .iq2_s, .iq2_m: .iq3_s
    default: base
    }
  }

  private var attentionOutputOfEightExperts: BlockFormat {
    switch mixture {
    case .q2_k, .iq3_xs, .iq3_xxs, .q3_k_s, .q3_k_m, .iq4_nl, .q4_k_s, .q4_k_m, .iq3_s, .iq3_m, .iq4_xs: .q5_k
    default: base
    }
  }

  // MARK: Feed-forward

  private var down: FormatRule {
    switch mixture {
    case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs: FormatRule(base, .q2_k, in: .firstEighth)
    case .iq2_s, .iq2_m: FormatRule(base, .iq3_s, in: .firstEighth)
    case .q2_k: FormatRule(.q3_k)
    case .q2_k_s: FormatRule(base, .q4_k, in: .firstEighth)
    case .iq3_xxs: hasImportanceMatrix ? FormatRule(base) : FormatRule(.q3_k, .q4_k, in: .firstEighth)
    case .iq3_m: FormatRule(base, .q4_k, in: facts.experts == 8 ? .sensitive : .firstEighth)
    case .q3_k_l: FormatRule(facts.isFalcon ? .q4_k : .q5_k)
    case .q3_k_m:
      facts.isFalcon
        ? FormatRule(.q3_k, .q5_k, in: .firstSixteenth).adding(.q4_k, in: .sensitive)
        : FormatRule(.q4_k, .q5_k, in: .firstSixteenth)
    case .q4_k_m:
      facts.isFalcon
        ? FormatRule(.q4_k, .q6_k, in: .firstSixteenth).adding(.q5_k, in: .sensitive)
        : FormatRule(base, .q6_k, in: .sensitive)
    case .q5_k_m: FormatRule(base, .q6_k, in: .sensitive)
    case .q4_k_s: facts.isFalcon ? FormatRule(base) : FormatRule(base, .q5_k, in: .firstEighth)
    case .iq4_nl, .iq4_xs: hasImportanceMatrix ? FormatRule(base) : FormatRule(base, .q5_k, in: .firstEighth)
    case .q4_0: hasImportanceMatrix ? FormatRule(base, .q4_1, in: .firstEighth) : FormatRule(base)
    case .q5_0: hasImportanceMatrix ? FormatRule(base, .q5_1, in: .firstEighth) : FormatRule(base)
    default: FormatRule(base)
    }
  }
}
