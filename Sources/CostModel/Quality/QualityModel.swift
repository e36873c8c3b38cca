// SPDX-License-Identifier: Apache-2.0
package import Compression
package import Evidence
internal import LanguageModel
internal import Quantities

/// Expects a variant's loss from published figures on other models, with an interval that says so.
///
/// Perplexity hides losses of knowledge and of long context; the grade is a beginning, not a verdict.
package struct QualityModel: Sendable {
  /// Between models of other sizes and training the loss of one variant varies by about this factor: 0.40 at Q4_K_M
  /// from Llama-3-8B to Llama-2-7B.
  static let betweenModels = 2.5
  /// A loss below this is noise of the test set.
  static let noise = 0.001

  private let evidence: [String: [QualityEvidence]]
  private let removals: RemovalEvidence
  /// Models with figures of their own.
  private let models: Set<String>
  /// What other models' figures say of the variants that everybody asks for.
  private let expected: [CompressionStep: QualityEstimate]

  /// The user's own judgements by model and variant, which count before anything published.
  private let own: [String: [String: QualityEstimate]]

  package init(_ rows: [QualityEvidence], own judgements: [OwnJudgement] = []) {
    own = Dictionary(grouping: judgements, by: \.model).mapValues { list in
      // The first of a variant is the newest.
      Dictionary(list.map { ($0.variant, Self.judged($0)) }, uniquingKeysWith: { first, _ in first })
    }
    let evidence = Dictionary(grouping: rows) { Self.key($0.variant, $0.hasImportanceMatrix) }
    self.evidence = evidence
    removals = RemovalEvidence(rows)
    models = Set(rows.map(\.model))
    var expected: [CompressionStep: QualityEstimate] = [:]
    for step in CompressionVariant.offered.compactMap(\.storage) {
      let rows = Self.rows(for: step, evidence)
      if !rows.isEmpty { expected[step] = Self.transferred(rows) }
    }
    self.expected = expected
  }

  private static func key(_ variant: String, _ hasMatrix: Bool) -> String { hasMatrix ? variant + "-imatrix" : variant }

  /// The expected loss of a variant that stores `bitsPerWeight` bits; a figure of the very model counts alone.
  package func estimate(_ variant: CompressionVariant, model: String, bitsPerWeight: Double) -> QualityEstimate {
    if let judged = own[model]?[variant.name] { return judged }
    if let student = variant.student {
      return QualityEstimate(loss: .unknown(reason: "what \(student) answers worse depends on how it was trained"))
    }
    if let change = variant.structure.first {
      if variant.structure.count == 1, let removed = removals.estimate(change) {
        return Self.both(removed, stored(variant.storage, model: model, bitsPerWeight: bitsPerWeight))
      }
      let reason = "what \(change.name) costs depends on how it is trained afterwards"
      return QualityEstimate(loss: .unknown(reason: reason))
    }
    return stored(variant.storage, model: model, bitsPerWeight: bitsPerWeight)
  }

  /// Losses of independent steps add up, and so do their intervals.
  private static func both(_ one: QualityEstimate, _ other: QualityEstimate) -> QualityEstimate {
    QualityEstimate(loss: one.loss + other.loss, models: Array(Set(one.models + other.models)).sorted())
  }

  private func stored(_ step: CompressionStep?, model: String, bitsPerWeight: Double) -> QualityEstimate {
    guard let step else { return Self.lossless("the model as published") }
    if case .uniform(let format) = step, [.f32, .f16, .bf16].contains(format) {
      return Self.lossless("16 bits keep what is published in 16 bits")
    }
    if !models.contains(model), let expected = expected[step] { return expected }
    let rows = Self.rows(for: step, evidence)
    let own = rows.filter { $0.model == model }
    if !own.isEmpty { return Self.published(own) }
    if !rows.isEmpty { return Self.transferred(rows) }
    return Self.interpolated(step, bitsPerWeight: bitsPerWeight)
  }

  private static func judged(_ judgement: OwnJudgement) -> QualityEstimate {
    let (loss, slack) = (judgement.lossIncrease.value, 2 * (judgement.lossIncrease.standardError ?? 0))
    return QualityEstimate(
      loss: .known(
        LossIncrease(nats: max(0, loss)), low: LossIncrease(nats: max(0, loss - slack)),
        high: LossIncrease(nats: max(0, loss + slack)), basis: .measured,
        source: "your own evaluation of \(judgement.date) over \(judgement.tokens) tokens"), models: [judgement.model])
  }

  private static func lossless(_ reason: String) -> QualityEstimate {
    QualityEstimate(loss: .exact(.zero, .modelled, source: reason))
  }

  private static func rows(
    for step: CompressionStep, _ evidence: [String: [QualityEvidence]]
  ) -> [QualityEvidence] {
    switch step {
    case .mixture(let mixture, let hasMatrix):
      let wanted = evidence[key(mixture.rawValue, hasMatrix)] ?? []
      return wanted.isEmpty ? evidence[key(mixture.rawValue, !hasMatrix)] ?? [] : wanted
    case .uniform, .linearLayers, .structure, .student: return evidence[step.name] ?? []
    }
  }

  private static func published(_ rows: [QualityEvidence]) -> QualityEstimate {
    let losses = rows.map { max(noise, $0.lossIncrease) }.sorted()
    return QualityEstimate(
      loss: .known(
        LossIncrease(nats: losses[losses.count / 2]), low: LossIncrease(nats: losses[0]),
        high: LossIncrease(nats: losses[losses.count - 1]), basis: .published,
        source: Array(Set(rows.map(\.source))).sorted().joined(separator: "; ")),
      models: Array(Set(rows.map(\.model))))
  }

  /// The median over models of each model's median; the interval takes them all and the variation between models.
  private static func transferred(_ rows: [QualityEvidence]) -> QualityEstimate {
    let byModel = Dictionary(grouping: rows, by: \.model).mapValues { rows in
      let losses = rows.map { max(noise, $0.lossIncrease) }.sorted()
      return losses[losses.count / 2]
    }
    let losses = byModel.values.sorted()
    let middle = losses[losses.count / 2]
    return QualityEstimate(
      loss: .known(
        LossIncrease(nats: middle), low: LossIncrease(nats: min(losses[0], middle / betweenModels)),
        high: LossIncrease(nats: max(losses[losses.count - 1], middle * betweenModels)), basis: .modelled,
        source: "published figures of \(byModel.keys.sorted().joined(separator: ", ")), not of this model"),
      models: byModel.keys.sorted())
  }

  /// Lines through the losses of Llama-3-8B by family: ln loss = intercept − slope × bits per weight.
  ///
  /// - Source: the perplexity table in llama.cpp's examples (Llama-3-8B, WikiText-2); residuals sd 0.33 and 0.22.
  private static func interpolated(_ step: CompressionStep, bitsPerWeight: Double) -> QualityEstimate {
    guard let line = line(for: step) else {
      return QualityEstimate(loss: .unknown(reason: "no published figures for \(step.name)"))
    }
    let loss = Logarithm.exponential(line.intercept - line.slope * bitsPerWeight)
    let factor = betweenModels * Logarithm.exponential(line.residual)
    return QualityEstimate(
      loss: .known(
        LossIncrease(nats: loss), low: LossIncrease(nats: loss / factor), high: LossIncrease(nats: loss * factor),
        basis: .modelled, source: "from bits per weight, by a line through the figures of Llama-3-8B"))
  }

  private static func line(for step: CompressionStep) -> (intercept: Double, slope: Double, residual: Double)? {
    let format: BlockFormat
    switch step {
    case .mixture(let mixture, _): format = mixture.baseFormat
    case .uniform(let block): format = block
    case .linearLayers, .structure, .student: return nil
    }
    switch format {
    case .q2_k, .q3_k, .q4_k, .q5_k, .q6_k: return (2.20, 1.10, 0.33)
    case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0: return (2.40, 1.06, 0.22)
    default: return nil
    }
  }
}
